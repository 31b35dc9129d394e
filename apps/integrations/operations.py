"""What people do to background work, and to connections with their feeds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_CONNECTIONS, RUN_JOBS, check_may
from apps.integrations import credentials as sealed
from apps.integrations import jobs, runs, schedules
from apps.integrations.checks import KIND as CHECK
from apps.integrations.connectors import connector_of
from apps.integrations.feeds import FEEDS, Feed
from apps.integrations.models import Attempt, Connection, Job, JobState, Source, SyncRun
from apps.integrations.regions import SANDBOX, Region, regions
from apps.integrations.selling import check_choice, check_free

CAN_RUN_AGAIN = (JobState.STUCK, JobState.FAILED, JobState.STOPPED)
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)
CAN_STOP = (JobState.WAITING, JobState.RUNNING, JobState.STUCK)


@transaction.atomic
def run_again(*, job: Job, actor: User, reason: str = "") -> Job:
    """Put an ended job back to waiting, with three new leases to lose."""
    job = _locked(job, actor)
    if job.state not in CAN_RUN_AGAIN:
        now = job.get_state_display().lower()
        raise Refused(f"Job {job.pk} is {now}. Only failed, stuck or stopped work runs again.")
    before = _seen(job)
    job.state = JobState.WAITING
    job.leases_lost = 0
    job.error = ""
    job.ended_at = None
    job.not_before = Now()
    job.save(update_fields=["state", "leases_lost", "error", "ended_at", "not_before"])
    jobs.send_on_commit(job)
    return _written(job, actor, "job.run-again", before, reason)


@transaction.atomic
def stop(*, job: Job, actor: User, reason: str = "") -> Job:
    """End a job for good. Its runner notices within seconds and commits nothing more."""
    job = _locked(job, actor)
    if job.state not in CAN_STOP:
        raise Refused(f"Job {job.pk} is {job.get_state_display().lower()} already. There is nothing to stop.")
    before = _seen(job)
    words = f"{actor.name} stopped it."
    job.attempts.filter(outcome=Attempt.Outcome.RUNNING).update(
        outcome=Attempt.Outcome.FAILED, error=words, ended_at=Now()
    )
    job.state = JobState.STOPPED
    job.runner = ""
    job.lease_until = None
    job.error = words
    job.ended_at = Now()
    job.save(update_fields=["state", "runner", "lease_until", "error", "ended_at"])
    return _written(job, actor, "job.stopped", before, reason)


@transaction.atomic
def try_now(*, job: Job, actor: User, reason: str = "") -> Job:
    """Start a job that waits for the time of its next try without waiting for it."""
    job = _locked(job, actor)
    if not jobs.put_off(job):
        raise Refused(f"Job {job.pk} is {job.get_state_display().lower()} and waits for no next try.")
    before = _seen(job)
    job.not_before = Now()
    job.save(update_fields=["not_before"])
    jobs.send_on_commit(job)
    return _written(job, actor, "job.hastened", before, reason)


@transaction.atomic
def fetch_now(*, source: Source, actor: User) -> SyncRun:
    """Pull the source now; a run that waits for the time of its next try starts at once."""
    run = runs.pull(source, actor)
    if jobs.put_off(run.job):
        try_now(job=run.job, actor=actor)
    return run


@transaction.atomic
def connect(
    *,
    entity: Entity,
    name: str,
    kind: Connection.Kind,
    region: str,
    credentials: Mapping[str, str],
    actor: User | None,
    account: str = "",
    marketplaces: Sequence[str] = (),
) -> Connection:
    """A new connection with its sealed credentials, a source for each feed of its kind, and their schedules.

    `region` is EU, NA, FE or, in the demo, "sandbox"; the sandbox sells in all of its marketplaces. `actor` None is the
    program itself. Nothing is asked over the network here: workers begin the first pulls. Refused where another connection
    brings one of the marketplaces already.
    """
    if actor:
        check_may(actor, KEEP_CONNECTIONS, entity)
    place = _region(region)
    chosen = list(marketplaces or (place.marketplaces if region == SANDBOX else ()))
    if not name.strip():
        raise Refused("Give it a name.", field="name")
    if Connection.objects.filter(entity=entity, name=name.strip()).exists():
        raise Refused(f"{entity.name} has a connection called {name.strip()} already.", field="name")
    if not chosen or set(chosen) - set(place.marketplaces):
        raise Refused(f"Choose the marketplaces that the account sells in, of {place.title}.", field="marketplaces")
    connection = Connection(
        entity=entity,
        name=name.strip(),
        kind=kind,
        account=account.strip(),
        endpoint=place.endpoint,
        token_url=place.token_url,
        marketplaces=chosen,
    )
    check_free(connection, chosen, actor)
    connection.save()
    AuditEntry.objects.record(
        actor=actor,
        entity=entity,
        verb="connection.made",
        subject=f"connection:{connection.pk}",
        after={"name": connection.name, "region": region, "account": connection.account, "marketplaces": chosen},
    )
    sealed.seal(connection, credentials, actor)
    for feed in FEEDS.values():
        if feed.kind == kind:
            _begin_feed(connection, feed)
    return connection


def add_feeds() -> int:
    """Give each connection the feeds of its kind that a newer version of this program has brought; how many. Where people
    have paused all there were, a new one begins paused.
    """
    added = 0
    for feed in FEEDS.values():
        for connection in Connection.objects.filter(kind=feed.kind).exclude(sources__feed=feed.name):
            with transaction.atomic():
                locked = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
                if not locked.sources.filter(feed=feed.name).exists():
                    paused = locked.sources.exists() and not locked.sources.filter(paused=False).exists()
                    source = _begin_feed(locked, feed, paused=paused)
                    _note(locked, None, "source.added", source, after={"every": str(feed.every), "paused": paused})
                    added += 1
    return added


def _begin_feed(connection: Connection, feed: Feed, *, paused: bool = False) -> Source:
    """The first pull does not wait for the schedule, unless nothing may be pulled."""
    source = Source.objects.create(connection=connection, feed=feed.name, every=feed.every, paused=paused)
    schedules.keep(source)
    if not (paused or connection.revoked_at):
        runs.pull(source)
    return source


@transaction.atomic
def check_connection(*, connection: Connection, actor: User) -> Job:
    """Have a worker ask the system who we are. What it answers is the job's result."""
    check_may(actor, RUN_JOBS, connection.entity)
    _check_has_feeds(connection)
    job = jobs.enqueue(kind=CHECK, entity=connection.entity, args={"connection": connection.pk}, actor=actor)
    _note(connection, actor, "connection.checked", after={"job": job.pk})
    return job


