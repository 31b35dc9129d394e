from django.db import migrations, models

# Of the lines that came before it was kept, what the mappings prove. A mapping that was made before the order came and holds on
# its day held then as well: its days are only ever taken by another one, and come back when that one is undone. Where none had
# been made, none held; lines of an order that changed since may have come with the change, at the latest now. Else a mapping
# may have been replaced or undone meanwhile, and nobody knows any more.
PROVEN = """
    UPDATE orders_orderitem item
    SET mapped_at_arrival = coalesce(found.held, false)
    FROM (
        SELECT line.id,
               bool_or(mapping.made_at < o.received_at AND mapping.period @> (o.purchased_at AT TIME ZONE entity.zone)::date) AS held,
               bool_or(mapping.made_at < CASE WHEN o.changed_at > o.received_at THEN statement_timestamp()
                                              ELSE o.received_at END) AS made
        FROM orders_orderitem line
        JOIN orders_order o ON o.id = line.order_id
        JOIN core_entity entity ON entity.id = o.entity_id
        LEFT JOIN catalog_skumapping mapping ON mapping.listing_id = line.listing_id
        GROUP BY line.id
    ) found
    WHERE found.id = item.id AND (found.held OR found.made IS NOT TRUE)
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_one_index_per_id"), ("catalog", "0003_fewer_indexes")]

    operations = [
        migrations.AddField("orderitem", "mapped_at_arrival", models.BooleanField(null=True)),
        migrations.RunSQL(PROVEN, migrations.RunSQL.noop),
    ]
