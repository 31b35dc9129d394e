"""The SKUs that a settlement has lines of, as listings: what of its money nobody can say the item of."""

from collections.abc import Iterator
from decimal import Decimal

import polars as pl

from apps.catalog.listings import listings_for
from apps.catalog.models import Listing
from apps.catalog.uses import Use, register_use
from apps.integrations.marketplaces import SITES
from apps.integrations.models import Connection

NAME = ("marketplace-name", "sku")
LONGEST = Listing._meta.get_field("sku").max_length

# An older settlement waits for nothing: its money is booked by kinds of lines. A company without items maps no SKU at all.
register_use(Use(
    name="settlements",
    unit="line",
    asks=False,
    statement="""
    SELECT sold.listing_id, sold.lines::bigint, settlement.currency::text, sold.amount
    FROM unmapped
    JOIN settlements_settledsku sold ON sold.listing_id = unmapped.listing_id
    JOIN settlements_settlementversion version ON version.id = sold.version_id AND version.state = 'taken'
    JOIN settlements_settlement settlement ON settlement.id = version.settlement_id
    WHERE EXISTS (SELECT FROM catalog_item item WHERE item.entity_id = %(entity)s)
    """,
))  # fmt: skip


def rolled_up(typed: pl.DataFrame) -> pl.DataFrame:
    """Lines and their sum by NAME, of lines that have a SKU."""
    return typed.filter(pl.col("sku") != "").group_by(NAME).agg(lines=pl.len(), amount=pl.col("amount").sum())


def of_listings(place: Connection, sold: pl.DataFrame) -> Iterator[tuple[int, int, Decimal]]:
    """Listing, lines and amount, by listing. What no site of Amazon's sold is no listing of the connection.

    Lines and amounts of spellings of one site are together. Makes the listings that nobody named yet.
    """
    named = (
        sold.with_columns(marketplace=pl.col("marketplace-name").str.to_lowercase().replace_strict(SITES, default=None))
        .filter(pl.col("marketplace").is_not_null(), pl.col("sku").str.len_chars() <= LONGEST)
        .group_by("marketplace", "sku")
        .agg(pl.col("lines", "amount").sum())
        .rows()
    )
    ids = listings_for(place, ((marketplace, sku, "", "") for marketplace, sku, _, _ in named))
    yield from sorted((ids[marketplace, sku], lines, amount) for marketplace, sku, lines, amount in named)