@transaction.atomic
def replace_credentials(
    *, connection: Connection, credentials: Mapping[str, str], actor: User, reason: str = ""
) -> Job:
    """Sign in with other credentials from now on, and have them checked at once."""
    check_may(actor, KEEP_CONNECTIONS, connection.entity)
    _check_has_feeds(connection)
    sealed.seal(connection, credentials, actor)
    job = jobs.enqueue(kind=CHECK, entity=connection.entity, args={"connection": connection.pk}, actor=actor)
    _note(connection, actor, "connection.credentials-replaced", after={"job": job.pk}, reason=reason)
    return job


@transaction.atomic
def change_marketplaces(
    *, connection: Connection, marketplaces: Sequence[str], actor: User, reason: str = ""
) -> Connection:
    """Bring these marketplaces from now on. What came of one that it leaves stays; no feed is asked for it any more.

    A feed that goes by marketplaces is pulled next, from its beginning where one was added. Its run that is under way ends,
    for what that one asked for does not hold any more.
    """
    check_may(actor, KEEP_CONNECTIONS, connection.entity)
    _check_has_feeds(connection)
    locked = Connection.objects.select_for_update(no_key=True, of=("self",)).select_related("entity")
    connection = locked.get(pk=connection.pk)
    check_choice(connection, marketplaces, actor)
    before, chosen = connection.marketplaces, list(dict.fromkeys(marketplaces))
    connection.marketplaces = chosen
    connection.save(update_fields=["marketplaces"])
    _note(
        connection,
        actor,
        "connection.marketplaces-changed",
        before={"marketplaces": before},
        after={"marketplaces": chosen},
        reason=reason,
    )
    for source in list(connection.sources.select_for_update(no_key=True).order_by("pk")):  # all, before any job
        cursor = connector_of(connection).moved(source.feed, source.cursor, added=bool(set(chosen) - set(before)))
        if cursor is not None:
            source.connection = connection
            _begin_anew(source, cursor, actor)
    return connection


