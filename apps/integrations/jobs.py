"""Background work as rows with leases (architecture.md section 4).

The row is the truth; a Celery message only says "look at this row", so a lost message is sent again and a repeated one
finds nothing to claim. All instants are the database's.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any
from uuid import uuid4

from celery import current_app
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import ChannelError

from apps.core import tracing
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.leases import LEASE, Lease, LeaseLost, Progress, held_by
from apps.integrations.models import Attempt, Job, JobState, StoredFile

QUEUES = ("sync", "outbox", "sweep", "bulk", "files")  # named by purpose; in production each has workers of its own
RUN_TASK = "apps.integrations.tasks.run_job"
STUCK_CODE = "job.stuck"
MAY_LOSE = 3  # leases; after that a person looks at it
FORGOTTEN_AFTER = timedelta(seconds=15)
LOOK_EVERY = 0.5  # seconds between looks at a job that a worker runs
ENDED = (JobState.DONE, JobState.FAILED, JobState.STUCK, JobState.STOPPED)
TROUBLED = (JobState.FAILED, JobState.STUCK)

HOLD = """
    UPDATE integrations_job SET lease_until = statement_timestamp() + %(lease)s
    WHERE id = %(job)s AND state = %(running)s AND runner = %(runner)s
"""

log = logging.getLogger(__name__)


class Later(Exception):
    """The work cannot go on now. The job goes back to waiting and starts by itself once the time has passed.

    `words` say why; what was committed stays. The attempt failed, unless it was `planned` to go on later.
    """

    def __init__(self, words: str, after: timedelta, *, planned: bool = False):
        super().__init__(words)
        self.words = words
        self.after = after
        self.outcome = Attempt.Outcome.PUT_OFF if planned else Attempt.Outcome.FAILED


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """One kind of background work. `run(job, progress)` returns the result as JSON.

    It raises Refused with words for people, or Later to be tried again; anything else counts as a fault of ours. It may
    run again after a killed worker, so it is idempotent, and each of its transactions ends with `hold(job)`. `title` names
    it on a page ("Read a settlement file"). `after(job)` runs once the job has ended, well or not: nothing may hang on it.
    """

    name: str
    queue: str
    run: Callable[[Job, Progress], dict[str, Any]]
    title: str
    after: Callable[[Job], None] = lambda job: None


KINDS: dict[str, JobKind] = {}


def register_kind(kind: JobKind) -> JobKind:
    """Add a kind. A name declared twice, or a queue that no worker serves, is a mistake of ours and stops the start."""
    if kind.queue not in QUEUES:
        raise ValueError(f"job kind {kind.name} is for the queue {kind.queue}, which does not exist")
    if kind.name in KINDS:
        raise ValueError(f"job kind {kind.name} is declared twice")
    KINDS[kind.name] = kind
    return kind


def title(job: Job) -> str:
    """What the job does, as people read it."""
    return KINDS[job.kind].title if job.kind in KINDS else job.kind


def create(
    *,
    kind: str,
    entity: Entity | None,
    file: StoredFile | None = None,
    args: dict[str, Any] | None = None,
    actor: User | None = None,
) -> Job:
    """Write the row alone, for a program that runs it by `run_here`. If that program dies, a worker takes it up."""
    return Job.objects.create(kind=KINDS[kind].name, entity=entity, file=file, args=args or {}, asked_by=actor)


def enqueue(
    *,
    kind: str,
    entity: Entity | None,
    file: StoredFile | None = None,
    args: dict[str, Any] | None = None,
    actor: User | None = None,
) -> Job:
    """Write the row and, once it is committed, tell a worker."""
    job = create(kind=kind, entity=entity, file=file, args=args, actor=actor)
    send_on_commit(job)
    return job


def send_on_commit(job: Job, after: timedelta = timedelta()) -> None:
    # robust: with the broker away the row stays, and is sent when it is back.
    transaction.on_commit(lambda: _send(job.pk, _queue(job.kind), after), robust=True)


def run(job_id: int, runner: str) -> None:
    """Claim the job and run it to its end; return quietly where there is nothing to claim."""
    job = _claim(job_id, runner)
    if job is not None:
        with tracing.within(job_id=str(job.pk)):
            _run(job, runner)


def run_here(job: Job) -> Job:
    """Run the job in this process and return it ended, or put off. Where a worker has it already, wait for the worker."""
    while job.state not in ENDED and not put_off(job):
        run(job.pk, runner_name())
        job.refresh_from_db()
        if job.state == JobState.RUNNING:
            time.sleep(LOOK_EVERY)
    return job


def put_off(job: Job) -> bool:
    """Whether it waits for the time of its next try."""
    return Job.objects.filter(pk=job.pk, state=JobState.WAITING, not_before__gt=Now()).exists()


def runner_name() -> str:
    """A name of its own for each run, so that a process cannot mistake an earlier run's lease for this one's."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid4().hex}"


