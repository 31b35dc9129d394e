"""The weekly reconciliation of payouts: what stands between each one and the books (domain.md 5.1 and 4.7)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Prefetch
from django.utils import timezone

from apps.core.models import Entity
from apps.core.money import words
from apps.core.permissions import READ_MONEY, SIGN_PAYOUTS, Team
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.ledger.models import Journal
from apps.settlements.chains import TYPES
from apps.settlements.models import Settlement, SettlementJournal, SettlementVersion, version_that_counts
from apps.work.routines import Entry, Routine, register_routine

PAYOUT, CASE = "settlement:", "case:"
WAITING = (SettlementVersion.State.HELD, SettlementVersion.State.CHANGED)
FILE_SAYS = {
    SettlementVersion.State.HELD: "Its file does not add up, so nothing of it is in the books.",
    SettlementVersion.State.CHANGED: "It came again with other rows: choose the version that is right.",
}
STAGES = (  # the first of a payout's journals' states that is there stops it
    (Journal.State.INCOMPLETE, "unmapped", "A fee or a tax code is not mapped, so a journal is incomplete."),
    (Journal.State.DRAFT, "draft", "Its journal is complete and waits for its approval."),
    (Journal.State.APPROVED, "approved", "Its journal is approved and not exported yet."),
)
KINDS = {
    "file": "stopped at the file",
    "unmapped": "stopped by the mapping",
    "draft": "to approve",
    "approved": "to export",
    "reserve": "of the reserve",
}


def gather(entity: Entity, now: datetime) -> list[Entry]:
    """Each payout that is not exported, by what stops it first, and each break in a chain of reserves; the oldest first."""
    found = [*_payouts(entity), *_reserves(entity)]
    return sorted(found, key=lambda entry: (list(KINDS).index(entry.kind), entry.since))


def _payouts(entity: Entity) -> Iterator[Entry]:
    booked = SettlementJournal.objects.filter(version=OuterRef("pk")).exclude(journal__state=Journal.State.EXPORTED)
    versions = SettlementVersion.objects.filter(settlement=OuterRef("pk"))
    taken = versions.filter(Exists(booked), state=SettlementVersion.State.TAKEN)
    open_ = Settlement.objects.filter(Exists(versions.filter(state__in=WAITING)) | Exists(taken), entity=entity)
    parts = Prefetch("versions__journals", SettlementJournal.objects.select_related("journal"))
    for settlement in open_.prefetch_related("versions", parts).order_by("end_at", "pk"):
        versions_here = list(settlement.versions.all())
        counts = version_that_counts(versions_here)
        kind, why = _stop(versions_here, counts)
        yield Entry(
            subject=f"{PAYOUT}{settlement.pk}",
            label=settlement.settlement_id,
            kind=kind,
            why=why,
            since=settlement.end_at,
            amount=words(counts.total, settlement.currency),
            settlement=settlement.settlement_id,
        )


def _stop(versions: list[SettlementVersion], counts: SettlementVersion) -> tuple[str, str]:
    waits = next((version.state for version in reversed(versions) if version.state in WAITING), None)
    if waits is not None:
        return "file", FILE_SAYS[waits]
    states = {each.journal.state for each in counts.journals.all()}
    return next((kind, why) for state, kind, why in STAGES if state in states)


def _reserves(entity: Entity) -> Iterator[Entry]:
    for case in Case.objects.live().filter(entity=entity, type__in=TYPES).select_related("claimed_by"):
        yield Entry(
            subject=f"{CASE}{case.pk}",
            label=case.kind.title,
            kind="reserve",
            why=case.kind.headline(case),
            since=case.opened_at,
            amount=words(case.stake, case.currency) if case.stake else "",
            due_at=case.due_at,
            late=case.due_at < timezone.now(),
            case=case.pk,
            held_by=case.claimed_by.name if case.claimed_by else "",
        )


def became(entity: Entity, subjects: Collection[str]) -> Mapping[str, str]:
    """What happened to those that a check before left."""
    cases = {subject: int(subject.removeprefix(CASE)) for subject in subjects if subject.startswith(CASE)}
    ended = Case.objects.filter(entity=entity).in_bulk(cases.values())
    said = {subject: "Exported: it is in the books." for subject in subjects if subject.startswith(PAYOUT)}
    return said | {
        subject: f"{ended[pk].get_state_display()}. {ended[pk].ending.get('words', '')}".strip()
        for subject, pk in cases.items()
        if pk in ended
    }


def began(entity: Entity) -> date | None:
    """The day after the first settlement came."""
    taken = SettlementVersion.objects.filter(settlement__entity=entity).order_by("taken_at")
    first = taken.values_list("taken_at", flat=True).first()
    return first.astimezone(ZoneInfo(entity.zone)).date() + timedelta(days=1) if first else None


def heading(entries: Sequence[Entry]) -> str:
    payouts = sum(entry.kind != "reserve" for entry in entries)
    breaks = len(entries) - payouts
    if not entries:
        return "Every payout is in the books and the reserve adds up"
    said = f"{counted(payouts, 'payout')} {'is' if payouts == 1 else 'are'} not in the books" if payouts else ""
    broken = f"{counted(breaks, 'question')} about the reserve" if breaks else ""
    return ", ".join(part for part in (said, broken) if part)


PAYOUTS = register_routine(Routine(
    name="payouts",
    title="Payout reconciliation",
    team=Team.FINANCE,
    permission=SIGN_PAYOUTS,
    reads=READ_MONEY,
    heading=heading,
    kinds=KINDS,
    subject="Payout",
    deadline="Due",
    hours=(time(9),),
    weekday=0,
    gather=gather,
    became=became,
    began=began,
    lacks="No bank line is matched yet: whether the money arrived, compare with your bank.",
))  # fmt: skip
