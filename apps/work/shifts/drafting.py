"""What the console knows for a note between shifts: what came in, what ended, what comes next, what stands still.

Each line leads to its page, and each instant is written out: the note is read later than it is drafted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q
from django.urls import reverse

from apps.core import money
from apps.core.models import Entity
from apps.core.permissions import READ_MONEY, READ_RUNS, RUN_JOBS, Role, Team
from apps.core.words import counted
from apps.exceptions.models import IS_LIVE, Case, CaseQuerySet, State
from apps.integrations import jobs
from apps.integrations.feeds import FEEDS, expected_by, title_of
from apps.integrations.models import Job, Source, SyncRun
from apps.integrations.runs import KIND as SYNC
from apps.work.routines import FURTHEST, ROUTINES, days
from apps.work.workdays import ahead

SHOWN = 8  # lines of a section; the queue has them all
LOOKS_AHEAD = timedelta(hours=24)  # of working days
LONGEST_ERROR = 160  # letters
AT_WORK = IS_LIVE & ~Q(state=State.SNOOZED)


@dataclass(frozen=True)
class Line:
    words: str
    path: str
    more: str = ""


@dataclass(frozen=True)
class Section:
    """`title` is the finding, zero too; `rest` leads to what is not among the lines."""

    title: str
    lines: Sequence[Line] = ()
    rest: Line | None = None

    @property
    def said(self) -> dict:
        """As it is kept."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A team's work in a company between two instants."""

    entity: Entity
    team: Team
    since: datetime
    now: datetime

    @property
    def cases(self) -> CaseQuerySet:
        return Case.objects.filter(entity=self.entity, team=self.team).select_related(
            "entity", "assigned_to", "claimed_by", "ended_by"
        )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.entity.zone)

    def at(self, instant: datetime) -> str:
        """Sat 21 Nov 14:02, in the company's zone."""
        here = instant.astimezone(self.zone)
        return f"{here:%a} {here.day} {here:%b} {here:%H:%M}"

    def may(self, *roles: frozenset[Role]) -> bool:
        """Whether the team's own role is among these."""
        return any(Role(self.team.value) in each for each in roles)


def draft(shift: Shift) -> list[Section]:
    """What there is to say. As many queries whatever there is."""
    sections = [_came_in(shift), _ended(shift), _due(shift), _asleep(shift)]
    if any(routine.team == shift.team for routine in ROUTINES.values()):
        sections.append(_checks(shift))
    if shift.may(RUN_JOBS.roles, READ_MONEY.roles):
        sections.append(_jobs(shift))
    if shift.may(READ_RUNS.roles):
        sections.append(_feeds(shift))
    return sections


def _came_in(shift: Shift) -> Section:
    came = shift.cases.filter(opened_at__gt=shift.since)
    count, live = _counts(came, IS_LIVE)
    title = f"{counted(count, 'exception')} came in, {live:,} of them {'is' if live == 1 else 'are'} still open"
    return _listed(
        title if count else "No exception came in",
        [_line(case, _held(case)) for case in came.filter(IS_LIVE).by_rank()[:SHOWN]],
        live,
        _queue(shift),
    )


def _ended(shift: Shift) -> Section:
    ended = shift.cases.filter(ended_at__gt=shift.since)
    by_people = ~Q(state=State.CLEARED)
    count, people = _counts(ended, by_people)
    title = f"{counted(count, 'exception')} ended: {people:,} by people, {count - people:,} by themselves"
    rows = ended.filter(by_people).order_by("-ended_at", "-pk")[:SHOWN]
    return _listed(title if count else "No exception ended", [_line(case, _ending(case)) for case in rows], people, "")


def _due(shift: Shift) -> Section:
    until = ahead(shift.entity, shift.now, LOOKS_AHEAD)
    due = shift.cases.filter(AT_WORK, due_at__lte=until)
    count, late = _counts(due, Q(due_at__lt=shift.now))
    title = f"{counted(count, 'exception is', 'exceptions are')} due until {shift.at(until)}"
    title += f", {late:,} of them late already" if late else ""
    lines = [
        _line(case, f"{'Was due' if case.due_at < shift.now else 'Due'} {shift.at(case.due_at)}. {_held(case)}")
        for case in due.order_by("due_at", "pk")[:SHOWN]
    ]
    nothing = f"No exception is due until {shift.at(until)}"
    return _listed(title if count else nothing, lines, count, f"{_queue(shift)}?due=week")


def _asleep(shift: Shift) -> Section:
    asleep = shift.cases.filter(state=State.SNOOZED)
    rows = list(asleep.order_by(F("snoozed_until").asc(nulls_last=True), "pk")[:SHOWN])
    count = asleep.count()
    lines = [_line(case, _wakes(shift, case)) for case in rows]
    title = f"{counted(count, 'exception sleeps', 'exceptions sleep')}"
    if rows and rows[0].snoozed_until:
        title += f", the next one until {shift.at(rows[0].snoozed_until)}"
    return _listed(title if count else "No exception sleeps", lines, count, f"{_queue(shift)}?view=snoozed")


