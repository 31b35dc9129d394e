"""What Amazon holds, listing by listing, each figure as old as it is, and what of it other channels may sell."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.catalog.models import Item, Listing, MappingPart
from apps.console.screens import door, page_of, query_without, render_screen
from apps.console.words import counted, listed
from apps.core.models import Entity
from apps.core.permissions import READ_STOCK
from apps.exceptions.models import Case
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Source
from apps.inventory.drift import Comparison, comparisons, differing
from apps.inventory.freshness import stale_snapshots
from apps.inventory.models import FEED, Buffer, Level, Snapshot
from apps.inventory.rules import WARN_AGE, Margin, Promise, inbound, promise

STALE = "stock.snapshot-stale"
VIEWS = {"all": "All", "drift": "Differs from the ERP", "low": "Nothing left to sell", "stale": "Counted too long ago"}


@dataclass(frozen=True, kw_only=True)
class Row:
    level: Level
    items: Sequence[tuple[Item, int]]
    promise: Promise | None
    buffer: Buffer | None
    drifts: Sequence[Comparison]
    trust: str

    @property
    def marketplace(self) -> str:
        return name_of(self.level.snapshot.marketplace)

    @property
    def inbound(self) -> int | None:
        return inbound(self.level.quantities)


@door(READ_STOCK)
def stock(request: HttpRequest) -> HttpResponse:
    """By SKU. ?show= one of VIEWS."""
    entities = _entities(request)
    levels = Level.objects.current().filter(snapshot__connection__entity__in=entities)
    day = timezone.localdate()
    drifting = differing(entities, day)
    old = stale_snapshots(entities)
    views = {
        "all": levels,
        "drift": levels.filter(listing__in={listing for listings in drifting.values() for listing in listings}),
        "low": levels.low(),
        "stale": levels.filter(snapshot__in=old),
    }
    counts = {name: rows.count() for name, rows in views.items()}
    show = request.GET.get("show") if request.GET.get("show") in VIEWS else "all"
    listing, _, sku = request.GET.get("after", "").partition("~")
    rows = views[show]
    if listing.isdecimal():
        rows = rows.filter(Q(listing__sku__gt=sku) | Q(listing__sku=sku, listing__gt=int(listing)))
    rows = rows.select_related("snapshot", "listing__connection__entity").order_by("listing__sku", "listing")
    shown, more = page_of(rows)
    context = {
        "rows": _rows(shown, entities, old, day),
        "show": show,
        "views": [(name, label, counts[name]) for name, label in VIEWS.items()],
        "finding": _finding(counts, len(drifting), old),
        "total": counts["all"],
        "connected": Source.objects.filter(feed=FEED, connection__entity__in=entities).exists(),
        "case": Case.objects.visible_to(request.user).live().filter(type=STALE, entity__in=entities).first(),
        "next": f"{shown[-1].listing_id}~{shown[-1].listing.sku}" if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "stock.html", context)


def trust_in(snapshot: Snapshot, old: dict[int, Snapshot]) -> str:
    """The shape before an age: what is too old, what ages, what is fresh."""
    if snapshot.pk in old:
        return "late"
    return "wait" if timezone.now() - snapshot.began_at > WARN_AGE else "ok"


def items_of(listings: Iterable[Listing], day: date) -> dict[int, list[tuple[Item, int]]]:
    """{listing id: what one unit of it is on that day}"""
    found = defaultdict(list)
    parts = MappingPart.objects.filter(mapping__listing__in=listings, mapping__period__contains=day)
    for part in parts.select_related("item", "mapping").order_by("item__code"):
        found[part.mapping.listing_id].append((part.item, part.quantity))
    return found


def _entities(request: HttpRequest) -> list[Entity]:
    return [entity for entity in request.companies.shown if request.user.may(READ_STOCK, entity.pk)]


def _rows(levels: Sequence[Level], entities: list[Entity], old: dict[int, Snapshot], day: date) -> list[Row]:
    listings = [level.listing for level in levels]
    buffers, items = Buffer.objects.over(listings), items_of(listings, day)
    drifts = defaultdict(list)
    for each in comparisons(entities, day, {item for parts in items.values() for item, _ in parts}):
        for listing in each.listings if each.differs else ():
            drifts[listing].append(each)
    return [
        Row(
            level=level,
            items=items[level.listing_id],
            promise=promise(level.fulfillable, _margin(buffers.get(level.listing_id))),
            buffer=buffers.get(level.listing_id),
            drifts=[each for each in drifts[level.listing_id] if each.marketplace == level.snapshot.marketplace],
            trust=trust_in(level.snapshot, old),
        )
        for level in levels
    ]


def _margin(buffer: Buffer | None) -> Margin:
    return buffer.margin if buffer else Margin()


def _finding(counts: dict[str, int], drifting: int, old: dict[int, Snapshot]) -> str:
    """What is worst about the stock, as a sentence."""
    if old:
        names = sorted({snapshot.connection.name for snapshot in old.values()})
        return f"What Amazon holds for {listed(names)} was counted too long ago"
    if drifting:
        return f"The ERP and Amazon differ over {counted(drifting, 'item')}"
    if counts["low"]:
        return f"{counted(counts['low'], 'listing has', 'listings have')} nothing left to sell"
    if counts["all"]:
        return f"{counted(counts['all'], 'listing')} with stock to sell"
    return "No stock is here yet"

