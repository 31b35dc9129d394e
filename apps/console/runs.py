"""Sync runs: what is under way, how every feed stands, and for one run what it saw and why it failed."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console import words
from apps.console.feed_states import Standing, is_paced, standings
from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core import keeping
from apps.core.models import User
from apps.core.permissions import READ_RUNS, RUN_JOBS
from apps.integrations import operations, rules
from apps.integrations.feeds import title_of
from apps.integrations.models import JobState, Source, SyncRun

UNDER_WAY = (JobState.WAITING, JobState.RUNNING)
TROUBLED = ("Failing", "Quiet", "Revoked", "Stuck")
SAID = {
    "fetch": "A worker fetches it.",
    "try-now": "A worker tries it now.",
    "stop": "Stopped. The pages that were stored stay.",
}


def runs_visible_to(user: User) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(source__connection__entity__in=user.entities_where(READ_RUNS))


@door(READ_RUNS)
def runs(request: HttpRequest) -> HttpResponse:
    """Every feed, in trouble first; above them what is under way."""
    sources = Source.objects.filter(connection__entity__in=request.user.entities_where(READ_RUNS))
    sources = request.companies.within(sources, "connection__entity_id").select_related("connection__entity")
    after = request.GET.get("after", "")
    feeds = standings(sources.order_by("connection__name", "connection_id", "feed", "pk"), request.user)
    live = runs_visible_to(request.user).filter(ended_at=None, job__state__in=UNDER_WAY)
    live = request.companies.within(live, "source__connection__entity_id")
    shown, more = page_of(
        _after(live, after).select_related("job", "source__connection__entity").order_by("pk"), PAGE
    )
    context = {
        "live": [(run, title_of(run.source), _waits(run), is_paced(run)) for run in shown],
        "feeds": sorted(feeds, key=lambda feed: feed.state not in TROUBLED),
        "finding": _finding(feeds),
        "most_tries": rules.MOST_TRIES,
        "kept_runs": keeping.RUNS,
        "kept_unchanged": keeping.UNCHANGED_RUNS,
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
        "may_run": request.user.may_anywhere(RUN_JOBS),
    }
    return render_screen(request, "runs.html", context, partial="live")


@door(READ_RUNS)
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks again every second until the run has ended."""
    found = get_object_or_404(
        runs_visible_to(request.user).select_related("job__asked_by", "source__connection__entity"), pk=pk
    )
    show_in_zone(found.source.entity)
    failure = rules.Failure.of_json(found.evidence) if "at" in found.evidence else None
    waits = _waits(found)
    verdict = found.verdict if found.job.state in (*UNDER_WAY, JobState.FAILED) or found.ended_at else ""
    earlier = SyncRun.objects.filter(source=found.source_id).exclude(pk=pk).select_related("job").order_by("-pk")
    context = {
        "run": found,
        "job": found.job,
        "title": title_of(found.source),
        "under_way": found.ended_at is None and found.job.state in UNDER_WAY,
        "waits": waits,
        "paced": is_paced(found),
        "failure": failure if verdict else None,
        "says": rules.SAYS[verdict] if failure and verdict else "",
        "reasons": [(reason.words, reason.supports) for reason in rules.reasons(failure)] if failure and verdict else [],
        "recovered": failure if failure and not verdict and found.ended_at else None,
        "attempts": list(found.job.attempts.all()),
        "unreadable": found.source.unreadables.filter(read_at=None).count(),
        "earlier": list(earlier[:10]),
        "most_tries": rules.MOST_TRIES,
        "finding": _outcome(found, waits),
        "may_run": request.user.may(RUN_JOBS, found.source.entity_id),
    }
    return render_screen(request, "run.html", context, partial="progress")


@door(RUN_JOBS, methods=["POST"])
def run_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Fetch the run's feed again, try now what waits, or stop it. What cannot be done any more is refused in words."""
    found = get_object_or_404(
        runs_visible_to(request.user).select_related("job", "source__connection__entity"), pk=pk
    )
    if name not in SAID:
        raise Http404(f"nothing called {name}")
    if name == "fetch":
        found = operations.fetch_now(source=found.source, actor=request.user)
    else:
        {"try-now": operations.try_now, "stop": operations.stop}[name](job=found.job, actor=request.user)
    messages.success(request, SAID[name])
    return redirect("run", pk=found.pk)


def _after(rows: QuerySet[SyncRun], after: str) -> QuerySet[SyncRun]:
    return rows.filter(pk__gt=int(after)) if after.isdecimal() else rows


def _waits(run: SyncRun) -> bool:
    """For the time of its next try."""
    return run.job.state == JobState.WAITING and run.job.not_before > timezone.now()


def _finding(feeds: list[Standing]) -> str:
    """1 feed needs you; 1 more is retried for you."""
    troubled = sum(feed.state in TROUBLED for feed in feeds)
    retried = sum(feed.state == "Retrying" for feed in feeds)
    proven = sum(feed.state in ("Good", "Running", "Paced") and feed.source.proven_at is not None for feed in feeds)
    parts = [f"{words.counted(troubled, 'feed needs', 'feeds need')} you"] if troubled else []
    whose = f"{retried} more" if parts else words.counted(retried, "feed")
    parts += [f"{whose} {'is' if retried == 1 else 'are'} retried for you"] if retried else []
    if parts:
        return "; ".join(parts)
    if not feeds:
        return "No feed is connected yet"
    if proven == len(feeds):
        return "Every feed proves that it brings data"
    return f"{proven} of {words.counted(len(feeds), 'feed')} {'proves' if proven == 1 else 'prove'} that data comes"


def _outcome(run: SyncRun, waits: bool) -> str:
    title = title_of(run.source)
    if run.job.state == JobState.STOPPED:
        return f"{title}: stopped after {words.counted(run.pages, 'page')}"
    if waits:
        return f"{title}: waits for its {'turn' if is_paced(run) else 'next try'}"
    if run.ended_at is None:
        return f"{title}: {run.job.get_state_display().lower()}, {words.counted(run.seen, 'record')} so far"
    if run.verdict:
        kept = f", {words.counted(run.seen, 'record')} before that are kept" if run.seen else ""
        return f"{title}: failed{kept}"
    counts = {"new": run.added, "changed": run.changed, "unreadable": run.unreadable}
    brought = words.listed(f"{number:,} {what}" for what, number in counts.items() if number)
    return f"{title}: {words.counted(run.seen, 'record')}, {brought or 'nothing new'}"
