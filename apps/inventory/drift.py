"""What the ERP counts at Amazon against what Amazon says it holds, item by item and marketplace by marketplace.

Marketplaces are never added up: remote fulfilment shows the same units in several (domain.md 2.1).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection as database

from apps.catalog.models import Item, MappingPart
from apps.core.models import Entity
from apps.inventory.models import ErpStock, Level, Snapshot
from apps.inventory.nodes import marketplace_of
from apps.inventory.rules import ErpDrift, Quantities, Shown, against_erp, buckets, pools

DIFFERING = """
WITH newest AS (
    SELECT DISTINCT ON (item_id, node) entity_id, item_id, node, on_hand FROM inventory_erpstock
    WHERE entity_id = ANY(%(entities)s) AND node = ANY(%(nodes)s)
    ORDER BY item_id, node, as_of DESC, id DESC
), theirs AS (
    SELECT entity_id, item_id, marketplace, sum(on_hand) AS units
    FROM newest JOIN unnest(%(nodes)s::text[], %(marketplaces)s::text[]) AS place (node, marketplace) USING (node)
    GROUP BY entity_id, item_id, marketplace
), scanned AS (
    SELECT snapshot.id, snapshot.connection_id, snapshot.marketplace, connection.entity_id
    FROM inventory_snapshot snapshot JOIN integrations_connection connection ON connection.id = snapshot.connection_id
    WHERE snapshot.current AND connection.entity_id = ANY(%(entities)s)
), shown AS (
    SELECT part.item_id, scanned.marketplace, scanned.connection_id, level.listing_id, level.fnsku, level.fulfillable,
           (level.fulfillable + level.reserved + level.unfulfillable) * part.quantity AS units
    FROM scanned
    JOIN inventory_level level ON level.snapshot_id = scanned.id
    JOIN catalog_skumapping mapping ON mapping.listing_id = level.listing_id AND (mapping.period @> %(day)s::date) IS TRUE
    JOIN catalog_mappingpart part ON part.mapping_id = mapping.id
), pool AS (
    SELECT DISTINCT ON (item_id, marketplace, connection_id, coalesce(nullif(fnsku, ''), listing_id::text)) *
    FROM shown
    ORDER BY item_id, marketplace, connection_id, coalesce(nullif(fnsku, ''), listing_id::text),
             fulfillable NULLS FIRST, listing_id
), ours AS (
    SELECT item_id, marketplace, sum(units) AS units, bool_or(units IS NULL) AS dark
    FROM pool GROUP BY item_id, marketplace
)
SELECT theirs.item_id, theirs.marketplace,
       ARRAY(SELECT listing_id FROM shown
             WHERE shown.item_id = theirs.item_id AND shown.marketplace = theirs.marketplace)
FROM theirs LEFT JOIN ours USING (item_id, marketplace)
WHERE (ours.dark IS TRUE OR theirs.units <> coalesce(ours.units, 0))
  AND EXISTS (SELECT FROM scanned
              WHERE scanned.entity_id = theirs.entity_id AND scanned.marketplace = theirs.marketplace)
"""


def differing(entities: Iterable[Entity], day: date) -> dict[tuple[int, str], list[int]]:
    """{(item id, marketplace): its listings there} wherever the ERP's count is not Amazon's on hand: `comparisons` for lists."""
    ids = [entity.pk for entity in entities]
    nodes = ErpStock.objects.filter(entity__in=ids).order_by().values_list("node", flat=True).distinct()
    places = {node: marketplace for node in nodes if (marketplace := marketplace_of(node))}
    with database.cursor() as cursor:
        asked = {"entities": ids, "nodes": list(places), "marketplaces": list(places.values()), "day": day}
        cursor.execute(DIFFERING, asked)
        return {(item, marketplace): listings for item, marketplace, listings in cursor.fetchall()}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """In eaches. `by_bucket` is where Amazon has the item, None where it did not say; `drift` is None where its on-hand is not
    known. `as_of` is the oldest count of `nodes`, the ERP's places for this marketplace.
    """

    item: Item
    marketplace: str
    nodes: tuple[str, ...]
    theirs: int
    as_of: datetime
    listings: frozenset[int]
    by_bucket: dict[str, int | None]
    drift: ErpDrift | None

    @property
    def differs(self) -> bool:
        return self.drift is None or self.drift.difference != 0


def comparisons(entities: Iterable[Entity], day: date, items: Collection[Item] | None = None) -> list[Comparison]:
    """Every item that the ERP counts at a place of Amazon's, or of these items; mapped as on that day."""
    entities = list(entities)
    counts = _counts(entities, items)
    scanned = set(
        Snapshot.objects.current()
        .filter(connection__entity__in=entities)
        .values_list("connection__entity", "marketplace")
    )
    shown = _shown({item for item, _ in counts}, day)
    found = []
    for (item, marketplace), rows in counts.items():
        if (item.entity_id, marketplace) not in scanned:
            continue
        lines = shown.get((item.pk, marketplace), [])
        factors = {line.listing: factor for line, factor in lines}
        pooled = [(line.quantities, factors[line.listing]) for line in pools(line for line, _ in lines)]
        theirs = sum(row.on_hand for row in rows)
        found.append(
            Comparison(
                item=item,
                marketplace=marketplace,
                nodes=tuple(row.node for row in rows),
                theirs=theirs,
                as_of=min(row.as_of for row in rows),
                listings=frozenset(factors),
                by_bucket=_added(pooled),
                drift=against_erp(theirs, pooled),
            )
        )
    return found


def _counts(entities: list[Entity], items: Collection[Item] | None) -> dict[tuple[Item, str], list[ErpStock]]:
    """The ERP's latest counts at Amazon's places."""
    newest = ErpStock.objects.newest(*entities).select_related("item")
    if items is not None:
        newest = newest.filter(item__in=items)
    found: dict[tuple[Item, str], list[ErpStock]] = {}
    for row in newest:
        if marketplace := marketplace_of(row.node):
            found.setdefault((row.item, marketplace), []).append(row)
    return found


def _shown(items: set[Item], day: date) -> dict[tuple[int, str], list[tuple[Shown, int]]]:
    """{(item, marketplace): what its listings show, each with the eaches in one unit}."""
    parts = MappingPart.objects.filter(item__in=items, mapping__period__contains=day)
    mapped: dict[int, list[tuple[int, int]]] = {}
    for listing, item, quantity in parts.values_list("mapping__listing", "item", "quantity"):
        mapped.setdefault(listing, []).append((item, quantity))
    found: dict[tuple[int, str], list[tuple[Shown, int]]] = {}
    levels = Level.objects.current().filter(listing__in=mapped).select_related("snapshot")
    for level in levels.order_by("listing"):
        for item, quantity in mapped[level.listing_id]:
            found.setdefault((item, level.snapshot.marketplace), []).append((level.shown, quantity))
    return found


def _added(pooled: list[tuple[Quantities, int]]) -> dict[str, int | None]:
    """The buckets of several pools, in eaches. One that a pool did not report is not known."""
    found: dict[str, int | None] = {}
    for quantities, factor in pooled:
        for name, units in buckets(quantities).items():
            before = found.get(name, 0)
            found[name] = None if units is None or before is None else before + units * factor
    return found
