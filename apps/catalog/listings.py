"""Listings as orders and stock name them: found, or made the first time that one is seen."""

from collections.abc import Iterable

from django.db import connection as database

from apps.integrations.models import Connection

Key = tuple[str, str]
"""Marketplace id and merchant SKU."""

NAMED = "unnest(%(marketplaces)s::text[], %(skus)s::text[], %(asins)s::text[], %(titles)s::text[])"

FIND = f"""
SELECT named.marketplace, named.sku, listing.id,
       (listing.asin = '' AND named.asin <> '') OR (listing.title = '' AND named.title <> '')
FROM {NAMED} AS named(marketplace, sku, asin, title)
JOIN catalog_listing listing ON listing.connection_id = %(connection)s
 AND listing.marketplace = named.marketplace AND listing.sku = named.sku
"""

MAKE = f"""
INSERT INTO catalog_listing (connection_id, marketplace, sku, asin, title, channel, fnsku, ean, picture)
SELECT %(connection)s, named.marketplace, named.sku, named.asin, named.title, '', '', '', ''
FROM {NAMED} AS named(marketplace, sku, asin, title)
ON CONFLICT ON CONSTRAINT one_listing_per_sku DO NOTHING
"""

FILL = f"""
UPDATE catalog_listing listing
SET asin = COALESCE(NULLIF(listing.asin, ''), named.asin),
    title = COALESCE(NULLIF(listing.title, ''), named.title),
    changed_at = statement_timestamp()
FROM {NAMED} AS named(marketplace, sku, asin, title)
WHERE listing.connection_id = %(connection)s
  AND listing.marketplace = named.marketplace AND listing.sku = named.sku
"""

ASIN_LENGTH = 10
TITLE_LENGTH = 500


def listings_for(connection: Connection, keys: Iterable[tuple[str, str, str, str]]) -> dict[Key, int]:
    """Ids of the listings that are named as (marketplace, SKU, ASIN, title), made where they are new.

    What is not known is empty. It fills what we do not know yet and overwrites nothing: the channel's own listings know
    better than the title on an order. Where all is known, nothing is written.
    """
    named: dict[Key, tuple[str, str]] = {}
    for marketplace, sku, asin, title in keys:
        known_asin, known_title = named.get((marketplace, sku), ("", ""))
        named[marketplace, sku] = (known_asin or asin[:ASIN_LENGTH], known_title or title[:TITLE_LENGTH])
    if not named:
        return {}
    ids, blank = _find(connection, named)
    missing = {key: named[key] for key in named if key not in ids}
    with database.cursor() as cursor:
        if missing:
            cursor.execute(MAKE, _values(connection, missing))
        if blank:
            cursor.execute(FILL, _values(connection, {key: named[key] for key in blank}))
    return ids | _find(connection, missing)[0] if missing else ids


def _find(connection: Connection, named: dict[Key, tuple[str, str]]) -> tuple[dict[Key, int], list[Key]]:
    """The listings that are there, and which of them lack something that is named here."""
    with database.cursor() as cursor:
        cursor.execute(FIND, _values(connection, named))
        rows = cursor.fetchall()
    ids = {(marketplace, sku): pk for marketplace, sku, pk, _ in rows}
    return ids, [(marketplace, sku) for marketplace, sku, _, lacks in rows if lacks]


def _values(connection: Connection, named: dict[Key, tuple[str, str]]) -> dict:
    """In one order for everybody, so that two that make the same listings wait for each other and never in a circle."""
    ordered = sorted(named.items())
    return {
        "connection": connection.pk,
        "marketplaces": [marketplace for (marketplace, _), _ in ordered],
        "skus": [sku for (_, sku), _ in ordered],
        "asins": [asin for _, (asin, _) in ordered],
        "titles": [title for _, (_, title) in ordered],
    }
