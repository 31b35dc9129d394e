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


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that a check shows. `subject` is stable ("order:12"), the rest is for people; no buyer's data.

    `late`: it is past its deadline. `order` is the id of the order that it is, `case` of the case that it waits on, where
    there is one.
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
    """`hours` in the company's zone, `peak_hours` on a day marked peak. `gather(entity, now)` is what there is to see.

    `became(entity, subjects)` says in words what happened to those that are gone. `began(entity)` is the first day on which
    there was anything to check, or None: no day before it was missed.
    """

    name: str
    title: str
    team: Team
    permission: Permission
    hours: tuple[time, ...]
    peak_hours: tuple[time, ...]
    gather: Callable[[Entity, datetime], Sequence[Entry]]
    became: Callable[[Entity, Collection[str]], Mapping[str, str]]
    began: Callable[[Entity], date | None]


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


def days(routine: Routine, entity: Entity, now: datetime, count: int) -> list[list[Slot]]:
    """The slots of the last `count` days, today last. Two queries."""
    here = now.astimezone(ZoneInfo(entity.zone))
    first = here.date() - timedelta(days=count - 1)
    peaks = set(entity.peak_days.filter(day__gte=first).values_list("day", flat=True))
    signed = {
        (row.day, row.slot): row
        for row in SignedCheck.objects.filter(entity=entity, routine=routine.name, day__gte=first).select_related(
            "signed_by"
        )
    }
    began = routine.began(entity)
    return [
        _slots(routine, first + timedelta(days=ahead), here, began, peaks, signed) for ahead in range(count)
    ]


def _slots(
    routine: Routine,
    day: date,
    here: datetime,
    began: date | None,
    peaks: set[date],
    signed: Mapping[tuple[date, int], SignedCheck],
) -> list[Slot]:
    """A slot can be signed until the next one begins: then it is missed. Before the first hour the first is due already."""
    hours = routine.peak_hours if day in peaks else routine.hours
    found = []
    for number, at in enumerate(hours, 1):
        over = day < here.date() or (number < len(hours) and day == here.date() and here.time() >= hours[number])
        begun = day == here.date() and (number == 1 or here.time() >= at)
        row = signed.get((day, number))
        missed = over and row is None and began is not None and day >= began
        waits = begun and not over and row is None
        found.append(Slot(day=day, number=number, at=at, signed=row, over=over, missed=missed, due=waits))
    return found


def due(routine: Routine, entity: Entity, now: datetime) -> Slot | None:
    """The slot that can be signed now."""
    return next((slot for slot in days(routine, entity, now, 1)[0] if slot.due), None)


@transaction.atomic
def sign(*, routine: Routine, entity: Entity, now: datetime, note: str, actor: User) -> SignedCheck:
    """Sign what is there now. Things past their deadline do not prevent it: they are named."""
    check_may(actor, routine.permission, entity)
    wait_for(f"checks of {entity.pk}")
    slot = due(routine, entity, now)
    if slot is None:
        raise Refused(f"{routine.title} is signed. The next one is due {next_due(routine, entity, now)}.", code="signed")
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
    taken = {subject: f"{entry.held_by} is on it." for subject, entry in here.items() if subject in left and entry.held_by}
    said = words | taken
    return [{"label": label, "words": said[subject]} for subject, label in left.items() if subject in said]


def next_due(routine: Routine, entity: Entity, now: datetime) -> str:
    """When the next slot begins, in words."""
    here = now.astimezone(ZoneInfo(entity.zone))
    today = next((slot for slot in days(routine, entity, now, 1)[0] if slot.at > here.time() and not slot.signed), None)
    return f"today at {today.at:%H:%M}" if today else f"tomorrow at {routine.hours[0]:%H:%M}"


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
