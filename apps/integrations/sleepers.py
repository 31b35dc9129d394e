"""Cases that sleep until the next run of a feed: the run has ended for them once all that it brought is read."""

from apps.exceptions.lapses import wake_after_run
from apps.integrations.feeds import FEEDS
from apps.integrations.jobs import ENDED
from apps.integrations.models import Job, Source, SyncRun


def after_run(run: SyncRun) -> None:
    """Look at what slept until this run, unless something that came with it is still to be read: its reader does it then."""
    source, feed = run.source, FEEDS[run.source.feed]
    reading = Job.objects.filter(kind=feed.read_by, file__connection=source.connection).exclude(state__in=ENDED)
    if feed.read_by and reading.exists():
        return
    ran = f"The feed “{feed.title}” of {source.connection} has run"
    wake_after_run(entity=source.connection.entity, codes=feed.opens, begun_at=run.job.created_at, ran=ran)


def after_reading(job: Job) -> None:
    """A file is read, or cannot be. Of several readers that end at once the last one finds all the others ended."""
    feeds = [feed.name for feed in FEEDS.values() if feed.read_by == job.kind]
    for source in Source.objects.filter(connection=job.file.connection_id, feed__in=feeds):
        ended = SyncRun.objects.filter(source=source, verdict="", ended_at__isnull=False).order_by("-ended_at")
        if run := ended.select_related("job", "source__connection__entity").first():
            after_run(run)
