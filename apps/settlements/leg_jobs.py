"""Reading a file of order legs as background work."""

from typing import Any

from django.db import transaction

from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.settlements.leg_changes import legs_in, take_or_hold

READ_LEGS = "settlements.read-legs"


def read_legs(job: Job, progress: Progress) -> dict[str, Any]:
    """What became of the file, in words, and the reading that keeps it."""
    progress.say("Reading lines")
    rows = legs_in(job.file)
    progress.say("Rolling settlements up by leg")
    with transaction.atomic():
        reading = take_or_hold(file=job.file, rows=rows, actor=job.asked_by)
        hold(job)
    return {"orders": len(rows), "legs": reading.status, "reading": reading.pk, "words": reading.words}


register_kind(JobKind(name=READ_LEGS, queue="files", run=read_legs, title="Read order legs"))
