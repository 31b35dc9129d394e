"""A small piece of work for each queue."""

from apps.integrations.jobs import QUEUES, JobKind, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job


def nothing(job: Job, progress: Progress) -> dict:
    return {}


SMALL = {
    queue: register_kind(JobKind(name=f"tests.small-{queue}", queue=queue, run=nothing, title="Do nothing")) for queue in QUEUES
}
