"""One listing's stock: where its units are, what may be sold of it, what moved, what the ERP sees otherwise, its buffer."""

from collections.abc import Sequence
from dataclasses import dataclass

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.catalog.models import Listing
from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.console.stock import items_of, trust_in
from apps.console.words import listed
from apps.core.models import AuditEntry
from apps.core.permissions import READ_STOCK
from apps.exceptions.models import Case
from apps.integrations.marketplaces import name_of
from apps.inventory.buffer_deeds import SET, deeds_of, level_of
from apps.inventory.drift import Comparison, comparisons
from apps.inventory.exception_types import identities, partition
from apps.inventory.freshness import stale_snapshots
from apps.inventory.models import Buffer, Level
from apps.inventory.rules import (
    IDENTITIES,
    Drift,
    Margin,
    Promise,
    Quantities,
    buckets,
    drift,
    on_hand,
    promise,
)
from apps.inventory.words import FIGURES, Figure

BAR = 1000  # the width of the bar of units, in the units of its SVG
OTHERS_SHOWN = 12


@dataclass(frozen=True)
class Place:
    """A bucket: its figure in words, its units, and what they are made of."""

    figure: Figure
    units: int | None
    made_of: Sequence[tuple[Figure, int]] = ()


@dataclass(frozen=True)
class Piece:
    """A bucket's part of the bar."""

    colour: str
    x: float
    width: float
    words: str


@dataclass(frozen=True)
class Told:
    """A drift in words: [(units, from, to)], [(bucket, units)], [bucket]."""

    moves: Sequence[tuple[int, str, str]]
    unexplained: Sequence[tuple[str, int]]
    unknown: Sequence[str]
    remainder: int


class WhatIf(forms.Form):
    """Changes nothing. Empty fields are as they are now."""

    least = forms.IntegerField(label="At least", min_value=0, max_value=1_000_000, required=False)
    percent = forms.DecimalField(label="Percent", min_value=0, max_value=100, decimal_places=2, required=False)

    def margin(self, now: Margin) -> Margin | None:
        if not self.is_bound or not self.is_valid():
            return None
        said = {name: value for name, value in self.cleaned_data.items() if value is not None}
        return Margin(**{"least": now.least, "percent": now.percent} | said)


@door(READ_STOCK)
def stock_listing(request: HttpRequest, pk: int) -> HttpResponse:
    """?do=remove chooses the other deed, ?least= and ?percent= ask what if."""
    listing = _seen_by(request, pk)
    deeds = deeds_of(listing)
    deed = deeds.get(request.GET.get("do", ""), SET)
    return _show(request, listing, None if may_not(deed, listing, request.user) else offer(deed, listing, request.user))


