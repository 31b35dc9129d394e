"""When sources are pulled: one row of beat's own table for each, derived from the source and never edited elsewhere."""

import json
from datetime import timedelta

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.integrations.models import Source

TASK = "apps.integrations.tasks.pull_source"


def keep(source: Source) -> None:
    """Make the schedule what the source says. A pull that could not start before the next one is due is dropped."""
    seconds = int(source.every / timedelta(seconds=1))
    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.update_or_create(
        name=f"pull source {source.pk}",
        defaults={
            "task": TASK,
            "args": json.dumps([source.pk]),
            "queue": "sync",
            "interval": interval,
            "expire_seconds": seconds,
            "enabled": not source.paused,
        },
    )
