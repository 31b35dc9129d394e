"""Routines: what a team looks at by the clock and signs (domain.md 5.1). Domains declare what each one shows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Permission, Team, check_may
from apps.work.models import PeakDay, SignedCheck
from apps.work.workdays import WEEKDAYS, WorkDays, work_days

FURTHEST = 28  # days between two signatures of a weekly routine, at most: a company that is shut longer misses none


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that a check shows. `subject` is stable ("order:12"), the rest is for people; no buyer's data.

    `late`: it is past its deadline. `order`, `listing` and `settlement` (its number) name the page of what it is, `case`
    the case that it waits on, where there is one.
    """

    subject: str
    label: str
    kind: str
    why: str
    since: datetime
    amount: str = ""
    due_at: datetime | None = None
    late: bool = False
    order: int | None = None
    listing: int | None = None
    settlement: str = ""
    case: int | None = None
    held_by: str = ""

    @property
    def said(self) -> dict:
        """As it is signed."""
        return {
            "subject": self.subject,
            "label": self.label,
            "kind": self.kind,
            "why": self.why,
            "amount": self.amount,
            "due": self.due_at.isoformat() if self.due_at else "",
            "held_by": self.held_by,
        }


@dataclass(frozen=True, kw_only=True)
class Routine:
    """Signed on each working day, or with a `weekday` (Monday is 0) once a week: on that day, or the next working one.

    `hours` in the company's zone, `peak_hours` on a day marked peak. `gather(entity, now)` is what there is to see.
    `heading(entries)` says it in a sentence, `kinds` each kind in words, the most urgent first. `subject` and `deadline` head
    the columns of what an entry is and of `due_at`. `reads` is who sees it; `lacks` says what it cannot tell.

    `became(entity, subjects)` says in words what happened to those that are gone. `began(entity)` is the first day on which
    there was anything to check, or None: no day before it was missed.
    """

    name: str
    title: str
    team: Team
    permission: Permission
    reads: Permission
    heading: Callable[[Sequence[Entry]], str]
    kinds: Mapping[str, str]
    subject: str
    deadline: str
    hours: tuple[time, ...]
    gather: Callable[[Entity, datetime], Sequence[Entry]]
    became: Callable[[Entity, Collection[str]], Mapping[str, str]]
    began: Callable[[Entity], date | None]
    peak_hours: tuple[time, ...] = ()
    weekday: int | None = None
    lacks: str = ""

    @property
    def every(self) -> str:
        return (
            "Signed every working day" if self.weekday is None else f"Signed once a week, from {WEEKDAYS[self.weekday]}"
        )


ROUTINES: dict[str, Routine] = {}


def register_routine(routine: Routine) -> Routine:
    """Add a routine. A name declared twice is a mistake of ours and stops the start."""
    if routine.name in ROUTINES:
        raise ValueError(f"routine {routine.name} is declared twice")
    ROUTINES[routine.name] = routine
    return routine


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One signature that a day asks for."""

    day: date
    number: int
    at: time
    signed: SignedCheck | None
    over: bool
    missed: bool
    due: bool

    @property
    def state(self) -> str:
        """A class of the week's table: mock/DESIGN.md section 4."""
        return "signed" if self.signed else "missed" if self.missed else "todo" if self.due else ""


@dataclass(frozen=True, kw_only=True)
class Day:
    """`off` is why nobody works on it."""

    day: date
    slots: tuple[Slot, ...]
    off: str


def days(routine: Routine, entity: Entity, now: datetime, count: int) -> list[Day]:
    """The last `count` days, today last. Four queries."""
    today = now.astimezone(ZoneInfo(entity.zone)).date()
    return days_between(routine, entity, now, today - timedelta(days=count - 1), today)


def days_between(routine: Routine, entity: Entity, now: datetime, first: date, last: date) -> list[Day]:
    """Those days and what each asks for. Four queries."""
    here = now.astimezone(ZoneInfo(entity.zone))
    peaks = set(entity.peak_days.filter(day__range=(first, last)).values_list("day", flat=True))
    rows = SignedCheck.objects.filter(entity=entity, routine=routine.name, day__range=(first, last))
    signed = {(row.day, row.slot): row for row in rows.select_related("signed_by")}
    work, began, found = work_days(entity), routine.began(entity), []
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        peak = day in peaks and bool(routine.peak_hours)
        hours = routine.peak_hours if peak else routine.hours if asks(routine, day, work) else ()
        until = _until(routine, day, work)
        slots = [
            _slot(day, number, hours, until, here, began, signed.get((day, number)))
            for number in range(1, len(hours) + 1)
        ]
        found.append(Day(day=day, slots=tuple(slots), off="" if peak else work.off(day)))
    return found


