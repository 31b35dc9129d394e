"""Items that an unmapped listing may be, with the reasons for and against each. Never saved unasked (features.md row 30)."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.catalog.models import Item, Listing
from apps.catalog.signals import SPLIT, Goods, Sibling, Signal, Sold, stem, units_of, weigh

SHOWN = 3
LOOKED_AT = 200
SHORTEST_WORD = 3
TELLING = 8  # weight for it from which it is worth a look
CONTRADICTS = 20  # weight against it from which nothing is sure

# Items that share an identifier, a word of the title, the stem of the SKU, or a like listing that is mapped to them.
CANDIDATES = """
WITH alike AS (
    SELECT part.item_id, jsonb_agg(jsonb_build_array(listing.id, listing.sku, listing.asin) ORDER BY listing.id) AS siblings
    FROM catalog_listing listing
    JOIN integrations_connection place ON place.id = listing.connection_id AND place.entity_id = %(entity)s
    JOIN catalog_skumapping mapping ON mapping.listing_id = listing.id AND (mapping.period @> CURRENT_DATE) IS TRUE
    JOIN catalog_mappingpart part ON part.mapping_id = mapping.id
    WHERE listing.id <> %(listing)s
      AND (%(asin)s <> '' AND listing.asin = %(asin)s OR starts_with(upper(listing.sku), %(stem)s))
      AND NOT EXISTS (SELECT FROM catalog_mappingpart other WHERE other.mapping_id = mapping.id AND other.id <> part.id)
    GROUP BY part.item_id
), weighed AS (
    SELECT item.id, alike.siblings,
           100 * (%(ean)s <> '' AND ltrim(item.ean, '0') = ltrim(%(ean)s, '0'))::int
           + 100 * (%(asin)s <> '' AND item.asin = %(asin)s)::int
           + 50 * (alike.item_id IS NOT NULL)::int
           + 20 * (starts_with(upper(item.code), %(stem)s) OR starts_with(%(stem)s, upper(item.code)))::int
           + (SELECT count(*) FROM unnest(%(words)s::text[]) word WHERE strpos(lower(item.title), word) > 0) AS worth
    FROM catalog_item item LEFT JOIN alike ON alike.item_id = item.id
    WHERE item.entity_id = %(entity)s AND item.active AND (%(item)s::bigint IS NULL OR item.id = %(item)s)
)
SELECT id, COALESCE(siblings, '[]')::text FROM weighed WHERE worth > 0 ORDER BY worth DESC, id LIMIT %(limit)s
"""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """`units` of the item seem to be in one sold unit. `sure`: a reason identifies it, and the other reasons agree."""

    item: Item
    units: int
    reasons_for: list[str]
    reasons_against: list[str]
    score: int
    sure: bool


def suggest(
    listing: Listing,
    *,
    item: Item | None = None,
    price: Decimal | None = None,
    currency: str = "",
    orders_of: Callable[[Collection[int]], dict[int, int]] = lambda listings: {},
) -> list[Candidate]:
    """The items that the listing most likely is, the likeliest first; with an `item` only that one, if it is like it.

    `price` is what buyers paid for a unit; `orders_of` counts the orders of listings. Both come from who knows orders.
    """
    sold = Sold(
        sku=listing.sku, title=listing.title, ean=listing.ean, asin=listing.asin, price=price, currency=currency
    )
    found = _alike(listing, item)
    counts = orders_of({pk for siblings in found.values() for pk, _, _ in siblings})
    items = Item.objects.in_bulk(found)
    weighed = []
    for pk, siblings in found.items():
        goods = _goods(items[pk], listing, siblings, counts)
        signals = weigh(sold, goods)
        if any(signal.weight >= TELLING for signal in signals):
            weighed.append(_candidate(items[pk], units_of(sold, goods), signals))
    return sorted(weighed, key=lambda each: (-each.score, each.item.code))[:SHOWN]


def _alike(listing: Listing, item: Item | None) -> dict[int, list[tuple[int, str, str]]]:
    """Item id -> (id, SKU, ASIN) of the like listings that are mapped to it."""
    wanted = {word.lower() for word in SPLIT.split(listing.title) if len(word) >= SHORTEST_WORD}
    with connection.cursor() as cursor:
        cursor.execute(
            CANDIDATES,
            {
                "entity": listing.entity_id,
                "listing": listing.pk,
                "item": item.pk if item else None,
                "ean": listing.ean,
                "asin": listing.asin,
                "stem": stem(listing.sku),
                "words": sorted(wanted),
                "limit": LOOKED_AT,
            },
        )
        return {pk: json.loads(siblings) for pk, siblings in cursor.fetchall()}


def _goods(item: Item, listing: Listing, siblings: list, orders: dict[int, int]) -> Goods:
    return Goods(
        code=item.code,
        title=item.title,
        ean=item.ean,
        asin=item.asin,
        pack=item.pack,
        price=item.price,
        currency=item.currency,
        siblings=tuple(
            Sibling(sku=sku, orders=orders.get(pk, 0), same_asin=bool(asin) and asin == listing.asin)
            for pk, sku, asin in siblings
        ),
    )


def _candidate(item: Item, units: int, signals: list[Signal]) -> Candidate:
    against = [signal for signal in signals if signal.weight < 0]
    return Candidate(
        item=item,
        units=units,
        reasons_for=[signal.words for signal in signals if signal.weight > 0],
        reasons_against=[signal.words for signal in against],
        score=sum(signal.weight for signal in signals),
        sure=any(signal.proof for signal in signals) and -sum(signal.weight for signal in against) < CONTRADICTS,
    )
