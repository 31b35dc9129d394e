"""Reading a file of order legs as background work."""

from io import TextIOWrapper
from typing import Any

from django.db import transaction

from apps.core.errors import Refused
from apps.integrations.files import open_raw
from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.settlements import legs
from apps.settlements.operations import load_order_legs

READ_LEGS = "settlements.read-legs"


def read_legs(job: Job, progress: Progress) -> dict[str, Any]:
    """Orders named, new or changed; settlements rolled up again. Refused with words for each line that is wrong."""
    progress.say("Reading lines")
    with open_raw(job.file) as raw, TextIOWrapper(raw, encoding="utf-8-sig") as text:
        try:
            rows = legs.read(text, job.file.name)
        except UnicodeDecodeError as fault:
            raise Refused(
                f"{job.file.name} is not UTF-8 text: byte {fault.start:,} is no letter.", field="file"
            ) from fault
    progress.say("Rolling settlements up by leg")
    with transaction.atomic():
        loaded = load_order_legs(connection=job.file.connection, rows=rows, actor=job.asked_by)
        hold(job)
    return {
        "orders": loaded.orders,
        "changed": loaded.changed,
        "settlements": loaded.settlements,
        "words": loaded.words,
    }


register_kind(JobKind(name=READ_LEGS, queue="files", run=read_legs, title="Read order legs"))
