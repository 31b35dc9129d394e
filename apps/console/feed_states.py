"""How each feed stands, as the lists of feeds say it. Green needs proof of data: a run without an error is none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import TruncHour
from django.utils import timezone

from apps.console.words import instant, listed
from apps.core.models import User
from apps.exceptions.models import Case
from apps.integrations.connectors import allowances_of
from apps.integrations.contract import Allowance
from apps.integrations.feeds import FEEDS, expected_by, title_of
from apps.integrations.models import Attempt, JobState, Source, SyncRun
from apps.integrations.rules import MOST_TRIES

HOURS = 24


@dataclass(frozen=True, kw_only=True)
class Day:
    """The last 24 hours of a feed, the oldest first: "" proven, "t" proven after a failure, "f" failed, "q" nothing proven."""

    hours: tuple[str, ...]
    runs: int
    failed: int

    @property
    def says(self) -> str:
        counts = {"of proof": "", "of proof after a failure": "t", "of failure": "f", "with nothing proven": "q"}
        return listed(f"{self.hours.count(mark)} {what}" for what, mark in counts.items() if mark in self.hours)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A source with its newest run. `mark` is the shape before the state's word; `next_at` when it is asked next; `cases`
    are the live ones that may come of it: its connection's, and those of its company that name no connection; `allowance`
    is None where its system counts no calls.
    """

    source: Source
    title: str
    mark: str
    state: str
    says: str
    run: SyncRun | None
    next_at: datetime | None
    day: Day
    cases: int
    allowance: Allowance | None


def is_paced(run: SyncRun) -> bool:
    """Whether the run waits for its turn by our own count of what the source allows: nothing failed."""
    job = run.job
    return not run.verdict and job.state == JobState.WAITING and bool(job.error) and job.not_before > timezone.now()


def standings(sources: Iterable[Source], person: User) -> list[Standing]:
    """In the order of the sources, which come with their connections; five queries for any number of them, and one to the
    broker. Cases are those of the queues that the person reads.
    """
    sources = list(sources)
    runs = SyncRun.objects.filter(source__in=sources).select_related("job").order_by("source", "-id")
    newest = {run.source_id: run for run in runs.distinct("source")}
    ended = SyncRun.objects.newest_ended(sources)
    states = [_state(source, newest.get(source.pk), ended.get(source.pk)) for source in sources]
    days, cases, allowances = _days(sources), _cases(sources, person), allowances_of(sources)
    return [
        Standing(
            source=source,
            title=title_of(source),
            mark=mark,
            state=state,
            says=says,
            run=newest.get(source.pk),
            next_at=_next(source, newest.get(source.pk)),
            day=days[source.pk],
            cases=sum(
                cases.get((source.entity_id, code, place), 0)
                for code in _opens(source)
                for place in (source.connection_id, None)
            ),
            allowance=allowances.get(source.pk),
        )
        for source, (mark, state, says) in zip(sources, states, strict=True)
    ]


def _days(sources: list[Source]) -> dict[int, Day]:
    """By clock hours, the present one last."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=ago) for ago in reversed(range(HOURS))]
    lately = SyncRun.objects.filter(source__in=sources, ended_at__gte=hours[0]).annotate(hour=TruncHour("ended_at", tzinfo=UTC))
    fell = ~Q(verdict="") & ~Q(evidence=SyncRun.STOPPED)
    # A run that was put off for a failure has had attempts that failed.
    stumbled = Exists(Attempt.objects.filter(job=OuterRef("job"), outcome=Attempt.Outcome.FAILED))
    counted = lately.annotate(stumbled=stumbled).order_by().values("source", "hour")
    rows = counted.annotate(
        ran=Count("id"),
        failed=Count("id", filter=fell),
        proved=Count("id", filter=Q(proven=True, verdict="")),
        hard=Count("id", filter=Q(stumbled=True)),
    )
    told: dict[int, dict[datetime, dict]] = {source.pk: {} for source in sources}
    for row in rows:
        told[row["source"]][row["hour"]] = row
    return {
        pk: Day(
            hours=tuple(_hour(by_hour.get(hour)) for hour in hours),
            runs=sum(row["ran"] for row in by_hour.values()),
            failed=sum(row["failed"] for row in by_hour.values()),
        )
        for pk, by_hour in told.items()
    }


def _hour(told: dict | None) -> str:
    if told and told["proved"]:
        return "t" if told["failed"] or told["hard"] else ""
    return "f" if told and told["failed"] else "q"


def _cases(sources: list[Source], person: User) -> dict[tuple[int, str, int | None], int]:
    """{(company, type, the connection that they name): live cases}"""
    codes = {code for source in sources for code in _opens(source)}
    live = Case.objects.visible_to(person).live().filter(type__in=codes, entity__in={source.entity_id for source in sources})
    rows = live.order_by().values_list("entity", "type", "facts__connection_id").annotate(Count("id"))
    return {(entity, code, place): number for entity, code, place, number in rows}


def _opens(source: Source) -> tuple[str, ...]:
    return FEEDS[source.feed].opens if source.feed in FEEDS else ()


def _state(source: Source, newest: SyncRun | None, ended: SyncRun | None) -> tuple[str, str, str]:
    """The mark, the word and what explains it. What needs a person comes before what does not."""
    live = newest if newest and newest.ended_at is None else None
    if source.connection.revoked_at:
        return "bad", "Revoked", "the connection is not let in"
    if source.paused:
        return "wait", "Paused", "clears no case meanwhile"
    if ended and ended.verdict and not (live and live.verdict):
        return "bad", "Failing", ended.evidence["words"]
    if source.feed not in FEEDS:
        return "unknown", "Not known", "no program here knows this feed"
    if timezone.now() > expected_by(source):
        return "late", "Quiet", "clears no case meanwhile" + _paced_until(live)
    if live and live.verdict:
        return "transient", "Retrying", f"try {live.evidence['attempts'] + 1} of {MOST_TRIES} comes next"
    if live and is_paced(live):
        return "wait", "Paced", live.job.error
    if live and live.job.state == JobState.RUNNING:
        return "work", "Running", live.job.progress_words
    if live and live.job.state == JobState.STUCK:
        return "late", "Stuck", "lost its worker again and again"
    if source.proven_at:
        return "ok", "Good", "everything is told up to then"
    return "wait", "New", "nothing is proven yet"


def _paced_until(live: SyncRun | None) -> str:
    if not (live and is_paced(live)):
        return ""
    return f"; paced until {instant(live.job.not_before, timezone.now(), timezone.get_current_timezone())}"


def _next(source: Source, newest: SyncRun | None) -> datetime | None:
    if source.paused or source.connection.revoked_at:
        return None
    if newest is None:
        return source.created_at + source.every
    if newest.ended_at is None and newest.job.state == JobState.WAITING:
        return newest.job.not_before
    return newest.job.created_at + source.every
