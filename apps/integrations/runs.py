"""Pulling a source: page by page, each stored with its cursor in one transaction, the network always outside of them.

A run is a job with leases, so a killed worker's successor goes on at the last page that was stored.
"""

import json
import logging
import random
from contextlib import closing
from datetime import datetime
from itertools import count
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import RUN_JOBS, check_may
from apps.exceptions.sweep import DetectorFailed, sweep
from apps.exceptions.types import Scope
from apps.integrations import files, jobs, rules, sleepers
from apps.integrations.connectors import connector_of
from apps.integrations.contract import ConfigError, ConnectorError, Document, NotYet, Page, Record, TransientError
from apps.integrations.feeds import FEEDS, Feed, Stored, Unreadable
from apps.integrations.leases import LeaseLost, Progress
from apps.integrations.models import (
    CallFault,
    Connection,
    Job,
    JobState,
    Source,
    StoredFile,
    SyncRun,
    UnreadableRecord,
    Verdict,
)

log = logging.getLogger(__name__)

KIND = "integrations.sync"
CHUNK = 1 << 20
KEY_LENGTH = UnreadableRecord._meta.get_field("key").max_length

FEED_STALE, FEED_FAILING = "feed.stale", "feed.failing"
UNAUTHORISED, THROTTLED, UNAVAILABLE = "connection.unauthorised", "api.throttled", "api.unavailable"
UNREADABLE = "record.unreadable"
# By hand, as jobs.HOLD: to build it anew for each page takes the ORM several times longer than the server needs for it.
MOVE_ON = """
    WITH moved AS (
        UPDATE integrations_source
        SET cursor = %(cursor)s::jsonb, proven_at = greatest(proven_at, %(asked_at)s::timestamptz),
            newest_at = CASE WHEN %(anything)s THEN statement_timestamp() ELSE newest_at END
        WHERE id = %(source)s
    )
    UPDATE integrations_syncrun
    SET pages = pages + 1, added = added + %(added)s, changed = changed + %(changed)s, unchanged = unchanged + %(unchanged)s,
        unreadable = unreadable + %(unreadable)s, proven = proven OR %(asked_at)s::timestamptz IS NOT NULL
    WHERE id = %(run)s
"""

OF_SOURCE, OF_CONNECTION = (FEED_STALE, FEED_FAILING), (UNAUTHORISED, THROTTLED, UNAVAILABLE)


def pull(source: Source, actor: User | None = None) -> SyncRun:
    """Have the source pulled by a worker. Where a run is live already, that one is the answer.

    Raises NotAllowed, and Refused while the connection is revoked.
    """
    with transaction.atomic():
        run, is_new = _begin(source, actor)
        if is_new:
            jobs.send_on_commit(run.job)
    return run


def run_here(source: Source) -> SyncRun:
    """Pull the source in this process; the run as it ended, or put off until its next try."""
    with transaction.atomic():
        run, _ = _begin(source, None)
    jobs.run_here(run.job)
    run.refresh_from_db()
    return run


def pull_due(source_id: int) -> None:
    """What the schedule asks for. A source that is paused, revoked or gone meanwhile is left alone."""
    due = Source.objects.filter(pk=source_id, paused=False, connection__revoked_at=None)
    if source := due.select_related("connection__entity").first():
        pull(source)


def process_again(record: UnreadableRecord) -> None:
    """Read the stored raw record once more, in the caller's transaction. Raises Refused where it still cannot be read."""
    source = record.source
    page = Page(records=[Record.of(record.key, record.raw)], cursor=source.cursor)
    stored = _feed(source).store(source, page, [])
    if stored.unreadable:
        raise Refused(f"It still cannot be read: {stored.unreadable[0].words}", code="unreadable")
    _keep_unreadable(source, page, stored, {record.key})


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


