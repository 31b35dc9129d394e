"""What a test sees of the worker processes that it started."""

import os

from apps.integrations.models import Job


def state(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def worker_group(job: Job) -> int:
    """The process group of the worker that runs the job, read from the runner's name."""
    return os.getpgid(int(Job.objects.get(pk=job.pk).runner.split(":")[1]))
