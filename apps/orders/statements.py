"""SQL that stores and routes orders in bulk. A day is the company's.

`IS TRUE` keeps a condition from the planner's indexes where another one finds the rows: a company or a connection that is new
since the last ANALYZE looks to it as if it had hardly any order, and all of them would be read for each page.
"""

DAY = "(o.purchased_at AT TIME ZONE entity.zone)::date"
# IS TRUE keeps the planner from the index of periods, which finds the mappings of all listings on a day.
IN_FORCE = f"mapping.listing_id = item.listing_id AND (mapping.period @> {DAY}) IS TRUE"
UNMAPPED = f"NOT EXISTS (SELECT FROM catalog_skumapping mapping WHERE {IN_FORCE})"

# Units of a line that its order's command is about: all of Amazon's own, of ours what has not been shipped yet.
UNITS = "CASE o.channel WHEN 'MFN' THEN item.quantity - item.shipped ELSE item.quantity END"

# What is mapped stays so until the commit (apps.catalog.operations): a command is written with the mapping that freed it.
# In the order in which everybody locks listings.
KEEP_MAPPINGS = """
    SELECT FROM catalog_listing WHERE id = ANY(%(listings)s::bigint[])
    ORDER BY connection_id, marketplace COLLATE "C", sku COLLATE "C"
    FOR SHARE
"""
KEEP_MAPPINGS_OF = """
    SELECT FROM catalog_listing
    WHERE id IN (SELECT listing_id FROM orders_orderitem WHERE order_id = ANY(%(orders)s::bigint[]))
    ORDER BY connection_id, marketplace COLLATE "C", sku COLLATE "C"
    FOR SHARE
"""

FACTS = f"""
    SELECT o.id, o.on_amazon, o.channel, o.status, o.route, o.holds, lines.unmapped, lines.ordered, lines.unshipped,
           o.route IN ('ship', 'record') AND EXISTS (
               SELECT FROM integrations_command command
               WHERE command.entity_id = o.entity_id AND command.key = o.route || ':' || o.id
                     AND command.state = 'sent') AS sent,
           o.currency, o.total
    FROM orders_order o
    JOIN core_entity entity ON entity.id = o.entity_id
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(item.quantity > 0 AND {UNMAPPED}), false) AS unmapped,
               coalesce(bool_or(item.quantity > 0), false) AS ordered,
               coalesce(bool_or(item.quantity > item.shipped), false) AS unshipped
        FROM orders_orderitem item WHERE item.order_id = o.id) lines
    WHERE (o.entity_id = %(entity)s) IS TRUE AND o.id = ANY(%(orders)s::bigint[])
    ORDER BY o.id
"""

WAITING_ORDERS = """
    SELECT o.id
    FROM orders_order o
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'sku' = ANY(o.holds) AND o.id IN (
        SELECT item.order_id FROM orders_orderitem item WHERE item.listing_id = ANY(%(listings)s))
    ORDER BY o.id
"""

ROUTE = """
    UPDATE orders_order o
    SET route = decided.route, holds = decided.holds,
        released_at = CASE WHEN decided.route IN ('ship', 'record')
                           THEN coalesce(o.released_at, statement_timestamp()) ELSE o.released_at END
    FROM json_to_recordset(%(decided)s::json) decided (route text, holds varchar[], orders bigint[])
    WHERE o.id = ANY(decided.orders)
"""

# The lines are looked up order by order, so that an import into tables without statistics reads no table whole.
# A command that was cancelled before it left comes to life again with its order; any other is written once, ever.
COMMAND = f"""
    WITH written AS (
        INSERT INTO integrations_command AS known (entity_id, target, kind, key, subject, payload, state, words)
        SELECT o.entity_id, goes.target, goes.kind, o.route || ':' || o.id, 'order:' || o.id,
               jsonb_build_object('order', o.order_id, 'marketplace', o.marketplace, 'lines', sends.lines), 'waiting', ''
        FROM orders_order o
        JOIN core_entity entity ON entity.id = o.entity_id
        JOIN (VALUES ('ship', 'warehouse', 'ship-order'), ('record', 'erp', 'record-sale')) goes (route, target, kind)
            ON goes.route = o.route
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(
                       jsonb_build_object('line', item.item_id, 'item', goods.code, 'quantity', part.quantity * {UNITS})
                       ORDER BY item.id, goods.code) AS lines
            FROM orders_orderitem item
            JOIN catalog_skumapping mapping ON {IN_FORCE}
            JOIN catalog_mappingpart part ON part.mapping_id = mapping.id
            JOIN catalog_item goods ON goods.id = part.item_id
            WHERE item.order_id = o.id AND {UNITS} > 0) sends
        WHERE o.id = ANY(%(orders)s::bigint[]) AND sends.lines IS NOT NULL
        ORDER BY o.id
        ON CONFLICT (entity_id, key) DO UPDATE SET state = 'waiting', words = '', payload = excluded.payload
        WHERE known.state = 'cancelled'
        RETURNING target
    )
    SELECT target, count(*) FROM written GROUP BY target
"""