def _begin(source: Source, actor: User | None) -> tuple[SyncRun, bool]:
    """The live run of the source, or a new one. The lock makes the second who asks find the first one's."""
    locked = Source.objects.select_for_update(no_key=True, of=("self",)).select_related("connection__entity")
    source = locked.get(pk=source.pk)
    entity = source.connection.entity
    if actor is not None:
        check_may(actor, RUN_JOBS, entity)
    live = SyncRun.objects.filter(source=source, ended_at=None).select_related("job").first()
    if live and live.job.state not in (JobState.STOPPED, JobState.FAILED, JobState.DONE):
        return live, False
    _check_authorised(source.connection)
    if live:  # its job was ended by somebody else than itself
        live.verdict, live.evidence, live.ended_at = Verdict.UNKNOWN, SyncRun.STOPPED, timezone.now()
        live.save(update_fields=["verdict", "evidence", "ended_at"])
    job = jobs.create(kind=KIND, entity=entity, args={"source": source.pk}, actor=actor)
    run = SyncRun.objects.create(source=source, job=job)
    if actor is not None:
        AuditEntry.objects.record(
            actor=actor,
            entity=entity,
            verb="source.pulled",
            subject=f"connection:{source.connection_id}",
            after={"feed": source.feed, "run": run.pk},
        )
    return run, True


def _check_authorised(connection: Connection) -> None:
    if connection.revoked_at:
        raise Refused(
            f"{connection} is not authorised since {connection.revoked_at:%-d %b %H:%M} UTC, so nothing is pulled from it. "
            "Mend that, then check the connection.",
            code="unauthorised",
        )


def _run(job: Job, progress: Progress) -> dict[str, Any]:
    run = SyncRun.objects.select_related("source__connection__entity").get(job=job)
    run.job = job
    source, begun_at = run.source, run.source.cursor
    _open_again(run)
    try:
        _check_authorised(source.connection)
        feed = _feed(source)
        _pull_pages(run, feed, progress)
        feed.after(source)
    except NotYet as pause:
        _pace(run, pause, got_on=source.cursor != begun_at)
    except ConnectorError as error:
        _failed_call(run, error, got_on=source.cursor != begun_at)
    except LeaseLost:
        raise
    except Refused as refused:
        kind = "config" if refused.code == "unauthorised" else "refused"  # the connection's own case says it
        _end(run, _failure(run, kind=kind, words=refused.words))
        raise
    except Exception:
        _end(run, _failure(run, kind="internal", words="A fault of ours."))
        raise
    _end(run, None)
    sleepers.after_run(run)
    run.refresh_from_db()
    return {name: getattr(run, name) for name in ("pages", "added", "changed", "unchanged", "unreadable")}


def _open_again(run: SyncRun) -> None:
    """A run that ended and was asked for once more begins afresh, unless a newer one is under way."""
    if run.ended_at is None:
        return
    try:
        run.ended_at, run.verdict, run.evidence = None, "", {}
        run.save(update_fields=["ended_at", "verdict", "evidence"])
    except IntegrityError as error:
        raise Refused("A newer run of this feed is under way. This one stays ended.") from error


def _feed(source: Source) -> Feed:
    if source.feed not in FEEDS:
        raise Refused(f"No program here knows the feed {source.feed}. Start workers of this version.")
    return FEEDS[source.feed]


def _pull_pages(run: SyncRun, feed: Feed, progress: Progress) -> None:
    source = run.source
    seen = run.seen
    unread = set(UnreadableRecord.objects.filter(source=source, read_at=None).values_list("key", flat=True))
    progress.say(f"Asking {source.connection}", seen)
    with closing(connector_of(source.connection).pull(feed.name, source.cursor)) as pages:
        for number, page in zip(count(run.pages + 1), pages, strict=False):
            seen += _store(run, feed, page, unread).seen
            progress.say(f"Page {number:,}, {seen:,} records", seen)


def _store(run: SyncRun, feed: Feed, page: Page, unread: set[str]) -> Stored:
    """The page, its documents first. When it returns, the feed goes on after the page for good.

    `unread`: the keys of what could not be read so far, kept up to date.
    """
    source = run.source
    kept = [_keep(source.connection, document) for document in page.documents]
    with transaction.atomic():
        stored = feed.store(source, page, kept)
        _keep_unreadable(source, page, stored, unread)
        _move_on(run, page, stored)
        jobs.hold(run.job)
    return stored


