"""The background work of a bulk: the dry run, and the doing after the confirmation.

Moves go batch by batch, an action of a type member by member; each is one transaction that ends with `hold`. What is done
is written with its verdict, so a worker that takes over finds what is left, and does no member twice.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from apps.exceptions.operations import sweep_soon
from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.work.bulk import batches, members
from apps.work.bulk.beginning import CHECK, RUN
from apps.work.bulk.models import Bulk
from apps.work.bulk.operations import bulk_digest

State = Bulk.State
SWEEP_EVERY = 500  # members of an action, after which the types that it does not clear itself are looked at too


def check(job: Job, progress: Progress) -> dict[str, Any]:
    """The dry run. `args`: bulk."""
    batches.enlist(Bulk.objects.get(pk=job.args["bulk"]), job)
    for bulk in _steps(job, State.CHECKING):
        progress.say("Checking each of them", done=bulk.eligible + bulk.not_eligible, total=bulk.members)
    return _end(job, State.CHECKING, lambda bulk: {"state": State.READY, "digest": bulk_digest(bulk)})


def run(job: Job, progress: Progress) -> dict[str, Any]:
    """What was confirmed. `args`: bulk."""
    for number, bulk in enumerate(_steps(job, State.RUNNING), 1):
        progress.say("Doing it to each of them", done=bulk.eligible - bulk.not_reached, total=bulk.eligible)
        if bulk.type and number % SWEEP_EVERY == 0:
            _sweep_others(bulk)
    return _end(job, State.RUNNING, lambda bulk: {"state": State.DONE, "ended_at": Now()})


def _steps(job: Job, state: str):
    """The bulk after each transaction, until nothing is left, somebody stopped it, or another job has it."""
    after, bulk = 0, Bulk.objects.get(pk=job.args["bulk"])
    step: Callable[[Bulk, int, Job], int | None] = members.step if bulk.type else batches.step
    while after is not None and bulk.state == state and bulk.job_id == job.pk:
        after = step(bulk, after, job)
        bulk.refresh_from_db()
        yield bulk


def _end(job: Job, state: str, becomes: Callable[[Bulk], dict[str, Any]]) -> dict[str, Any]:
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update().get(pk=job.args["bulk"])
        if bulk.state == state and bulk.job_id == job.pk:
            Bulk.objects.filter(pk=bulk.pk).update(**becomes(bulk))
        hold(job)
    bulk.refresh_from_db()
    if bulk.done and (bulk.type or bulk.undo_of_id):  # of what was dismissed and is open again nothing was kept up to date
        _sweep_others(bulk)
    return {"bulk": bulk.pk, "state": bulk.state, "done": bulk.done, "skipped": bulk.skipped, "failed": bulk.failed}


def _sweep_others(bulk: Bulk) -> None:
    for entity in bulk.entity_ids:
        sweep_soon(entity)


register_kind(JobKind(name=CHECK, queue="bulk", run=check, title="Check a bulk action"))
register_kind(JobKind(name=RUN, queue="bulk", run=run, title="Do a bulk action"))
