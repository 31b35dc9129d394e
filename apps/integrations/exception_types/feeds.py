"""feed.stale: nothing is proven, though nothing failed. feed.failing: runs end in errors that no waiting mends."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.integrations import endings, rules
from apps.integrations.exception_types.acting import check, fetch_again
from apps.integrations.feeds import FEEDS, expected_by, title_of
from apps.integrations.models import Connection, Source, SyncRun
from apps.integrations.words import instant, span

IN_A_ROW = 2  # runs whose verdict is not known, until somebody is asked to look
OURS = ("permanent", "refused", "internal")
"""What makes a feed fail by itself; that a connection is refused, or the source unavailable, are cases of their own."""


def _watched(scope: Scope) -> list[Source]:
    """Sources that are pulled by schedule, of connections that are authorised."""
    sources = Source.objects.filter(
        connection__entity=scope.entity, connection__revoked_at=None, paused=False, feed__in=FEEDS
    )
    if scope.subjects is not None:
        sources = sources.filter(pk__in=[int(subject) for subject in scope.subjects])
    return list(sources.select_related("connection").order_by("pk"))


def stale_feeds(scope: Scope) -> Iterator[Finding]:
    now = timezone.now()
    quiet = [source for source in _watched(scope) if now > expected_by(source)]
    last = SyncRun.objects.newest_ended(quiet)
    for source in quiet:
        feed, run = FEEDS[source.feed], last.get(source.pk)
        facts = _facts(source) | {
            "proven": instant(source.proven_at),
            "newest": instant(source.newest_at),
            "expected": instant(expected_by(source)),
            "every": span(source.every),
            "quiet_after": span(feed.quiet_after),
            "last_run": _ended(run) if run else "",
        }
        yield Finding(subject=str(source.pk), currency=scope.entity.base_currency, facts=facts)


def failing_feeds(scope: Scope) -> Iterator[Finding]:
    sources = {source.pk: source for source in _watched(scope)}
    ended = SyncRun.objects.newest_ended(sources.values())
    failed = {pk: run for pk, run in ended.items() if run.verdict and run.evidence["kind"] in OURS}
    in_a_row = SyncRun.objects.failed_in_a_row(failed)
    for pk, run in failed.items():
        if run.verdict == Diagnosis.UNKNOWN and in_a_row[pk] < IN_A_ROW:
            continue
        yield Finding(
            subject=str(pk),
            currency=scope.entity.base_currency,
            diagnosis=Diagnosis(run.verdict),
            facts=_facts(sources[pk]) | {"in_a_row": in_a_row[pk], **told(run)},
        )


def told(run: SyncRun) -> dict[str, Any]:
    """A failed run as facts: its number, when it ended, what failed, and the evidence for and against its verdict."""
    failure = rules.Failure.of_json(run.evidence)
    return {
        "run": run.pk,
        "ended": instant(run.ended_at),
        "words": failure.words,
        "reasons": [[reason.words, reason.supports] for reason in rules.reasons(failure)],
    }


def _facts(source: Source) -> dict[str, Any]:
    return {
        "source": source.pk,
        "feed": source.feed,
        "title": title_of(source),
        "connection": source.connection.name,
        "connection_id": source.connection_id,
    }


def _ended(run: SyncRun) -> str:
    how = "failed" if run.verdict else f"worked and brought {run.seen:,} records"
    return f"Run {run.pk} {how}, {instant(run.ended_at)}"


def stale_headline(case: Case) -> str:
    facts = case.facts
    since = f"nothing is proven since {facts['proven']}" if facts["proven"] else "it has proven nothing yet"
    return f"{facts['title']} of {facts['connection']} went quiet: {since}"


def failing_headline(case: Case) -> str:
    facts = case.facts
    ended = "the last run" if facts["in_a_row"] == 1 else f"the last {facts['in_a_row']} runs"
    return f"{facts['title']} of {facts['connection']} fail: {ended} ended in an error"


def source_of(case: Case) -> list[Source]:
    return list(Source.objects.filter(pk=int(case.facts["source"])).select_related("connection__entity"))


def connection_of(case: Case) -> Connection:
    return Connection.objects.select_related("entity").get(pk=case.facts["connection_id"])


ACTIONS = (fetch_again(source_of), check(connection_of))

FEED_STALE = register(
    ExceptionType(
        code=endings.FEED_STALE,
        title="A feed went quiet",
        team=Team.OPS,
        diagnosis=Diagnosis.UNKNOWN,
        holds_back=True,
        floor=Decimal(100),
        respond_within=timedelta(hours=4),
        detect=stale_feeds,
        headline=stale_headline,
        panel="cases/feed_stale.html",
        actions=ACTIONS,
        runbook=Runbook(
            impact="What this feed tells is old, so nothing is cleared because of it: silence is not recovery.",
            steps=(
                "Fetch again, and look at the run: does it end, and does it say that the source has told us everything?",
                "If it ends in an error, read the error: it says whether waiting helps.",
                "If it works and brings nothing, look at the source's own screens: is there anything new?",
                "If no run begins at all, ask an admin: the part of this program that starts runs may be down.",
            ),
            prevention="Give a feed a schedule well below the time after which it counts as quiet.",
            escalate="Ask an admin when runs work, the source's screens show data, and none of it arrives.",
        ),
    )
)

FEED_FAILING = register(
    ExceptionType(
        code=endings.FEED_FAILING,
        title="A feed fails",
        team=Team.OPS,
        diagnosis=Diagnosis.UNKNOWN,
        holds_back=True,
        floor=Decimal(100),
        respond_within=timedelta(hours=8),
        detect=failing_feeds,
        headline=failing_headline,
        panel="cases/feed_failing.html",
        actions=ACTIONS,
        runbook=Runbook(
            impact="Nothing new comes from this feed. What came before is kept, and the feed goes on from there.",
            steps=(
                "Read the evidence. Structural: somebody mends the cause first. Not known: fetch again and compare.",
                "If the answer names a field or a permission, mend that at the source or in the account's roles.",
                "If it is a fault of ours, find the run's job in the log and hand it to whoever keeps this program.",
                "Fetch again. The case clears when a run ends well.",
            ),
            prevention="Watch the first run after each change of the account's roles.",
            escalate="Give the request id to the source's support when its answer makes no sense.",
        ),
    )
)