def _begin_anew(source: Source, cursor: dict, actor: User) -> None:
    """A run that has the feed would go on where it was, and put its own cursor over this one."""
    live = Job.objects.filter(run__source=source, run__ended_at=None, state__in=CAN_STOP).first()
    if live:
        stop(job=live, actor=actor, reason=f"The marketplaces of {source.connection} changed.")
    source.cursor, source.watched_from = cursor, Now()
    source.save(update_fields=["cursor", "watched_from"])
    if source.feed in FEEDS:
        FEEDS[source.feed].moved(source)
    if not (source.paused or source.connection.revoked_at):
        runs.pull(source)


@transaction.atomic
def change_schedule(*, source: Source, every: timedelta, actor: User, reason: str = "") -> Source:
    """How often the source is pulled from now on."""
    source = _locked_source(source, actor)
    if not SHORTEST <= every <= LONGEST:
        raise Refused("Expected 1 minute to 7 days.", field="every")
    if every == source.every:
        raise Refused("It is pulled that often already.", field="every")
    before = {"every": str(source.every)}
    source.every = every
    source.save(update_fields=["every"])
    schedules.keep(source)
    _note(source.connection, actor, "source.rescheduled", source, before, {"every": str(every)}, reason)
    return source


@transaction.atomic
def pause(*, source: Source, paused: bool, actor: User, reason: str = "") -> Source:
    """Stop pulling the source by schedule, or go on. Its own cases end with a pause; those of what it tells stay."""
    source = _locked_source(source, actor)
    if source.paused == paused:
        raise Refused(f"It is {'paused' if paused else 'pulled by schedule'} already.", code="no-change")
    source.paused = paused
    source.watched_from = Now()
    source.save(update_fields=["paused", "watched_from"])
    source.refresh_from_db(fields=["watched_from"])
    schedules.keep(source)
    verb = "source.paused" if paused else "source.resumed"
    _note(source.connection, actor, verb, source, {"paused": not paused}, {"paused": paused}, reason)
    return source


def _region(code: str) -> Region:
    found = regions()
    if code not in found:
        raise Refused(f"There is no region {code}. Expected one of {', '.join(found)}.", field="region")
    return found[code]


def _check_has_feeds(connection: Connection) -> None:
    if connection.kind == Connection.Kind.UPLOAD:
        raise Refused(f"People bring the files of {connection}, so it signs in nowhere.", code="no-feeds")
    if connection.kind == Connection.Kind.PLATFORM:
        raise Refused(f"{connection} posts to us, so it is asked for nothing by a schedule.", code="no-feeds")


def _locked_source(source: Source, actor: User) -> Source:
    source = (
        Source.objects.select_for_update(no_key=True, of=("self",))
        .select_related("connection__entity")
        .get(pk=source.pk)
    )
    check_may(actor, KEEP_CONNECTIONS, source.connection.entity)
    return source


def _note(
    connection: Connection,
    actor: User | None,
    verb: str,
    source: Source | None = None,
    before: dict | None = None,
    after: dict | None = None,
    reason: str = "",
) -> None:
    """All that happens to a connection and its feeds is told in one place."""
    AuditEntry.objects.record(
        actor=actor,
        entity=connection.entity,
        verb=verb,
        subject=f"connection:{connection.pk}",
        before=before,
        after=(after or {}) | ({"feed": source.feed} if source else {}),
        reason=reason,
    )


def _locked(job: Job, actor: User) -> Job:
    """The job as it is now, kept so until the commit. Work of no company is anybody's who runs jobs somewhere."""
    if not (actor.may(RUN_JOBS, job.entity_id) if job.entity_id else actor.may_anywhere(RUN_JOBS)):
        roles = " and ".join(sorted(role.label for role in RUN_JOBS.roles))
        raise NotAllowed(f"Your role cannot {RUN_JOBS.does}. {roles} can. Nothing was changed.")
    return Job.objects.select_for_update(of=("self",)).select_related("entity", "file").get(pk=job.pk)


def _seen(job: Job) -> dict:
    return {"state": job.state, "attempts": job.attempts_made, "leases_lost": job.leases_lost, "error": job.error}


def _written(job: Job, actor: User, verb: str, before: dict, reason: str) -> Job:
    AuditEntry.objects.record(
        actor=actor,
        entity=job.entity,
        verb=verb,
        subject=f"job:{job.pk}",
        before=before,
        after=_seen(job),
        reason=reason,
    )
    jobs.sweep_on_commit(job, ended_by=actor)
    job.refresh_from_db(fields=["ended_at", "not_before"])
    return job