@door(READ_STOCK, methods=["POST"])
def stock_listing_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the deed, or do it if it still matches the preview."""
    listing = _seen_by(request, pk)
    deeds = deeds_of(listing)
    attempted = attempt(named(deeds, name), listing, request)
    if attempted.done:
        return redirect("stock_listing", pk=pk)
    return _show(request, listing, attempted)


def _seen_by(request: HttpRequest, pk: int) -> Listing:
    mine = Listing.objects.filter(connection__entity__in=request.user.entities_where(READ_STOCK))
    found = get_object_or_404(mine.select_related("connection__entity"), pk=pk)
    show_in_zone(found.entity)
    return found


def _show(request: HttpRequest, listing: Listing, attempted: Attempted | None) -> HttpResponse:
    level = level_of(listing)
    last = None if level else listing.levels.select_related("snapshot").order_by("-snapshot").first()
    buffer = Buffer.objects.over([listing]).get(listing.pk)
    margin = buffer.margin if buffer else Margin()
    promised = promise(level.fulfillable, margin) if level else None
    day = timezone.localdate()
    items = items_of([listing], day)[listing.pk]
    compared = [each for each in comparisons([listing.entity], day, [item for item, _ in items])
                if each.marketplace == listing.marketplace]  # fmt: skip
    what_if = WhatIf(request.GET if {"least", "percent"} & request.GET.keys() else None, auto_id="if_%s")
    supposed = what_if.margin(margin)
    subject = f"{listing.connection_id}/{listing.marketplace}"
    cases = Case.objects.visible_to(request.user).live().filter(entity=listing.entity_id)
    context = {
        "listing": listing,
        "marketplace": name_of(listing.marketplace),
        "items": items,
        "level": level,
        "last": last,
        "trust": trust_in(level.snapshot, stale_snapshots([listing.entity])) if level else "",
        "places": _places(level.quantities) if level else [],
        "bar": _bar(level.quantities) if level else [],
        "on_hand": on_hand(level.quantities) if level else None,
        "more": _more(level) if level else [],
        "same_units": _same_units(level) if level else [],
        "buffer": buffer,
        "promise": promised,
        "what_if": what_if,
        "supposed": promise(level.fulfillable, supposed) if level and supposed else None,
        "moved": _moved(level) if level else None,
        "compared": [(each, _told_erp(each)) for each in compared],
        "finding": _finding(listing, level, promised, compared),
        "cases": cases.filter(subject__in=[f"{subject}/{listing.sku}", f"{subject}/{listing.fnsku}"],
                              type__in=[identities.CODE, partition.CODE]),
        "history": AuditEntry.objects.about(f"listing:{listing.pk}").filter(verb__startswith="buffer.")[:PAGE],
        "attempted": attempted,
        "others": [(deed.name, deed.label) for deed in deeds_of(listing).values() if attempted and deed != attempted.deed],
        "may_not": may_not(SET, listing, request.user),
    }  # fmt: skip
    status = attempted.status if attempted else 200
    return render_screen(request, "stock_listing.html", context, partial="preview", status=status)


def _places(told: Quantities) -> list[Place]:
    """Where the units are; of a sum, what it is made of."""
    made_of = {identity.whole: identity.parts for identity in IDENTITIES}
    return [
        Place(
            FIGURES[name],
            units,
            [(FIGURES[part], count) for part in made_of.get(name, ()) if (count := getattr(told, part))],
        )
        for name, units in buckets(told).items()
    ]


def _bar(told: Quantities) -> list[Piece]:
    """The buckets that hold units, as parts of one bar."""
    held = [(FIGURES[name], units) for name, units in buckets(told).items() if units]
    total = sum(units for _, units in held)
    pieces, x = [], 0.0
    for figure, units in held:
        width = units * BAR / total
        pieces.append(Piece(figure.colour, round(x, 1), round(width, 1), f"{units:,} {figure.name.lower()}"))
        x += width
    return pieces


def _more(level: Level) -> list[tuple[Figure, int]]:
    """What Amazon reports beside where the units are: nothing of it is stock to sell."""
    names = ("total", "future_supply_reserved", "future_supply_buyable")
    return [(FIGURES[name], units) for name in names if (units := getattr(level, name)) is not None]


def _same_units(level: Level) -> list[Level]:
    """Other listings of the connection that show the units of this FNSKU: in this marketplace and in others."""
    if not level.fnsku:
        return []
    shown = Level.objects.current().filter(snapshot__connection=level.snapshot.connection_id, fnsku=level.fnsku)
    return list(shown.exclude(pk=level.pk).select_related("listing", "snapshot").order_by("listing__sku")[:OTHERS_SHOWN])


def _moved(level: Level) -> tuple[Level | None, Told | None] | None:
    """The level before this one and what moved since; None where no complete scan came before."""
    earlier = level.snapshot.before()
    if earlier is None:
        return None
    before = earlier.levels.filter(listing=level.listing_id).select_related("snapshot").first()
    return before, _told(drift(before.quantities, level.quantities)) if before else None


def _told(found: Drift) -> Told:
    return Told(
        moves=[(move.units, _name(move.source), _name(move.target)) for move in found.moves],
        unexplained=[(FIGURES[name].name, units) for name, units in found.unexplained.items()],
        unknown=[FIGURES[name].name for name in found.unknown],
        remainder=found.remainder,
    )


def _name(bucket: str) -> str:
    return FIGURES[bucket].name if bucket else ""


def _told_erp(each: Comparison) -> list[tuple[Figure, int]]:
    return [(FIGURES[reason.bucket], reason.units) for reason in each.drift.reasons] if each.drift else []


def _finding(listing: Listing, level: Level | None, promised: Promise | None, compared: Sequence[Comparison]) -> str:
    if level is None:
        return f"{listing} is in no current scan of Amazon's stock"
    for each in compared:
        if each.drift and each.drift.difference:
            gap = abs(each.drift.difference)
            explained = f"{each.drift.explained:,} of the {gap:,} {'is' if each.drift.explained == 1 else 'are'} explained"
            places = listed(each.nodes)
            return f"The ERP counts {each.theirs:,} at {places}, Amazon holds {each.drift.ours:,}: {explained}"
    if promised is None:
        return f"Amazon did not say how many of {listing} can be picked"
    if not promised.available:
        return f"Nothing of {listing} is left to sell elsewhere"
    return f"{promised.available:,} of {listing} may be sold elsewhere, of {promised.base:,} that can be picked"
