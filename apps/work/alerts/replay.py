"""What would have been sent with other settings: the rules of the beat, run over what happened. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from apps.work.alerts import floods
from apps.work.alerts.quiet import Quiet, leaves_at
from apps.work.alerts.rules import (
    GATHER,
    About,
    Decision,
    Group,
    Mark,
    Occasion,
    Policy,
    Seen,
    Severity,
    Watch,
    decide,
    flood_severity,
    occasion,
)

LOOK_EVERY = timedelta(minutes=15)  # besides the minutes in which something happened
MINUTE = timedelta(minutes=1)


class Sort(StrEnum):
    AT_ONCE = "At once"
    ESCALATION = "Escalation"
    FLOOD = "Flood"
    CALM = "Calm again"
    SILENT = "Silenced"


@dataclass(frozen=True, kw_only=True)
class Spell:
    """A time in which a case was somebody's, or asleep where `holder` is empty; `lapsed`: it ran out."""

    begins: datetime
    ends: datetime
    holder: str = ""
    lapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Past:
    """A case as it was: `spells` in order, none over another."""

    id: int
    type: str
    severity: Severity
    opened_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    spells: tuple[Spell, ...] = ()

    def instants(self, policy: Policy) -> Iterable[datetime]:
        """When the rules may find something new about it."""
        yield from (self.opened_at, self.due_at - policy.near, self.due_at, self.opened_at + policy.unheld(self.severity))
        for spell in self.spells:
            yield from (spell.ends, spell.ends + policy.unheld(self.severity))

    def at(self, now: datetime, told: frozenset[Mark]) -> Seen | None:
        """None where it is not there, or asleep."""
        if not self.opened_at <= now or (self.ended_at and self.ended_at <= now):
            return None
        on = next((spell for spell in self.spells if spell.begins <= now < spell.ends), None)
        if on and not on.holder:
            return None
        over = [spell for spell in self.spells if spell.ends <= now]
        return Seen(
            id=self.id,
            type=self.type,
            severity=self.severity,
            opened_at=self.opened_at,
            due_at=self.due_at,
            unheld_since=over[-1].ends if over else self.opened_at,
            lapsed=bool(over) and over[-1].lapsed and bool(over[-1].holder),
            holder=on.holder if on else "",
            told=told,
        )


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message that would have left, and the cases in it; those of a flood until it calms."""

    at: datetime
    sort: Sort
    type: str
    severity: Severity
    cases: tuple[int, ...]


class _Flood(NamedTuple):
    """Since when it is on, where its message is in `sent`, and how loud a message of it was so far."""

    since: datetime
    place: int
    level: Severity


@dataclass
class _Told:
    """What has been told by the present minute of the replay."""

    marks: dict[int, frozenset[Mark]] = field(default_factory=dict)
    last: dict[About, list[tuple[datetime, Severity]]] = field(default_factory=dict)
    floods: dict[str, "_Flood"] = field(default_factory=dict)  # those that are on
    sent: list[Sent] = field(default_factory=list)

    def recent(self, now: datetime) -> dict[About, Severity]:
        kept = {about: [each for each in found if each[0] > now - GATHER] for about, found in self.last.items()}
        self.last = {about: found for about, found in kept.items() if found}
        return {about: max(severity for _, severity in found) for about, found in self.last.items()}

    def mark(self, occasions: Iterable[Occasion]) -> None:
        for one in occasions:
            self.marks[one.case] = self.marks.get(one.case, frozenset()) | set(one.marks)


def replay(
    cases: Sequence[Past],
    openings: Mapping[str, Sequence[datetime]],
    *,
    watch: Watch,
    policy: Policy,
    quiet: Quiet | None,
    until: datetime,
) -> list[Sent]:
    """From `watch.since` on, in order. `openings`: when cases of each type opened, rising, from four weeks earlier on."""
    told, waiting, by_id = _Told(), dict[int, Past](), {case.id: case for case in cases}
    agenda = sorted(
        (_whole(at), case.id) for case in cases for at in case.instants(policy) if at <= until and _whole(at) >= watch.since
    )
    place = 0
    for now in _minutes(watch.since, until, {at for at, _ in agenda}):
        while place < len(agenda) and agenda[place][0] <= now:
            waiting[agenda[place][1]] = by_id[agenda[place][1]]
            place += 1
        seen = {key: case.at(now, told.marks.get(key, frozenset())) for key, case in waiting.items()}
        found = [one for case in seen.values() if case and (one := occasion(case, watch, policy, now))]
        if watch.tells:
            _turn_of_the_tide(told, openings, found, watch, policy, quiet, now)
        decision = decide(found, told.recent(now), {kind: flood.level for kind, flood in told.floods.items()})
        _tell(told, decision, by_id, quiet, now)
        waiting = {one.case: by_id[one.case] for one in found}  # until there is no occasion any more
    return sorted(told.sent, key=lambda sent: sent.at)


def _settled(decision: Decision) -> Iterable[Occasion]:
    for group in (*decision.messages, *decision.louder, *decision.silent):
        yield from group.occasions
    yield from decision.joined


def _tell(told: _Told, decision: Decision, by_id: Mapping[int, Past], quiet: Quiet | None, now: datetime) -> None:
    for group in decision.louder:
        told.floods[group.type] = told.floods[group.type]._replace(level=group.severity)
    for group in (*decision.messages, *decision.louder):
        told.last.setdefault(group.about, []).append((now, group.severity))
        at = leaves_at(now, quiet, [one.due_at for one in group.occasions])
        needed = [one for one in group.occasions if _needed(by_id[one.case], at)]
        _add(told, group, needed or group.occasions, at, needed=bool(needed))
    for group in decision.silent:
        _add(told, group, group.occasions, now, needed=False)
    for one in decision.joined:
        place = told.floods[one.flood_in(told.floods)].place
        told.sent[place] = replace(told.sent[place], cases=(*told.sent[place].cases, one.case))
    told.mark(_settled(decision))


def _add(told: _Told, group: Group, occasions: Sequence[Occasion], at: datetime, *, needed: bool) -> None:
    sort = Sort.ESCALATION if group.escalates else Sort.AT_ONCE
    cases = tuple(one.case for one in occasions)
    told.sent.append(
        Sent(at=at, sort=sort if needed else Sort.SILENT, type=group.type, severity=group.severity, cases=cases)
    )


def _needed(case: Past, at: datetime) -> bool:
    held = any(spell.begins <= at < spell.ends for spell in case.spells)
    return not held and not (case.ended_at and case.ended_at <= at)


def _turn_of_the_tide(
    told: _Told,
    openings: Mapping[str, Sequence[datetime]],
    found: Sequence[Occasion],
    watch: Watch,
    policy: Policy,
    quiet: Quiet | None,
    now: datetime,
) -> None:
    def between(since: datetime, until: datetime) -> dict[str, int]:
        counts = {kind: bisect_right(at, until) - bisect_right(at, since) for kind, at in openings.items()}
        return {kind: count for kind, count in counts.items() if count}

    opened = between(max(now - floods.WINDOW, watch.since), now)
    usual = between(now - floods.USUAL_OVER, now - floods.WINDOW)
    tide = floods.tide(opened, usual, {kind: flood.since for kind, flood in told.floods.items()}, policy, now)
    at = leaves_at(now, quiet, [])
    for kind in sorted(tide.calms):
        calmed = told.floods.pop(kind)
        told.sent.append(
            Sent(at=at, sort=Sort.CALM, type=kind, severity=told.sent[calmed.place].severity, cases=())
        )
    for kind in sorted(tide.begins, reverse=True):  # that of all types last: it takes what has no flood of its own
        severity = flood_severity(kind, told.floods, found)
        if severity >= watch.least:
            told.floods[kind] = _Flood(now, len(told.sent), severity)
            told.sent.append(Sent(at=at, sort=Sort.FLOOD, type=kind, severity=severity, cases=()))


def _whole(at: datetime) -> datetime:
    """The minute at which the beat sees it."""
    down = at.replace(second=0, microsecond=0)
    return down if down == at else down + MINUTE


def _minutes(since: datetime, until: datetime, busy: set[datetime]) -> list[datetime]:
    first = _whole(since)
    looks = {first + n * LOOK_EVERY for n in range((until - first) // LOOK_EVERY + 1)}
    return sorted(at for at in looks | busy if since <= at <= until)
