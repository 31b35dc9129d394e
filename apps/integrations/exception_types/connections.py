"""A connection that the system refuses, or whose calls are throttled or not answered until the tries are used up."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.integrations import endings
from apps.integrations.exception_types.acting import check, fetch_again, replace_credentials
from apps.integrations.exception_types.feeds import told
from apps.integrations.feeds import title_of
from apps.integrations.models import CallFault, Connection, Source, SyncRun, Verdict
from apps.integrations.rules import THROTTLED
from apps.integrations.words import instant


def _connections(scope: Scope) -> list[Connection]:
    found = Connection.objects.filter(entity=scope.entity)
    if scope.subjects is not None:
        found = found.filter(pk__in=[int(subject) for subject in scope.subjects])
    return list(found.order_by("pk").prefetch_related("sources"))


def unauthorised(scope: Scope) -> Iterator[Finding]:
    revoked = [connection for connection in _connections(scope) if connection.revoked_at]
    refused = CallFault.objects.filter(connection__in=revoked, verdict=Verdict.STRUCTURAL)
    last = {fault.connection_id: fault for fault in refused.order_by("connection_id", "-id").distinct("connection_id")}
    for connection in revoked:
        fault = last.get(connection.pk)
        yield Finding(
            subject=str(connection.pk),
            currency=scope.entity.base_currency,
            lines=len(connection.sources.all()),
            facts={
                "connection": connection.name,
                "connection_id": connection.pk,
                "since": instant(connection.revoked_at),
                "feeds": _titles(connection.sources.all()),
                "words": fault.words if fault else "",
                "status": fault.status if fault else None,
                "code": fault.code if fault else "",
                "request_id": fault.request_id if fault else "",
                "at": instant(fault.at) if fault else "",
            },
        )


def exhausted(throttled: bool) -> Callable[[Scope], Iterator[Finding]]:
    """Connections with feeds whose last run used up its tries, because of 429, or because of all other failing."""

    def detect(scope: Scope) -> Iterator[Finding]:
        connections = [connection for connection in _connections(scope) if not connection.revoked_at]
        sources = [source for connection in connections for source in connection.sources.all() if not source.paused]
        ended = SyncRun.objects.newest_ended(sources)
        for connection in connections:
            failed = [
                (source, ended[source.pk])
                for source in connection.sources.all()
                if source.pk in ended and _used_up(ended[source.pk], throttled)
            ]
            if failed:
                newest = max((run for _, run in failed), key=lambda run: run.ended_at)
                yield Finding(
                    subject=str(connection.pk),
                    currency=scope.entity.base_currency,
                    lines=len(failed),
                    facts={
                        "connection": connection.name,
                        "connection_id": connection.pk,
                        "feeds": _titles(source for source, _ in failed),
                        "sources": [source.pk for source, _ in failed],
                        **told(newest),
                    },
                )

    return detect


def _used_up(run: SyncRun, throttled: bool) -> bool:
    return run.verdict == Verdict.TRANSIENT and (run.evidence["status"] == THROTTLED) == throttled


def _titles(sources) -> list[str]:
    return sorted(map(title_of, sources))


def connection_of(case: Case) -> Connection:
    return Connection.objects.select_related("entity").get(pk=int(case.subject))


def failed_sources(case: Case) -> list[Source]:
    return list(Source.objects.filter(pk__in=case.facts["sources"]).select_related("connection__entity").order_by("pk"))


def unauthorised_headline(case: Case) -> str:
    feeds = len(case.facts["feeds"])
    stand = f"{feeds} feed{'s' * (feeds != 1)} stand{'s' * (feeds == 1)} still"
    return f"{case.facts['connection']} is not let in any more: {stand}"


def _feeds(case: Case) -> str:
    feeds = len(case.facts["feeds"])
    return f"{feeds} feed{'s' * (feeds != 1)} of {case.facts['connection']}"


CHECK = check(connection_of)
FETCH_AGAIN = fetch_again(failed_sources)

UNAUTHORISED = register(
    ExceptionType(
        code=endings.UNAUTHORISED,
        title="A connection is not authorised",
        counts="feed",
        team=Team.OPS,
        diagnosis=Diagnosis.STRUCTURAL,
        holds_back=True,
        floor=Decimal(200),
        respond_within=timedelta(hours=4),
        detect=unauthorised,
        headline=unauthorised_headline,
        panel="cases/unauthorised.html",
        actions=(CHECK, replace_credentials(connection_of)),
        runbook=Runbook(
            impact="None of its feeds is pulled until it is let in again. What came before is kept.",
            steps=(
                "Read what the system answered: consent withdrawn, a secret run out, or a role that the app lacks.",
                "In Seller Central, under Apps and Services, see that the app is still authorised, with the role that is named.",
                "Where consent, secret or role changed, replace the credentials here: an admin can.",
                "Check the connection. If it answers, its feeds go on where they stopped.",
            ),
            prevention="Put the day on which the client secret runs out into your calendar; Amazon writes to the app's owner.",
            escalate="Ask the owner of the seller account to authorise the app again.",
        ),
    )
)

THROTTLED_TYPE = register(
    ExceptionType(
        code=endings.THROTTLED,
        title="Calls are throttled",
        counts="feed",
        team=Team.OPS,
        diagnosis=Diagnosis.TRANSIENT,
        holds_back=True,
        floor=Decimal(50),
        respond_within=timedelta(days=1),
        detect=exhausted(throttled=True),
        headline=lambda case: f"{_feeds(case)}: every try was told that we ask too often",
        panel="cases/exhausted.html",
        actions=(FETCH_AGAIN, CHECK),
        runbook=Runbook(
            impact="These feeds are late. The next scheduled run tries again.",
            steps=(
                "See whether another program uses the same account: Amazon counts its calls together with ours.",
                "Pull these feeds less often, on the connection's page.",
                "Fetch again once the others are quiet. The case clears when a run ends well.",
            ),
            prevention="Give each feed a schedule that its usage plan allows.",
            escalate="Ask Amazon for a higher usage plan with the request id.",
        ),
    )
)

UNAVAILABLE = register(
    ExceptionType(
        code=endings.UNAVAILABLE,
        title="The system does not answer",
        counts="feed",
        team=Team.OPS,
        diagnosis=Diagnosis.TRANSIENT,
        holds_back=True,
        floor=Decimal(50),
        respond_within=timedelta(hours=8),
        detect=exhausted(throttled=False),
        headline=lambda case: f"{_feeds(case)}: every try failed or was not answered",
        panel="cases/exhausted.html",
        actions=(FETCH_AGAIN, CHECK),
        runbook=Runbook(
            impact="These feeds are late. The next scheduled run tries again.",
            steps=(
                "See whether others fail too: the evidence counts them.",
                "Look at Amazon's own page on the state of its seller systems.",
                "Check the connection. If it answers, fetch again. The case clears when a run ends well.",
            ),
            prevention="None: it is on the other side.",
            escalate="Give the request id to Amazon's support when its status page shows nothing for an hour.",
        ),
    )
)