def hold(job: Job) -> None:
    """The last statement of a transaction that writes for the job: it commits only if this runner still has the job.

    Keeps the job's row until the commit, so that nobody takes the job in between. Raises LeaseLost.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("hold() guards a transaction, and there is none")
    with connection.cursor() as cursor:
        cursor.execute(HOLD, {"job": job.pk, "runner": job.runner, "running": JobState.RUNNING, "lease": LEASE})
        if not cursor.rowcount:
            raise LeaseLost(str(job))


def requeue_expired() -> None:
    """Put jobs whose runner went silent back to waiting, and tell the workers again of those they have not heard of."""
    _take_back()
    _send_forgotten()


def _claim(job_id: int, runner: str) -> Job | None:
    """One UPDATE decides who has the job, and it is committed before the work begins."""
    with transaction.atomic(durable=True):
        waiting = Job.objects.filter(pk=job_id, state=JobState.WAITING, not_before__lte=Now())
        claimed = waiting.update(
            state=JobState.RUNNING,
            runner=runner,
            lease_until=Now() + LEASE,
            attempts_made=F("attempts_made") + 1,
            progress_done=0,
            progress_total=0,
            progress_words="",
            error="",
        )
        if not claimed:
            return None
        # The server drops the statement of a killed worker, and with it the locks that its successor needs.
        with connection.cursor() as cursor:
            cursor.execute("SET client_connection_check_interval = '2s'")
        job = Job.objects.select_related("entity", "file__connection", "asked_by").get(pk=job_id)
        Attempt.objects.create(job=job, number=job.attempts_made, runner=runner)
        return job


def _run(job: Job, runner: str) -> None:
    progress = Progress()
    try:
        if job.kind not in KINDS:
            raise Refused(f"No program here knows work of the kind {job.kind}. Start workers of this version.")
        with Lease(job, progress):
            result = KINDS[job.kind].run(job, progress)
    except LeaseLost:
        log.warning("Job %s: %s lost its lease and wrote nothing", job.pk, runner)
    except Later as later:
        _put_off(job, progress, later)
    except Refused as refused:
        _end(job, progress, JobState.FAILED, error=refused.words)
    except Exception:  # the edge of the process: reported here, and shown on the job
        log.exception("Job %s (%s) failed", job.pk, job.kind)
        words = f"Internal: a fault of ours, not of your data. The log names it under job {job.pk}."
        _end(job, progress, JobState.FAILED, error=words)
    else:
        _end(job, progress, JobState.DONE, result=result)


def _end(
    job: Job, progress: Progress, state: JobState, *, result: dict[str, Any] | None = None, error: str = ""
) -> None:
    """Write how the run ended."""
    connection.close_if_unusable_or_obsolete()  # what failed may have been the connection
    outcome = Attempt.Outcome.DONE if state == JobState.DONE else Attempt.Outcome.FAILED
    if _give_back(job, progress, outcome, error, state=state, ended_at=Now(), result=result or {}) and job.kind in KINDS:
        try:
            KINDS[job.kind].after(job)
        except Exception:  # the edge of the process again: the job itself has ended
            log.exception("What follows job %s (%s) failed", job.pk, job.kind)


def _put_off(job: Job, progress: Progress, later: Later) -> None:
    """Back to waiting, with a message that comes when the time does."""
    waits = {"state": JobState.WAITING, "not_before": Now() + later.after}
    with transaction.atomic():
        if _give_back(job, progress, later.outcome, later.words, **waits):
            send_on_commit(job, later.after)


def _give_back(job: Job, progress: Progress, outcome: Attempt.Outcome, error: str, **now: Any) -> bool:
    """End the attempt and let go of the job, unless somebody else has it by now."""
    words, done, total = progress.said
    with transaction.atomic():
        given = held_by(job).update(
            runner="",
            lease_until=None,
            error=error,
            progress_words=words,
            progress_done=done,
            progress_total=total,
            **now,
        )
        if given:
            job.attempts.filter(number=job.attempts_made).update(outcome=outcome, error=error, ended_at=Now())
            log.info("Job %s (%s), attempt %s: %s", job.pk, job.kind, job.attempts_made, outcome)
        else:
            log.warning("Job %s: %s lost its lease, so its result is not written", job.pk, job.runner)
    return bool(given)


def _take_back() -> None:
    with transaction.atomic():
        # A locked row is one whose runner commits right now.
        expired = list(
            Job.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state=JobState.RUNNING, lease_until__lt=Now())
            .select_related("entity")
            .order_by("pk")
        )
        Attempt.objects.filter(job__in=expired, outcome=Attempt.Outcome.RUNNING).update(
            outcome=Attempt.Outcome.LOST, ended_at=Now()
        )
        stuck = [job for job in expired if job.leases_lost + 1 >= MAY_LOSE]
        again = [job for job in expired if job.leases_lost + 1 < MAY_LOSE]
        free = {"runner": "", "lease_until": None, "leases_lost": F("leases_lost") + 1}
        Job.objects.filter(pk__in=[job.pk for job in stuck]).update(
            **free,
            state=JobState.STUCK,
            error=f"Its worker went silent {MAY_LOSE} times, so it no longer starts by itself.",
        )
        Job.objects.filter(pk__in=[job.pk for job in again]).update(**free, state=JobState.WAITING, not_before=Now())
        for job in again:
            send_on_commit(job)
        for job in stuck:
            sweep_on_commit(job)


def sweep_on_commit(job: Job, ended_by: User | None = None) -> None:
    """Open or end the job's case. Work that belongs to no company has none."""
    if job.entity is not None:
        scope = Scope(entity=job.entity, subjects=frozenset({str(job.pk)}))
        transaction.on_commit(lambda: sweep(STUCK_CODE, scope, ended_by=ended_by), robust=True)


