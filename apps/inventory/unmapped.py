"""Stock of a SKU that is no item yet belongs to the same case as its orders."""

from apps.catalog.uses import Use, register_use

register_use(Use(
    name="stock",
    unit="unit",
    asks=True,
    statement="""
    SELECT level.listing_id, COALESCE(level.total, level.fulfillable)::bigint, NULL::text, NULL::numeric
    FROM unmapped
    JOIN inventory_level level ON level.listing_id = unmapped.listing_id
    JOIN inventory_snapshot snapshot ON snapshot.id = level.snapshot_id AND snapshot.current
    """,
))  # fmt: skip
