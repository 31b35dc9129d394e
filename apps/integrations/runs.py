"""Pulling a source: page by page, each stored with its cursor in one transaction, the network always outside of them.

A run is a job with leases, so a killed worker's successor goes on at the last page that was stored.
"""

import json
from contextlib import closing
from itertools import count
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import RUN_JOBS, check_may
from apps.integrations import files, jobs, sleepers
from apps.integrations.connectors import connector_of
from apps.integrations.contract import ConnectorError, Document, NotYet, Page, Record
from apps.integrations.endings import end, failed_call, failure_of, put_off
from apps.integrations.feeds import FEEDS, Feed, Stored
from apps.integrations.leases import LeaseLost, Progress
from apps.integrations.models import (
    Connection,
    Job,
    JobState,
    Source,
    StoredFile,
    SyncRun,
    UnreadableRecord,
    Verdict,
)
from apps.integrations.unreadable import keep_unreadable

KIND = "integrations.sync"
CHUNK = 1 << 20
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
    keep_unreadable(source, page, stored, {record.key})


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
        put_off(run, pause, got_on=source.cursor != begun_at)
    except ConnectorError as error:
        failed_call(run, error, got_on=source.cursor != begun_at)
    except LeaseLost:
        raise
    except Refused as refused:
        kind = "config" if refused.code == "unauthorised" else "refused"  # the connection's own case says it
        end(run, failure_of(run, kind=kind, words=refused.words))
        raise
    except Exception:
        end(run, failure_of(run, kind="internal", words="A fault of ours."))
        raise
    end(run, None)
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
        keep_unreadable(source, page, stored, unread)
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


jobs.register_kind(jobs.JobKind(name=KIND, queue="sync", run=_run, title="Pull a feed"))
