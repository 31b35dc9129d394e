"""How each feed stands, as the lists of feeds say it. Green needs proof of data: a run without an error is none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from apps.integrations.feeds import FEEDS, expected_by
from apps.integrations.models import JobState, Source, SyncRun
from apps.integrations.rules import MOST_TRIES

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A source with its newest run. `mark` is the shape before the state's word; `next_at` when it is asked next."""

    source: Source
    title: str
    mark: str
    state: str
    says: str
    run: SyncRun | None
    next_at: datetime | None
    runs: int
    failed: int


def is_paced(run: SyncRun) -> bool:
    """Whether the run waits for its turn by our own count of what the source allows: nothing failed."""
    job = run.job
    return not run.verdict and job.state == JobState.WAITING and bool(job.error) and job.not_before > timezone.now()


def standings(sources: Iterable[Source]) -> list[Standing]:
    """In the order of the sources, which come with their connections; four queries for any number of them."""
    sources = list(sources)
    runs = SyncRun.objects.filter(source__in=sources).select_related("job").order_by("source", "-id")
    newest = {run.source_id: run for run in runs.distinct("source")}
    ended = SyncRun.objects.newest_ended(sources)
    lately = SyncRun.objects.filter(source__in=sources, ended_at__gte=timezone.now() - DAY).order_by()
    failed = Count("id", filter=~Q(verdict="") & ~Q(evidence=SyncRun.STOPPED))
    counts = {row["source"]: row for row in lately.values("source").annotate(ran=Count("id"), failed=failed)}
    none = {"ran": 0, "failed": 0}
    return [
        _standing(source, newest.get(source.pk), ended.get(source.pk), counts.get(source.pk, none)) for source in sources
    ]


def _standing(source: Source, newest: SyncRun | None, ended: SyncRun | None, lately: dict) -> Standing:
    mark, state, says = _state(source, newest, ended)
    feed = FEEDS.get(source.feed)
    return Standing(
        source=source,
        title=feed.title if feed else source.feed,
        mark=mark,
        state=state,
        says=says,
        run=newest,
        next_at=_next(source, newest),
        runs=lately["ran"],
        failed=lately["failed"],
    )


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
        return "late", "Quiet", "clears no case meanwhile"
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


def _next(source: Source, newest: SyncRun | None) -> datetime | None:
    if source.paused or source.connection.revoked_at:
        return None
    if newest is None:
        return source.created_at + source.every
    if newest.ended_at is None and newest.job.state == JobState.WAITING:
        return newest.job.not_before
    return newest.job.created_at + source.every
