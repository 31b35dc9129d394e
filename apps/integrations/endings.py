"""How a run ends: well, put off until it may go on, or failed with the evidence that says why; and the cases that hang on it."""

import logging
import random
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Refused
from apps.exceptions.sweep import DetectorFailed, sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs, rules
from apps.integrations.contract import ConfigError, ConnectorError, NotYet, TransientError
from apps.integrations.models import CallFault, Connection, Source, SyncRun, Verdict

log = logging.getLogger(__name__)

FEED_STALE, FEED_FAILING = "feed.stale", "feed.failing"
UNAUTHORISED, THROTTLED, UNAVAILABLE = "connection.unauthorised", "api.throttled", "api.unavailable"
UNREADABLE = "record.unreadable"
OF_SOURCE, OF_CONNECTION = (FEED_STALE, FEED_FAILING), (UNAUTHORISED, THROTTLED, UNAVAILABLE)


def sweep_of(connection: Connection, *sources: Source) -> None:
    """Look at the cases of this connection, and of these of its sources, now. A check that fails is reported, no more."""
    entity = connection.entity
    of_connection = Scope(entity=entity, subjects=frozenset({str(connection.pk)}))
    of_sources = Scope(entity=entity, subjects=frozenset(str(source.pk) for source in sources))
    scopes = dict.fromkeys(OF_CONNECTION, of_connection)
    if sources:
        scopes |= {**dict.fromkeys(OF_SOURCE, of_sources), UNREADABLE: Scope(entity=entity)}
    for code, scope in scopes.items():
        try:
            sweep(code, scope)
        except DetectorFailed:
            log.exception("The detector of %s failed after a run of connection %s", code, connection.pk)


def put_off(run: SyncRun, pause: NotYet, *, got_on: bool) -> None:
    """Put the run off without a failure: it goes on where it stands. Always raises. An attempt that got no further counts
    as a try, so that no run waits for ever.
    """
    futile = 0 if got_on else run.evidence.get("attempts", 0) + 1
    if futile >= rules.MOST_TRIES:
        failure = failure_of(run, kind="transient", words=pause.words, attempts=futile)
        end(run, failure)
        raise Refused(f"{failure.words} Tried {failure.attempts} times, and none got any further.") from pause
    with transaction.atomic():
        run.verdict, run.evidence = "", run.evidence | {"attempts": futile} if futile else {}
        run.save(update_fields=["verdict", "evidence"])
        jobs.hold(run.job)
    raise jobs.Later(pause.words, pause.after, planned=True) from pause


def failed_call(run: SyncRun, error: ConnectorError, *, got_on: bool) -> None:
    """Keep the evidence, and end the run or put it off. Always raises. An attempt that got on with the feed, so that the
    next one begins further on, is no futile one: the tries count anew.
    """
    evidence, futile = error.evidence, 0 if got_on else run.evidence.get("attempts", 0)
    failure = failure_of(
        run,
        kind=_kind(error),
        words=evidence.words,
        operation=evidence.operation,
        status=evidence.status,
        code=evidence.code,
        request_id=evidence.request_id,
        attempts=futile + 1,
    )
    keep_fault(run.source.connection, error, run)
    if failure.kind == "transient" and not failure.exhausted:
        with transaction.atomic():
            run.verdict, run.evidence = rules.verdict(failure), failure.as_json()
            run.save(update_fields=["verdict", "evidence"])
            jobs.hold(run.job)
        raise jobs.Later(failure.words, rules.wait(failure.attempts, error.retry_after, random.random()))
    end(run, failure)
    raise Refused(f"{failure.words} Tried {failure.attempts} times." if failure.exhausted else failure.words) from error


def _kind(error: ConnectorError) -> str:
    match error:
        case TransientError():
            return "transient"
        case ConfigError():
            return "config"
    return "permanent"


def keep_fault(connection: Connection, error: ConnectorError, run: SyncRun | None = None) -> None:
    """A failed call, as evidence for the verdicts of others; a connection that the source refuses is revoked."""
    evidence = error.evidence
    transient = isinstance(error, TransientError)
    CallFault.objects.create(
        connection=connection,
        run=run,
        operation=evidence.operation[:80],
        status=evidence.status,
        code=evidence.code[:80],
        request_id=evidence.request_id[:80],
        words=evidence.words,
        verdict=Verdict.TRANSIENT if transient else Verdict.STRUCTURAL,
    )
    if isinstance(error, ConfigError):
        Connection.objects.filter(pk=connection.pk, revoked_at=None).update(revoked_at=Now())


def failure_of(run: SyncRun, *, kind: str, operation: str = "", **said: Any) -> rules.Failure:
    """The failure with what else was seen in that minute."""
    now = timezone.now()
    near = CallFault.objects.filter(at__gte=now - rules.NEAR)
    judged = Verdict.TRANSIENT if kind == "transient" else Verdict.STRUCTURAL
    elsewhere = near.filter(operation=operation, verdict=judged).exclude(connection=run.source.connection)
    return rules.Failure(
        at=now,
        kind=kind,
        operation=operation,
        beside=near.filter(connection=run.source.connection).exclude(run=run).count(),
        elsewhere=elsewhere.count(),
        worked_at=_worked_at(run),
        **said,
    )


def _worked_at(run: SyncRun) -> datetime | None:
    """When another run of this source last ended well."""
    others = SyncRun.objects.filter(source=run.source, verdict="").exclude(pk=run.pk)
    return others.aggregate(at=Max("ended_at"))["at"]


def end(run: SyncRun, failure: rules.Failure | None) -> None:
    """Write how the run ended while this runner has the job, then look at the cases that hang on it."""
    with transaction.atomic():
        run.ended_at = timezone.now()
        run.verdict = rules.verdict(failure) if failure else ""
        run.evidence = failure.as_json() if failure else run.evidence
        run.save(update_fields=["ended_at", "verdict", "evidence"])
        if not failure:
            _reconsider(run)
        jobs.hold(run.job)
    source = run.source
    source.refresh_from_db()
    sweep_of(source.connection, source)


def _reconsider(run: SyncRun) -> None:
    """What failed less than a minute before this run worked was no proof of a structural fault."""
    refused = SyncRun.objects.filter(
        source=run.source,
        verdict=Verdict.STRUCTURAL,
        evidence__kind__in=["permanent", "config"],
        ended_at__gte=run.ended_at - rules.NEAR,
    )
    for earlier in refused:
        evidence = earlier.evidence | {"worked_at": run.ended_at.isoformat()}
        earlier.verdict, earlier.evidence = rules.verdict(rules.Failure.of_json(evidence)), evidence
        earlier.save(update_fields=["verdict", "evidence"])
