"""What is told, when and how loudly. Pure: the beat and the dry run over history decide by these same functions."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

ALL = ""  # the flood of a whole team, whatever the types
GATHER = timedelta(hours=1)  # after a message about a type, more of it wait this long, unless they are worse


class Severity(IntEnum):
    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        return self.name.capitalize()

    @property
    def raised(self) -> "Severity":
        return Severity(min(self + 1, Severity.CRITICAL))


class Kind(IntEnum):
    """How a case comes up. NEW, also grown, and UNHELD come once a severity, the others once."""

    NEW = 1
    NEAR = 2
    PAST = 3
    UNHELD = 4
    LAPSED = 5

    @property
    def escalates(self) -> bool:
        return self in (Kind.UNHELD, Kind.LAPSED)


class Mark(NamedTuple):
    """What a case was told as. `severity` is 0 where the kind comes once whatever the severity."""

    kind: Kind
    severity: int


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A company's measures: worth in its base currency, how near a deadline is near, how long nobody may hold a case."""

    normal_from: Decimal = Decimal(50)
    high_from: Decimal = Decimal(1000)
    critical_from: Decimal = Decimal(10000)
    near: timedelta = timedelta(hours=4)
    unheld_normal: timedelta = timedelta(hours=24)
    unheld_high: timedelta = timedelta(hours=4)
    unheld_critical: timedelta = timedelta(hours=1)
    flood_factor: int = 5
    flood_least: int = 10
    flood_team: int = 30

    def unheld(self, severity: Severity) -> timedelta:
        """What is low is told as normal at most."""
        return {
            Severity.HIGH: self.unheld_high,
            Severity.CRITICAL: self.unheld_critical,
        }.get(severity, self.unheld_normal)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What one channel is told: from `least` up, nothing that happened before `since`.

    `people`: through it, whose case it is is told in the team's place; through the others nobody is told of such a case.
    """

    least: Severity
    since: datetime
    tells: bool = True
    escalates: bool = True
    people: bool = True


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A live case that is not snoozed, at an instant. `severity` is that of its money; `holder` is at it now.

    `person` is the id of the user it is assigned to. `unheld_since`: when it opened, or was let go last; `lapsed`: because
    a claim ran out.
    """

    id: int
    type: str
    severity: Severity
    opened_at: datetime
    due_at: datetime
    unheld_since: datetime
    lapsed: bool = False
    holder: str = ""
    person: int | None = None
    told: frozenset[Mark] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """A case that is to be told now. `severity` is as loud as it is told."""

    case: int
    type: str
    marks: tuple[Mark, ...]
    severity: Severity
    due_at: datetime
    person: int | None = None
    holder: str = ""

    @property
    def escalates(self) -> bool:
        return any(mark.kind.escalates for mark in self.marks)

    def flood_in(self, on: Collection[str]) -> str | None:
        """Which of the floods that are on takes it: its type's own one before that of all types."""
        if self.escalates or self.holder:
            return None
        return next((kind for kind in (self.type, ALL) if kind in on), None)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cases of one type, or of those of a flood of all, that become one message: to `person`, or to the channel's address
    where that is None.
    """

    type: str
    escalates: bool
    person: int | None
    occasions: tuple[Occasion, ...]

    @property
    def severity(self) -> Severity:
        return max(occasion.severity for occasion in self.occasions)

    @property
    def about(self) -> "About":
        return About(self.type, self.escalates, self.person)


class About(NamedTuple):
    """What a message was about: the same again waits for GATHER."""

    type: str
    escalates: bool
    person: int | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`messages` leave now; so do `louder`, each what is louder than the flood of its `type`; `joined` go into the flood that is
    on; `silent` are marked as told, because of their holder.
    """

    messages: tuple[Group, ...] = ()
    louder: tuple[Group, ...] = ()
    joined: tuple[Occasion, ...] = ()
    silent: tuple[Group, ...] = ()


def severity_of(worth: Decimal, holds_back: bool, policy: Policy) -> Severity:
    """By money alone; what holds work back is normal at least. Deadlines raise it when they are near."""
    for least, severity in (
        (policy.critical_from, Severity.CRITICAL),
        (policy.high_from, Severity.HIGH),
        (policy.normal_from, Severity.NORMAL),
    ):
        if worth >= least:
            return severity
    return Severity.NORMAL if holds_back else Severity.LOW