CALL_BACK = """
    UPDATE integrations_command
    SET state = 'cancelled', words = %(words)s::text
    WHERE entity_id = %(entity)s AND key = ANY(%(keys)s::text[]) AND state IN ('waiting', 'refused')
"""

WAITING = f"""
    WITH waiting AS (
        SELECT o.id, o.channel, o.currency, o.total, o.purchased_at, o.ship_by, count(*) AS lines,
               EXISTS (SELECT FROM orders_orderitem item
                       WHERE item.order_id = o.id AND item.quantity > 0 AND item.listing_id <> %(listing)s
                             AND {UNMAPPED}) AS another
        FROM orders_orderitem item
        JOIN orders_order o ON o.id = item.order_id
        JOIN core_entity entity ON entity.id = o.entity_id
        WHERE item.listing_id = %(listing)s AND item.quantity > 0 AND o.route = 'held' AND 'sku' = ANY(o.holds)
              AND {UNMAPPED} AND (%(since)s::date IS NULL OR {DAY} >= %(since)s)
              AND (%(until)s::date IS NULL OR {DAY} < %(until)s)
        GROUP BY o.id, entity.zone
    )
    SELECT currency, count(*), sum(lines)::bigint, sum(total), count(*) FILTER (WHERE total IS NULL),
           count(*) FILTER (WHERE NOT another AND channel = 'MFN'),
           count(*) FILTER (WHERE NOT another AND channel = 'AFN'),
           count(*) FILTER (WHERE another OR channel = ''),
           sum(total) FILTER (WHERE NOT another AND channel = 'MFN'),
           sum(total) FILTER (WHERE NOT another AND channel = 'AFN'),
           sum(total) FILTER (WHERE another OR channel = ''),
           min(purchased_at), min(ship_by)
    FROM waiting
    GROUP BY currency
    ORDER BY currency
"""

# The places of the records that differ from what we have, and when that changed. One look into the index for each,
# whatever the planner believes of the table.
NEWS = """
    SELECT said.place, known.changed_at
    FROM json_to_recordset(%(said)s::json) said (place int, order_id text, content text)
    LEFT JOIN LATERAL (
        SELECT o.content, o.changed_at FROM orders_order o
        WHERE o.connection_id = %(connection)s AND o.order_id = said.order_id
        LIMIT 1) known ON true
    WHERE known.content IS DISTINCT FROM said.content
"""

# Of lines that are not stored yet, those whose SKU has no item on the day of their purchase.
NOT_MAPPED = f"""
    SELECT item.order_id, item.listing_id
    FROM json_to_recordset(%(lines)s::json) item (order_id text, listing_id bigint, purchased_at timestamptz)
    CROSS JOIN LATERAL (SELECT item.purchased_at) o
    CROSS JOIN (SELECT zone FROM core_entity WHERE id = %(entity)s) entity
    WHERE {UNMAPPED}
"""

FINISHED = "(o.delivered_at IS NOT NULL OR o.status IN ('SHIPPED', 'CANCELLED', 'UNFULFILLABLE'))"
OLDER = f"{FINISHED} AND coalesce(o.delivered_at, o.changed_at) < statement_timestamp() - make_interval(days => {{days}})"
PURGE_DUE = OLDER.format(
    days="coalesce((SELECT purge_after FROM orders_ordersettings WHERE entity_id = o.entity_id), %(purge_after)s)"
)