def _send_forgotten() -> None:
    """A queue that still holds messages is busy, not forgetful: its jobs wait their turn."""
    forgotten = Job.objects.filter(state=JobState.WAITING, not_before__lt=Now() - FORGOTTEN_AFTER)
    kinds = forgotten.values_list("kind", flat=True).distinct()
    drained = [kind for kind in kinds if not _messages_in(_queue(kind))]
    with transaction.atomic():
        jobs = list(forgotten.filter(kind__in=drained).select_for_update(skip_locked=True).order_by("pk"))
        Job.objects.filter(pk__in=[job.pk for job in jobs]).update(not_before=Now())
        for job in jobs:
            send_on_commit(job)


def _queue(kind: str) -> str:
    """Work of an unknown kind goes where every worker program looks, and fails there with words."""
    return KINDS[kind].queue if kind in KINDS else current_app.conf.task_default_queue


def _send(job_id: int, queue: str, after: timedelta) -> None:
    """A message whose time has not come waits in a worker. If that dies, the row is sent again by _send_forgotten."""
    countdown = ceil(after.total_seconds())
    current_app.send_task(RUN_TASK, args=[job_id], queue=queue, countdown=countdown or None)


def _messages_in(queue: str) -> int:
    with current_app.connection_for_read() as broker:
        try:
            return broker.default_channel.queue_declare(queue, passive=True).message_count
        except ChannelError:  # the broker keeps no empty queues
            return 0