def occasion(case: Seen, watch: Watch, policy: Policy, now: datetime) -> Occasion | None:
    """Why the case is to be told now, if it is."""
    tells = watch.tells and (watch.people or case.person is None)
    for escalates, wanted, marked in ((False, tells, _told_marks), (True, watch.escalates, _escalated_marks)):
        if wanted and (marks := tuple(marked(case, watch, policy, now))):
            urgent = any(mark.kind in (Kind.NEAR, Kind.PAST, Kind.LAPSED) for mark in marks)
            return Occasion(
                case=case.id,
                type=case.type,
                marks=marks,
                severity=case.severity.raised if urgent else case.severity,
                due_at=case.due_at,
                person=None if escalates else case.person,
                holder=case.holder,
            )
    return None


def _told_marks(case: Seen, watch: Watch, policy: Policy, now: datetime) -> Iterator[Mark]:
    as_new = [mark.severity for mark in case.told if mark.kind == Kind.NEW]
    if case.severity >= watch.least and (case.opened_at >= watch.since or as_new) and case.severity > max(as_new, default=0):
        yield Mark(Kind.NEW, case.severity)
    if case.severity.raised < watch.least:
        return
    for kind, at in ((Kind.NEAR, case.due_at - policy.near), (Kind.PAST, case.due_at)):
        if watch.since <= at <= now and Mark(kind, 0) not in case.told:
            yield Mark(kind, 0)


def _escalated_marks(case: Seen, watch: Watch, policy: Policy, now: datetime) -> Iterator[Mark]:
    """Whose case it is has until its deadline; where nobody's, as long as its severity allows."""
    if case.holder or case.severity < watch.least:
        return
    pressing = max(case.unheld_since, case.due_at - policy.near)
    if case.lapsed and Mark(Kind.LAPSED, 0) not in case.told and watch.since <= pressing <= now:
        yield Mark(Kind.LAPSED, 0)
    patience = case.unheld_since + policy.unheld(case.severity)
    at = max(patience, case.due_at) if case.person else patience
    before = max((mark.severity for mark in case.told if mark.kind == Kind.UNHELD), default=0)
    if watch.since <= at <= now and case.severity > before:
        yield Mark(Kind.UNHELD, case.severity)


def decide(found: Iterable[Occasion], recent: Mapping[About, Severity], flooded: Mapping[str, Severity]) -> Decision:
    """What becomes of the occasions. `recent`: the loudest message about the same within GATHER; `flooded`: the type of each
    flood that is on, ALL for that of all types, and how loud a message of it was so far. What is louder breaks through, to the
    channel and as one message, which makes the flood as loud. Each occasion is in at most one place; those in none wait.
    """
    groups: dict[tuple, list[Occasion]] = {}
    louder: dict[str, list[Occasion]] = {}
    joined = []
    for one in found:
        flood = one.flood_in(flooded)
        if flood is None:
            groups.setdefault((About(one.type, one.escalates, one.person), one.holder), []).append(one)
        elif one.severity > flooded[flood]:
            louder.setdefault(flood, []).append(one)
        else:
            joined.append(one)
    messages, silent = [], []
    for (about, holder), members in groups.items():
        group = Group(**about._asdict(), occasions=tuple(members))
        if holder:
            silent.append(group)
        elif group.severity > recent.get(about, 0):
            messages.append(group)
    return Decision(
        messages=tuple(messages),
        louder=tuple(
            Group(type=flood, escalates=False, person=None, occasions=tuple(members)) for flood, members in louder.items()
        ),
        joined=tuple(joined),
        silent=tuple(silent),
    )


def flood_severity(kind: str, on: Collection[str], found: Iterable[Occasion]) -> Severity:
    """As loud as a flood that begins beside those that are `on`: as the loudest case that goes into it, and high at least."""
    mine = (one.severity for one in found if one.flood_in({*on, kind}) == kind)
    return max([Severity.HIGH, *mine])