def asks(routine: Routine, day: date, work: WorkDays) -> bool:
    """Whether a day asks for a signature. A weekly one moves to the next working day of the same seven."""
    if work.off(day):
        return False
    if routine.weekday is None:
        return True
    behind = (day.weekday() - routine.weekday) % 7
    return all(work.off(day - timedelta(days=ago)) for ago in range(1, behind + 1))


def _until(routine: Routine, day: date, work: WorkDays) -> date:
    """The last day on which a day's signature can be given: a weekly one until the next is due."""
    if routine.weekday is None:
        return day
    ahead = next((n for n in range(1, FURTHEST) if asks(routine, day + timedelta(days=n), work)), FURTHEST)
    return day + timedelta(days=ahead - 1)


def _slot(
    day: date,
    number: int,
    hours: tuple[time, ...],
    until: date,
    here: datetime,
    began: date | None,
    signed: SignedCheck | None,
) -> Slot:
    """A slot can be signed until the next one begins: then it is missed. Before the first hour the first is due already."""
    today = here.date()
    over = until < today or (number < len(hours) and day == today and here.time() >= hours[number])
    begun = day < today or (day == today and (number == 1 or here.time() >= hours[number - 1]))
    return Slot(
        day=day,
        number=number,
        at=hours[number - 1],
        signed=signed,
        over=over,
        missed=over and signed is None and began is not None and day >= began,
        due=begun and not over and signed is None,
    )


def due(routine: Routine, entity: Entity, now: datetime) -> Slot | None:
    """The slot that can be signed now. A weekly one may have come up some days ago."""
    count = 1 if routine.weekday is None else FURTHEST
    return next((slot for day in days(routine, entity, now, count) for slot in day.slots if slot.due), None)


@transaction.atomic
def sign(*, routine: Routine, entity: Entity, now: datetime, note: str, actor: User) -> SignedCheck:
    """Sign what is there now. Things past their deadline do not prevent it: they are named."""
    check_may(actor, routine.permission, entity)
    wait_for(f"checks of {entity.pk}")
    slot = due(routine, entity, now)
    if slot is None:
        raise Refused(
            f"Nothing of “{routine.title}” is to be signed now. The next one is due {next_due(routine, entity, now)}.",
            code="signed",
        )
    entries = routine.gather(entity, now)
    check = SignedCheck.objects.create(
        entity=entity,
        routine=routine.name,
        day=slot.day,
        slot=slot.number,
        seen=[entry.said for entry in entries],
        decided=decided(routine, entity, entries),
        late=[entry.label for entry in entries if entry.late],
        note=note,
        signed_by=actor,
    )
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="check.signed",
        subject=f"check:{routine.name}",
        after={
            "day": slot.day.isoformat(),
            "slot": slot.number,
            "seen": len(check.seen),
            "decided": len(check.decided),
            "past their deadline": len(check.late),
        },
        reason=note,
    )
    return check


def decided(routine: Routine, entity: Entity, entries: Sequence[Entry]) -> list[dict]:
    """What the last check left and what became of it since: [{label, words}]."""
    before = SignedCheck.objects.filter(entity=entity, routine=routine.name).order_by("-pk").first()
    left = {entry["subject"]: entry["label"] for entry in before.seen} if before else {}
    here = {entry.subject: entry for entry in entries}
    words = routine.became(entity, [subject for subject in left if subject not in here])
    taken = {
        subject: f"{entry.held_by} is on it." for subject, entry in here.items() if subject in left and entry.held_by
    }
    said = words | taken
    return [{"label": label, "words": said[subject]} for subject, label in left.items() if subject in said]


def next_due(routine: Routine, entity: Entity, now: datetime) -> str:
    """When the next slot begins, in words."""
    here = now.astimezone(ZoneInfo(entity.zone))
    ahead = days_between(routine, entity, now, here.date(), here.date() + timedelta(days=FURTHEST))
    slots = (slot for day in ahead for slot in day.slots if not slot.signed)
    found = next((slot for slot in slots if slot.day > here.date() or slot.at > here.time()), None)
    if found is None:
        return "on no day that is known: see the working days"
    named = {0: "today", 1: "tomorrow"}.get(
        (found.day - here.date()).days, f"on {found.day:%a} {found.day.day} {found.day:%b}"
    )
    return f"{named} at {found.at:%H:%M}"


@transaction.atomic
def mark_peak(*, routine: Routine, entity: Entity, day: date, actor: User) -> PeakDay:
    """Ask for more signatures on a day. A day that is over stays as it was."""
    check_may(actor, routine.permission, entity)
    if day < datetime.now(ZoneInfo(entity.zone)).date():
        raise Refused(f"{day:%d.%m.%Y} is over.", field="day", code="past")
    found, new = PeakDay.objects.get_or_create(entity=entity, day=day, defaults={"marked_by": actor})
    if new:
        AuditEntry.objects.record(
            actor=actor, entity=entity, verb="day.marked-peak", subject=f"day:{day.isoformat()}", after={"peak": True}
        )
    return found
