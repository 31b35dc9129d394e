"""The background work of imports."""

from typing import Any

from django.db import transaction

from apps.core.errors import Refused
from apps.imports.dry_run import dry_run
from apps.imports.models import Import
from apps.imports.operations import APPLY, CHECK, apply, give_back, refuse
from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job


def check(job: Job, progress: Progress) -> dict[str, Any]:
    """Dry run. A file that is refused is a result, not a failure: the import says why."""
    row = _import_of(job)
    if row.state != Import.State.READING:
        return _result(row)
    try:
        with transaction.atomic():
            dry_run(row, lambda words, done: progress.say(words, done=done))
            hold(job)
    except Refused as refused:
        with transaction.atomic():
            refuse(row, refused.words)
            hold(job)
    return _result(_import_of(job))


def save(job: Job, progress: Progress) -> dict[str, Any]:
    """`args`: import, keep_conflicts. All of it or nothing."""
    row = _import_of(job)

    def say(words: str, done: int) -> None:
        progress.say(words, done=done, total=row.rows_read)

    try:
        with transaction.atomic():
            row = apply(row=row, keep_conflicts=job.args["keep_conflicts"], actor=job.asked_by, say=say)
            hold(job)
    except Refused as refused:
        with transaction.atomic():
            give_back(row, refused.words)
            hold(job)
        raise
    return _result(row)


def _import_of(job: Job) -> Import:
    return Import.objects.select_related("entity").get(pk=job.args["import"])


def _result(row: Import) -> dict[str, Any]:
    return {"import": row.pk, "state": row.state}


register_kind(JobKind(name=CHECK, queue="bulk", run=check, title="Check a spreadsheet"))
register_kind(JobKind(name=APPLY, queue="bulk", run=save, title="Save a spreadsheet's rows"))
