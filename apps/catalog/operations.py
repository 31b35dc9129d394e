"""Which item a listing is: said from a day on, changed, undone; and what was refused because two said it.

Verbs are atomic and audited, and know no orders: who maps has the waiting orders settled afterwards. Whoever reads a mapping
and must not miss one that is saved meanwhile locks the listing FOR SHARE: a verb holds it FOR NO KEY UPDATE until its commit.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from django.db import connections, transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models.functions import Now

from apps.catalog.models import Item, Listing, MappingPart, RefusedCandidate, RefusedPart, SkuMapping
from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import MAP_SKUS, check_may
from apps.exceptions.operations import sweep_soon

Parts = Sequence[tuple[Item, int]]
"""Items with how many of each are in one sold unit of a listing."""

PERSON = "person"
NOTHING = DateRange(empty=True)
MOST_PARTS = 20
MOST_UNITS = 10_000


class Ambiguous(Refused):
    """The listing has another mapping on that day. `present` is that one; `parts` and `since` are what was refused."""

    def __init__(self, listing: Listing, present: SkuMapping, parts: Parts, since: date):
        super().__init__(
            f"{listing} is {words_of(parts_of(present))} from {_day(present.period.lower)} on, so it was not mapped to "
            f"{words_of(parts)} as well. Both are kept until somebody decides.",
            code="ambiguous",
        )
        self.listing = listing
        self.present = present
        self.parts = parts
        self.since = since


@dataclass(frozen=True, kw_only=True)
class Step:
    """A mapping, not saved yet, and the one that it takes days of, if any; `kept` is what stays of that one."""

    new: SkuMapping
    parts: Parts
    old: SkuMapping | None = None
    kept: DateRange = NOTHING


def parts_of(mapping: SkuMapping | RefusedCandidate) -> list[tuple[Item, int]]:
    """By code. One query, none where parts and items are prefetched."""
    parts = mapping.parts.all()
    if "parts" not in getattr(mapping, "_prefetched_objects_cache", {}):
        parts = parts.select_related("item")
    return sorted(((part.item, part.quantity) for part in parts), key=lambda pair: pair[0].code)


def words_of(parts: Parts) -> str:
    """10482, or 2 × 10482 + 10483."""
    named = sorted((item.code, quantity) for item, quantity in parts)
    return " + ".join(code if quantity == 1 else f"{quantity} × {code}" for code, quantity in named)


def mapping_on(listing: Listing, day: date) -> SkuMapping | None:
    """What maps the listing on a day."""
    return SkuMapping.objects.on(day).filter(listing=listing).prefetch_related("parts__item").first()


def new_mapping(listing: Listing, parts: Parts, since: date) -> Step:
    """The mapping as it would be saved. It ends where a later one of the listing begins.

    Raises Ambiguous where another one is in force on that day.
    """
    _check_parts(listing, parts)
    if present := mapping_on(listing, since):
        _check_other(listing, present, parts)
        raise Ambiguous(listing, present, parts, since)
    later = (
        SkuMapping.objects.in_force().filter(listing=listing, period__startswith__gt=since).order_by("period").first()
    )
    until = later.period.lower if later else None
    return Step(new=SkuMapping(listing=listing, period=DateRange(since, until, "[)")), parts=parts)


def changed_mapping(listing: Listing, parts: Parts, since: date) -> Step:
    """Another item from a day on, to the end of the mapping that is in force on that day."""
    _check_parts(listing, parts)
    present = mapping_on(listing, since)
    if present is None:
        raise Refused(f"{listing} has no mapping on {_day(since)} that could change.", field="since", code="none")
    _check_other(listing, present, parts)
    first, until = present.period.lower, present.period.upper
    kept = DateRange(first, since, "[)") if first < since else NOTHING
    new = SkuMapping(listing=listing, period=DateRange(since, until, "[)"), cut_by_id=present.cut_by_id)
    return Step(new=new, parts=parts, old=present, kept=kept)


def map_sku(
    *, listing: Listing, parts: Parts, since: date, reason: str, actor: User, source: str = PERSON
) -> SkuMapping:
    """Say from a day on which item a listing is; several parts are a bundle.

    Refused with the code "ambiguous" where it is another one on that day. What was refused is kept then, in a transaction
    of its own, whatever becomes of the caller's.
    """
    try:
        with transaction.atomic():
            listing = _mine(listing, actor)
            step = new_mapping(listing, parts, since)
            return _take(step, "sku.mapped", reason, actor, source)
    except Ambiguous as ambiguous:
        _keep_apart(ambiguous, actor, source)
        raise


@transaction.atomic
def change_mapping(
    *, listing: Listing, parts: Parts, since: date, reason: str, actor: User, source: str = PERSON
) -> SkuMapping:
    """Say that a listing is another item from a day on. The mapping of that day ends there."""
    listing = _mine(listing, actor)
    return _take(changed_mapping(listing, parts, since), "sku.changed", reason, actor, source)


@transaction.atomic
def undo_mapping(*, mapping: SkuMapping, reason: str, actor: User) -> SkuMapping | None:
    """Take a mapping back: the one that it took its days of has them again, which is returned; or nothing maps them."""
    listing = _mine(mapping.listing, actor)
    mapping = SkuMapping.objects.get(pk=mapping.pk)
    if mapping.period.isempty:
        raise Refused("This mapping holds on no day any more: it was replaced or undone.", code="not-in-force")
    days, later = mapping.period, mapping.cut_by_id
    before = mapping.cuts.first()
    mapping.period, mapping.cut_by = NOTHING, None
    mapping.save(update_fields=["period", "cut_by"])
    if before:
        first = days.lower if before.period.isempty else before.period.lower
        before.period, before.cut_by_id = DateRange(first, days.upper, "[)"), later
        before.save(update_fields=["period", "cut_by"])
    AuditEntry.objects.record(
        actor=actor,
        entity=listing.entity,
        verb="sku.undone",
        subject=f"listing:{listing.pk}",
        before={"sku": listing.sku, "is": words_of(parts_of(mapping)), "from": days.lower.isoformat()},
        after={"is": words_of(parts_of(before)) if before else "not mapped"},
        reason=reason,
    )
    return before


@transaction.atomic
def keep_mapping(*, listing: Listing, reason: str, actor: User) -> int:
    """Decide against all that was refused for a listing; how many that were."""
    listing = _mine(listing, actor)
    refused = list(RefusedCandidate.objects.filter(listing=listing, settled_at=None).order_by("pk"))
    if not refused:
        raise Refused(f"Nothing waits for a decision about {listing}.", code="none")
    RefusedCandidate.objects.filter(pk__in=[row.pk for row in refused]).update(settled_at=Now())
    AuditEntry.objects.record(
        actor=actor,
        entity=listing.entity,
        verb="sku.kept",
        subject=f"listing:{listing.pk}",
        after={"sku": listing.sku, "decided against": [row.words for row in refused]},
        reason=reason,
    )
    return len(refused)


def _mine(listing: Listing, actor: User) -> Listing:
    """The listing, with nobody else mapping it until the transaction ends."""
    locked = Listing.objects.select_for_update(no_key=True, of=("self",)).select_related("connection__entity")
    listing = locked.get(pk=listing.pk)
    check_may(actor, MAP_SKUS, listing.entity)
    return listing


def _check_parts(listing: Listing, parts: Parts) -> None:
    if not parts:
        raise Refused("Choose the item that it is.", field="item", code="no-item")
    if len(parts) > MOST_PARTS:
        raise Refused(f"A bundle has at most {MOST_PARTS} items, and these are {len(parts)}.", code="too-many")
    codes = [item.code for item, _ in parts]
    for item, quantity in parts:
        if item.entity_id != listing.entity_id:
            raise Refused(f"{item} is an item of another company.", field="item", code="other-company")
        if not item.active:
            raise Refused(f"{item} is no longer sold. Choose another item.", field="item", code="item-inactive")
        if codes.count(item.code) > 1:
            raise Refused(f"{item.code} is there twice. Write it once, with all its units.", code="twice")
        if not 1 <= quantity <= MOST_UNITS:
            expected = f"Expected a whole number from 1 to {MOST_UNITS:,}."
            raise Refused(f"{quantity} units of {item.code} in one listing. {expected}", field="units", code="units")


def _check_other(listing: Listing, present: SkuMapping, parts: Parts) -> None:
    if words_of(parts_of(present)) == words_of(parts):
        since = _day(present.period.lower)
        raise Refused(f"{listing} is {words_of(parts)} already, from {since} on.", field="item", code="same")


def _take(step: Step, verb: str, reason: str, actor: User, source: str) -> SkuMapping:
    """Save the step, and settle what was refused before where this decides for it."""
    new, old = step.new, step.old
    new.source, new.reason, new.made_by = source, reason, actor
    if old:
        old.period = step.kept
        old.save(update_fields=["period"])
    new.save()
    if old:
        old.cut_by = new
        old.save(update_fields=["cut_by"])
    MappingPart.objects.bulk_create(
        MappingPart(mapping=new, item=item, quantity=quantity) for item, quantity in step.parts
    )
    words = words_of(step.parts)
    RefusedCandidate.objects.filter(listing=new.listing, words=words, settled_at=None).update(settled_at=Now())
    AuditEntry.objects.record(
        actor=actor,
        entity=new.listing.entity,
        verb=verb,
        subject=f"listing:{new.listing_id}",
        before={"is": words_of(parts_of(old)) if old else "not mapped"},
        after={
            "sku": new.listing.sku,
            "is": words,
            "from": new.period.lower.isoformat(),
            "to": new.period.upper.isoformat() if new.period.upper else "",
            "source": source,
        },
        reason=reason,
    )
    return new


def _keep_apart(refused: Ambiguous, actor: User, source: str) -> None:
    """Keep the candidate over a connection of its own: the refusal rolls the caller's transaction back."""

    def keep() -> None:
        try:
            _keep(refused, actor, source)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as apart:
        apart.submit(keep).result()


@transaction.atomic
def _keep(refused: Ambiguous, actor: User, source: str) -> None:
    entity: Entity = refused.listing.entity
    candidate, new = RefusedCandidate.objects.get_or_create(
        listing=refused.listing,
        words=words_of(refused.parts),
        settled_at=None,
        defaults={"since": refused.since, "source": source, "refused_from": actor},
    )
    if not new:
        return
    RefusedPart.objects.bulk_create(
        RefusedPart(candidate=candidate, item=item, quantity=quantity) for item, quantity in refused.parts
    )
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="sku.refused",
        subject=f"listing:{refused.listing.pk}",
        before={"is": words_of(parts_of(refused.present))},
        after={"sku": refused.listing.sku, "refused": candidate.words, "source": source},
    )
    sweep_soon(entity.pk)


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