# Who ships is what the channel says; where it says nothing, what a person said. An order that is not ours to ship any more
# is routed anew, and what was sent for it stays for a person to see. What was mapped when a line came stays so in its history,
# unless it becomes another SKU, which comes then.
STORE = f"""
    WITH said AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%(orders)s::json) said (
            order_id text, marketplace text, on_amazon boolean, channel text, channel_said text, status text,
            purchased_at timestamptz, changed_at timestamptz, ship_by timestamptz, delivered_at timestamptz, currency text,
            total numeric, content text, route text, holds varchar[], lines json, buyer json)
    ), kept AS (
        INSERT INTO orders_order AS o (
            entity_id, connection_id, order_id, marketplace, on_amazon, channel, channel_said, status, purchased_at,
            changed_at, ship_by, delivered_at, currency, total, content, route, holds, released_at)
        SELECT %(entity)s, %(connection)s, order_id, marketplace, on_amazon, channel, channel_said, status, purchased_at,
               changed_at, ship_by, delivered_at, currency, total, content, route, holds,
               CASE WHEN route IN ('ship', 'record') THEN statement_timestamp() END
        FROM said
        ON CONFLICT (connection_id, order_id) DO UPDATE SET
            marketplace = excluded.marketplace, on_amazon = excluded.on_amazon,
            channel = CASE WHEN excluded.channel = '' AND o.channel_set_by_id IS NOT NULL
                           THEN o.channel ELSE excluded.channel END,
            channel_set_by_id = CASE WHEN excluded.channel = '' THEN o.channel_set_by_id END,
            channel_said = excluded.channel_said, status = excluded.status, purchased_at = excluded.purchased_at,
            changed_at = excluded.changed_at, ship_by = excluded.ship_by,
            delivered_at = coalesce(o.delivered_at, excluded.delivered_at), currency = excluded.currency,
            total = excluded.total, content = excluded.content,
            route = CASE WHEN o.route = 'ship' AND excluded.channel <> 'MFN'
                              AND NOT (excluded.channel = '' AND o.channel_set_by_id IS NOT NULL)
                         THEN 'pending' ELSE o.route END
        RETURNING o.order_id, o.id, o.xmax <> 0 AS older, {PURGE_DUE} AS past
    ), sold AS (
        SELECT kept.id AS order_id, line.*
        FROM said
        JOIN kept USING (order_id)
        CROSS JOIN LATERAL json_to_recordset(said.lines) line (
            item_id text, listing_id bigint, title text, quantity int, shipped int, price numeric, mapped boolean)
    ), dropped AS (
        DELETE FROM orders_orderitem line USING kept
        WHERE line.order_id = kept.id AND kept.older AND NOT EXISTS (
            SELECT FROM sold WHERE sold.order_id = line.order_id AND sold.item_id = line.item_id)
    ), lines AS (
        INSERT INTO orders_orderitem AS known (
            order_id, item_id, listing_id, title, quantity, shipped, price, mapped_at_arrival)
        SELECT order_id, item_id, listing_id, title, quantity, shipped, price, mapped FROM sold
        ON CONFLICT (order_id, item_id) DO UPDATE SET
            listing_id = excluded.listing_id, title = excluded.title, quantity = excluded.quantity,
            shipped = excluded.shipped, price = excluded.price,
            mapped_at_arrival = CASE WHEN known.listing_id = excluded.listing_id
                                     THEN known.mapped_at_arrival ELSE excluded.mapped_at_arrival END
        WHERE (known.listing_id, known.title, known.quantity, known.shipped, known.price)
              IS DISTINCT FROM (excluded.listing_id, excluded.title, excluded.quantity, excluded.shipped, excluded.price)
    ), buyers AS (
        INSERT INTO orders_buyer AS known (order_id, name, email, phone, address)
        SELECT kept.id, buyer.*
        FROM said
        JOIN kept USING (order_id)
        CROSS JOIN LATERAL json_to_record(said.buyer) buyer (name text, email text, phone text, address jsonb)
        WHERE said.buyer IS NOT NULL AND NOT kept.past
        ON CONFLICT (order_id) DO UPDATE SET
            name = excluded.name, email = excluded.email, phone = excluded.phone, address = excluded.address
        WHERE (known.name, known.email, known.phone, known.address)
              IS DISTINCT FROM (excluded.name, excluded.email, excluded.phone, excluded.address)
    )
    SELECT order_id, id FROM kept
"""

DUE = f"""
    SELECT count(*) FROM orders_buyer buyer JOIN orders_order o ON o.id = buyer.order_id
    WHERE o.entity_id = %(entity)s AND {OLDER.format(days="%(days)s")}
"""

PURGE = f"""
    WITH purged AS (
        DELETE FROM orders_buyer buyer USING orders_order o
        WHERE o.id = buyer.order_id AND {PURGE_DUE}
        RETURNING o.entity_id
    )
    SELECT entity_id, count(*) FROM purged GROUP BY entity_id ORDER BY entity_id
"""

NO_CHANNEL = """
    SELECT o.connection_id, connection.name, o.channel_said, o.currency, count(*), sum(o.total), min(o.ship_by),
           (array_agg(o.order_id ORDER BY o.ship_by, o.order_id))[1:%(named)s]
    FROM orders_order o
    JOIN integrations_connection connection ON connection.id = o.connection_id
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'channel' = ANY(o.holds)
    GROUP BY o.connection_id, connection.name, o.channel_said, o.currency
    ORDER BY o.connection_id, o.channel_said, o.currency
"""

MISROUTED = """
    SELECT o.id, o.order_id, o.currency, o.total, o.ship_by, command.key, command.state, command.created_at
    FROM integrations_command command
    JOIN orders_order o ON o.id = substring(command.subject FROM 7)::bigint
        AND (o.entity_id = command.entity_id) IS TRUE
    WHERE command.entity_id = %(entity)s AND command.target = 'warehouse' AND command.kind = 'ship-order'
          AND command.state IN ('waiting', 'sent') AND o.channel = 'AFN'
    ORDER BY o.id
"""
