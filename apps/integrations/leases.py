"""What a running job tells the others while it works: that it lives (its lease), and how far it is (its progress)."""

import logging
import time
from contextvars import copy_context
from datetime import timedelta
from threading import Event, Thread
from typing import NamedTuple

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.models.functions import Now

from apps.integrations.models import Job, JobState

LEASE = timedelta(seconds=10)
RENEW_EVERY = timedelta(seconds=3)
SAY_EVERY = timedelta(seconds=0.5)

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Somebody else has the job now, or a person stopped it. What this runner did for it must not be committed."""


class Said(NamedTuple):
    words: str = ""
    done: int = 0
    total: int = 0


class Progress:
    """How far a job is, for the page that waits for it. Saying is cheap: the lease's thread writes the newest words."""

    def __init__(self) -> None:
        self.said = Said()
        self.lost = False

    def say(self, words: str, done: int | None = None, total: int | None = None) -> None:
        """Words as people read them ("Reading lines"); figures left out stay. Raises LeaseLost where it is lost."""
        if self.lost:
            raise LeaseLost(words)
        before = self.said
        self.said = Said(words[:200], before.done if done is None else done, before.total if total is None else total)


def held_by(job: Job):
    """The job's row, as long as this runner holds it."""
    return Job.objects.filter(pk=job.pk, state=JobState.RUNNING, runner=job.runner)


class Lease:
    """Keeps a claimed job while the block runs: `with Lease(job, progress): ...`. Ends with LeaseLost if it was lost.

    A thread with its own database connection renews the lease, because the working thread may sit in one statement for
    minutes and its transaction shows nothing before it commits. A lost lease makes the thread cancel the statement.
    """

    def __init__(self, job: Job, progress: Progress):
        self._job = job
        self._progress = progress
        self._written = progress.said
        self._renewed = time.monotonic()
        self._working = connections[DEFAULT_DB_ALIAS]
        self._over = Event()
        self._thread = Thread(target=copy_context().run, args=[self._keep], name=f"lease of job {job.pk}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind, error, trace) -> None:
        self._over.set()
        self._thread.join()
        if self._progress.lost and (error is None or isinstance(error, Exception)):
            raise LeaseLost(str(self._job)) from error

    def _keep(self) -> None:
        try:
            while not self._over.wait(SAY_EVERY.total_seconds()):
                if self._progress.lost:
                    self._cancel_work()
                    continue
                try:
                    self._tell()
                except (DatabaseError, InterfaceError) as error:
                    log.warning("Job %s: its lease cannot be renewed: %s", self._job.pk, error)
                    connections.close_all()
                    self._progress.lost = time.monotonic() - self._renewed > LEASE.total_seconds()
        finally:
            connections.close_all()  # this thread's own

    def _tell(self) -> None:
        said = self._progress.said
        due = time.monotonic() - self._renewed >= RENEW_EVERY.total_seconds()
        if said == self._written and not due:
            return
        values = {"progress_words": said.words, "progress_done": said.done, "progress_total": said.total}
        begun = time.monotonic()
        if held_by(self._job).update(**values, lease_until=Now() + LEASE):
            self._written, self._renewed = said, begun
        else:
            self._progress.lost = True

    def _cancel_work(self) -> None:
        """Again at every turn: the work may have been between two statements the last time."""
        work = self._working.connection
        if work is not None:
            try:
                work.cancel_safe(timeout=RENEW_EVERY.total_seconds())
            except psycopg.Error as error:
                log.warning("Job %s: its statement cannot be cancelled: %s", self._job.pk, error)
