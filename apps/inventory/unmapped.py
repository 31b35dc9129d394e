"""Stock of a SKU that is no item yet belongs to the same case as its orders."""

from apps.orders.exception_types.skus import register_use

register_use(
    "stock",
    """
    SELECT level.listing_id, COALESCE(level.total, level.fulfillable)::bigint AS units
    FROM inventory_level level
    JOIN inventory_snapshot snapshot ON snapshot.id = level.snapshot_id AND snapshot.current
    JOIN integrations_connection place ON place.id = snapshot.connection_id AND place.entity_id = %(entity)s
    """,
)
