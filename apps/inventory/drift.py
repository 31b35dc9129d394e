"""What the ERP counts at Amazon against what Amazon says it holds, item by item and marketplace by marketplace.

Marketplaces are never added up: remote fulfilment shows the same units in several (domain.md 2.1).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from apps.catalog.models import Item, MappingPart
from apps.core.models import Entity
from apps.inventory.models import ErpStock, Level, Snapshot
from apps.inventory.nodes import marketplace_of
from apps.inventory.rules import ErpDrift, Quantities, Shown, against_erp, buckets, pools


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
    for level in Level.objects.current().filter(listing__in=mapped).select_related("snapshot"):
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