def _checks(shift: Shift) -> Section:
    lines = list(_unsigned(shift))
    return Section(f"{counted(len(lines), 'check is', 'checks are')} not signed" if lines else "Every check is signed", lines)


def _unsigned(shift: Shift) -> Iterator[Line]:
    began = shift.since.astimezone(shift.zone).date()
    passed = (shift.now.astimezone(shift.zone).date() - began).days + 1
    for routine in ROUTINES.values():
        if routine.team != shift.team:
            continue
        path = reverse("check", args=[shift.entity.pk, routine.name])
        looked_at = days(routine, shift.entity, shift.now, passed if routine.weekday is None else FURTHEST)
        for slot in (slot for day in looked_at for slot in day.slots):
            if slot.due or (slot.missed and slot.day >= began):
                words = f"{routine.title}, {slot.day:%a} {slot.day.day} {slot.day:%b} {slot.at:%H:%M}"
                yield Line(words, path, "Can still be signed" if slot.due else "Missed")


def _jobs(shift: Shift) -> Section:
    failed = Job.objects.filter(entity=shift.entity, state__in=jobs.TROUBLED).exclude(kind=SYNC).select_related("file")
    failed = failed.filter(Q(ended_at=None) | Q(ended_at__gt=shift.since))
    count = failed.count()
    lines = [
        Line(jobs.title(job), reverse("job", args=[job.pk]), f"{job.file.name}: {_error(job)}" if job.file else _error(job))
        for job in failed.order_by("-pk")[:SHOWN]
    ]
    title = f"{counted(count, 'job')} failed or lost {'its' if count == 1 else 'their'} worker" if count else "No job failed"
    return _listed(title, lines, count, f"{reverse('jobs')}?view=troubled")


def _feeds(shift: Shift) -> Section:
    sources = Source.objects.filter(connection__entity=shift.entity, paused=False).select_related("connection__entity")
    sources = list(sources.order_by("connection__name", "feed", "pk"))
    ended = SyncRun.objects.newest_ended(sources)
    lines = [
        Line(f"{title_of(source)}, {source.connection}", reverse("connection", args=[source.connection_id]), why)
        for source in sources
        if (why := _trouble(shift, source, ended.get(source.pk)))
    ]
    title = f"{counted(len(lines), 'feed')} failed or silent" if lines else "No feed failed or is silent"
    return _listed(title if sources else "No feed runs", lines[:SHOWN], len(lines), reverse("runs"))


def _trouble(shift: Shift, source: Source, ended: SyncRun | None) -> str:
    if source.connection.revoked_at:
        return f"Not let in since {shift.at(source.connection.revoked_at)}"
    if ended and ended.verdict:
        return f"Failed {shift.at(ended.ended_at)}: {ended.evidence['words']}"
    if source.feed in FEEDS and expected_by(source) < shift.now:
        return f"Silent since {shift.at(source.proven_at)}" if source.proven_at else "Has proven nothing yet"
    return ""


def _counts(rows, part: Q) -> tuple[int, int]:
    """How many, and how many of those are of the part."""
    found = rows.order_by().aggregate(whole=Count("pk"), part=Count("pk", filter=part))
    return found["whole"], found["part"]


def _listed(title: str, lines: Sequence[Line], count: int, path: str) -> Section:
    more = count - len(lines)
    return Section(title, lines, Line(f"And {more:,} more", path) if more > 0 else None)


def _line(case: Case, more: str) -> Line:
    return Line(case.kind.headline(case), reverse("case", args=[case.pk]), more)


def _queue(shift: Shift) -> str:
    return reverse("queue", args=[shift.team.value])


def _held(case: Case) -> str:
    if case.claimed_by:
        return f"{case.claimed_by.name} is on it."
    return f"It is {case.assigned_to.name}’s." if case.assigned_to else "Nobody has it."


def _ending(case: Case) -> str:
    did = f"{State(case.state).label} by {case.ended_by.name}" if case.ended_by else State(case.state).label
    return f"{did}. {case.ending.get('words', '')}".strip()


def _wakes(shift: Shift, case: Case) -> str:
    if case.snoozed_until:
        return f"Until {shift.at(case.snoozed_until)}."
    if case.snoozed_above is not None:
        return f"Until more than {money.words(case.snoozed_above, case.currency)} is at stake."
    return "Until its feed has run."


def _error(job: Job) -> str:
    return job.error if len(job.error) <= LONGEST_ERROR else f"{job.error[:LONGEST_ERROR]}…"
