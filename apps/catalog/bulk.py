"""Many listings mapped at once, as a spreadsheet says it: the verbs of apps.catalog.operations for thousands in few queries."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models.functions import Collate, Now

from apps.catalog.models import Item, Listing, MappingPart, RefusedCandidate, RefusedPart, SkuMapping
from apps.catalog.operations import NOTHING, Parts, words_of
from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import IMPORT_MAPPINGS, check_may

BATCH = 2000


@dataclass(frozen=True)
class Said:
    """From `since` on, one sold unit of the listing is these items."""

    listing: int
    parts: Parts
    since: date


def latest(listings: Collection[int]) -> dict[int, SkuMapping]:
    """Listing -> its mapping that begins last, of those in force."""
    rows = SkuMapping.objects.in_force().filter(listing__in=listings)
    return {row.listing_id: row for row in rows.order_by("listing_id", "period")}


def map_skus(
    *, entity: Entity, said: Sequence[Said], reason: str, actor: User, source: str
) -> dict[int, SkuMapping]:
    """Map each listing from its day on; a mapping that is in force before that day ends there.

    Raises Refused where one of them has another mapping on that day or later. Returns listing -> its new mapping. Call it in
    a transaction.
    """
    check_may(actor, IMPORT_MAPPINGS, entity)
    skus = _lock(entity, [each.listing for each in said])
    before = latest(skus)
    for each in said:
        old = before.get(each.listing)
        if old and (old.period.lower is None or old.period.lower >= each.since):
            raise Refused(f"{skus[each.listing]} is mapped from a day that is not earlier already.", code="ambiguous")
    was = _words(before.values())
    new, olds = {}, []
    for each in said:
        old, until = before.get(each.listing), None
        if old and (old.period.upper is None or old.period.upper > each.since):
            until = old.period.upper
            old.period = DateRange(old.period.lower, each.since, "[)")
            olds.append(old)
        days = DateRange(each.since, until, "[)")
        new[each.listing] = SkuMapping(
            listing_id=each.listing, period=days, source=source, reason=reason, made_by=actor
        )
    SkuMapping.objects.bulk_update(olds, ["period"], batch_size=BATCH)
    SkuMapping.objects.bulk_create(new.values(), batch_size=BATCH)
    for old in olds:
        old.cut_by = new[old.listing_id]
    SkuMapping.objects.bulk_update(olds, ["cut_by"], batch_size=BATCH)
    MappingPart.objects.bulk_create(
        (
            MappingPart(mapping=new[each.listing], item=item, quantity=quantity)
            for each in said
            for item, quantity in each.parts
        ),
        batch_size=BATCH,
    )
    _settle(said)
    AuditEntry.objects.record_all(
        _entry(
            entity, actor, "sku.changed" if each.listing in before else "sku.mapped", each.listing, reason,
            before={"is": was.get(before[each.listing].pk, "") if each.listing in before else "not mapped"},
            after={
                "sku": skus[each.listing],
                "is": words_of(each.parts),
                "from": each.since.isoformat(),
                "to": upper.isoformat() if (upper := new[each.listing].period.upper) else "",
                "source": source,
            },
        )
        for each in said
    )  # fmt: skip
    return new


def still_stands(mappings: Collection[int]) -> dict[int, SkuMapping]:
    """Those of these mappings that hold as they were made: neither ended, replaced nor undone since."""
    return SkuMapping.objects.in_force().filter(cut_by=None).in_bulk(mappings)


def undo_mappings(*, entity: Entity, mappings: Collection[int], reason: str, actor: User) -> None:
    """Take mappings back: those that they ended have their days again. Refused where one does not stand as it was made."""
    check_may(actor, IMPORT_MAPPINGS, entity)
    skus = _lock(entity, SkuMapping.objects.filter(pk__in=mappings).values_list("listing", flat=True))
    rows = still_stands(mappings)
    if len(rows) != len(set(mappings)):
        raise Refused("Some of these mappings were changed or undone since.", code="not-in-force")
    back = {row.cut_by_id: row for row in SkuMapping.objects.filter(cut_by__in=rows)}
    said = _words([*rows.values(), *back.values()])
    days = {row.pk: row.period for row in rows.values()}
    for row in rows.values():
        row.period = NOTHING
    SkuMapping.objects.bulk_update(rows.values(), ["period"], batch_size=BATCH)
    for cut_by, row in back.items():
        first = days[cut_by].lower if row.period.isempty else row.period.lower
        row.period, row.cut_by = DateRange(first, days[cut_by].upper, "[)"), None
    SkuMapping.objects.bulk_update(back.values(), ["period", "cut_by"], batch_size=BATCH)
    AuditEntry.objects.record_all(
        _entry(
            entity, actor, "sku.undone", row.listing_id, reason,
            before={"sku": skus[row.listing_id], "is": said[pk], "from": days[pk].lower.isoformat()},
            after={"is": said[back[pk].pk] if pk in back else "not mapped"},
        )
        for pk, row in rows.items()
    )  # fmt: skip


def keep_refused(*, entity: Entity, said: Sequence[Said], actor: User, source: str) -> None:
    """Keep what listings were about to become while they are something else, for a person to decide: one each and words."""
    check_may(actor, IMPORT_MAPPINGS, entity)
    skus = _lock(entity, [each.listing for each in said])
    present = latest(skus)
    was = _words(present.values())
    kept = set(RefusedCandidate.objects.filter(listing__in=skus, settled_at=None).values_list("listing", "words"))
    new: dict[tuple[int, str], tuple[RefusedCandidate, Parts]] = {}
    for each in said:
        words = words_of(each.parts)
        if (each.listing, words) not in kept:
            candidate = RefusedCandidate(
                listing_id=each.listing, words=words, since=each.since, source=source, refused_from=actor
            )
            new.setdefault((each.listing, words), (candidate, each.parts))
    RefusedCandidate.objects.bulk_create((candidate for candidate, _ in new.values()), batch_size=BATCH)
    RefusedPart.objects.bulk_create(
        (
            RefusedPart(candidate=candidate, item=item, quantity=quantity)
            for candidate, parts in new.values()
            for item, quantity in parts
        ),
        batch_size=BATCH,
    )
    AuditEntry.objects.record_all(
        _entry(
            entity, actor, "sku.refused", listing, "",
            before={"is": was.get(present[listing].pk, "") if listing in present else "not mapped"},
            after={"sku": skus[listing], "refused": words, "source": source},
        )
        for listing, words in new
    )  # fmt: skip


def forget_refused(*, entity: Entity, source: str) -> None:
    """What an import that is undone kept for people, and nobody has decided yet, goes with it."""
    RefusedCandidate.objects.filter(listing__connection__entity=entity, source=source, settled_at=None).delete()


def _lock(entity: Entity, listings: Collection[int]) -> dict[int, str]:
    """Listing -> its SKU, with nobody else mapping it until the transaction ends."""
    rows = Listing.objects.select_for_update(no_key=True, of=("self",)).filter(
        pk__in=list(listings), connection__entity=entity
    )
    in_turn = rows.order_by("connection_id", Collate("marketplace", "C"), Collate("sku", "C"))  # as everybody locks them
    return dict(in_turn.values_list("pk", "sku"))


def _words(mappings: Collection[SkuMapping]) -> dict[int, str]:
    """Mapping -> its parts in words."""
    parts: Mapping[int, list[tuple[Item, int]]] = defaultdict(list)
    rows = MappingPart.objects.filter(mapping__in=[row.pk for row in mappings]).select_related("item")
    for part in rows.order_by("item__code"):
        parts[part.mapping_id].append((part.item, part.quantity))
    return {pk: words_of(found) for pk, found in parts.items()}


def _settle(said: Sequence[Said]) -> None:
    """What was refused before is decided where this says the same."""
    words = {each.listing: words_of(each.parts) for each in said}
    waiting = RefusedCandidate.objects.filter(listing__in=words, settled_at=None).values_list("pk", "listing", "words")
    decided = [pk for pk, listing, refused in waiting if words[listing] == refused]
    RefusedCandidate.objects.filter(pk__in=decided).update(settled_at=Now())


def _entry(
    entity: Entity, actor: User, verb: str, listing: int, reason: str, *, before: dict, after: dict
) -> AuditEntry:
    return AuditEntry(
        actor=actor,
        actor_name=actor.name,
        entity=entity,
        verb=verb,
        subject=f"listing:{listing}",
        before=before,
        after=after,
        reason=reason,
    )