def _keep(connection: Connection, document: Document) -> StoredFile:
    with document.path.open("rb") as raw:
        chunks = iter(lambda: raw.read(CHUNK), b"")
        return files.store(connection=connection, name=document.name, chunks=chunks, actor=None)


def _move_on(run: SyncRun, page: Page, stored: Stored) -> None:
    run.source.cursor = dict(page.cursor)
    told = {
        "source": run.source.pk,
        "run": run.pk,
        "cursor": json.dumps(run.source.cursor),
        "asked_at": page.asked_at,
        "anything": bool(page.records or page.documents),
        "added": stored.added,
        "changed": stored.changed,
        "unchanged": stored.unchanged,
        "unreadable": len(stored.unreadable),
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVE_ON, told)


def _keep_unreadable(source: Source, page: Page, stored: Stored, unread: set[str]) -> None:
    """Keep what cannot be read; what was unreadable and now came readable is over, and its raw form is let go."""
    unreadable = {_key(record): record for record in stored.unreadable}
    came = {_key(each) for each in (*page.records, *page.documents)} - unreadable.keys()
    if over := came & unread:
        UnreadableRecord.objects.filter(source=source, key__in=over, read_at=None).update(read_at=Now(), raw={})
    UnreadableRecord.objects.bulk_create(
        [_row(source, key, record) for key, record in unreadable.items()],
        update_conflicts=True,
        unique_fields=["source", "key"],
        update_fields=["raw", "words", "last_seen_at", "read_at"],
    )
    unread -= over
    unread |= unreadable.keys()


def _key(record: Record | Document | Unreadable) -> str:
    return _storable(record.key)[:KEY_LENGTH]


def _row(source: Source, key: str, record: Unreadable) -> UnreadableRecord:
    return UnreadableRecord(source=source, key=key, raw=_storable(record.raw), words=_storable(record.words))


def _storable(raw: Any) -> Any:
    """JSON as PostgreSQL holds it: what it refuses in a text is shown as a replacement character."""
    match raw:
        case str():
            return raw.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        case dict():
            return {_storable(str(key)): _storable(value) for key, value in raw.items()}
        case list() | tuple():
            return [_storable(value) for value in raw]
        case bool() | int() | None:
            return raw
        case float() if raw - raw == 0:
            return raw
    return _storable(str(raw))


def _pace(run: SyncRun, pause: NotYet, *, got_on: bool) -> None:
    """Put the run off without a failure: it goes on where it stands. Always raises. An attempt that got no further counts
    as a try, so that no run waits for ever.
    """
    futile = 0 if got_on else run.evidence.get("attempts", 0) + 1
    if futile >= rules.MOST_TRIES:
        failure = _failure(run, kind="transient", words=pause.words, attempts=futile)
        _end(run, failure)
        raise Refused(f"{failure.words} Tried {failure.attempts} times, and none got any further.") from pause
    with transaction.atomic():
        run.verdict, run.evidence = "", run.evidence | {"attempts": futile} if futile else {}
        run.save(update_fields=["verdict", "evidence"])
        jobs.hold(run.job)
    raise jobs.Later(pause.words, pause.after, planned=True) from pause


def _failed_call(run: SyncRun, error: ConnectorError, *, got_on: bool) -> None:
    """Keep the evidence, and end the run or put it off. Always raises. An attempt that got on with the feed, so that the
    next one begins further on, is no futile one: the tries count anew.
    """
    evidence, futile = error.evidence, 0 if got_on else run.evidence.get("attempts", 0)
    failure = _failure(
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
    _end(run, failure)
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


def _failure(run: SyncRun, *, kind: str, operation: str = "", **said: Any) -> rules.Failure:
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


def _end(run: SyncRun, failure: rules.Failure | None) -> None:
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


jobs.register_kind(jobs.JobKind(name=KIND, queue="sync", run=_run, title="Pull a feed"))
