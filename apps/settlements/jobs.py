"""The background work of settlements."""

from typing import Any

from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.integrations.sleepers import after_reading
from apps.settlements.ingest import ingest
from apps.settlements.models import READ_FILE, FileReading
from apps.settlements.verdict import verdict


def read_file(job: Job, progress: Progress) -> dict[str, Any]:
    """The verdict of the job's file. `args`: again (bool), replaces (id of the reading that it corrects)."""
    size = job.file.size
    reading = ingest(
        file=job.file,
        actor=job.asked_by,
        say=lambda words, read: progress.say(words, done=read, total=size),
        hold=lambda: hold(job),
        again=job.args.get("again", False),
        replaces=FileReading.objects.filter(pk=job.args.get("replaces")).first(),
    )
    return verdict(reading)


register_kind(JobKind(name=READ_FILE, queue="files", run=read_file, title="Read a settlement file", after=after_reading))
