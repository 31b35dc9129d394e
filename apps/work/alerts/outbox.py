"""A message is a row with a key before it leaves, and a job sends it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.integrations import jobs
from apps.integrations.models import Job
from apps.work.alerts.composing import Message
from apps.work.alerts.models import Alert, Channel

SEND = "alerts.send"


@transaction.atomic
def write(
    *,
    channel: Channel,
    kind: Alert.Kind,
    key: str,
    severity: int,
    message: Message,
    now: datetime,
    leaves_at: datetime,
    silence: str = "",
    **values: Any,
) -> Alert:
    """Write the message and the job that sends it; with `silence`, the reason, it is kept and not sent."""
    job = None if silence else jobs.create(kind=SEND, entity=channel.entity)
    alert = Alert.objects.create(
        channel=channel,
        kind=kind,
        key=key,
        severity=severity,
        subject=message.subject,
        body=message.body,
        created_at=now,
        leaves_at=leaves_at,
        state=Alert.State.SILENCED if silence else Alert.State.WAITING,
        reason=silence,
        ended_at=now if silence else None,
        job=job,
        **values,
    )
    if job and leaves_at > now:
        Job.objects.filter(pk=job.pk).update(not_before=leaves_at)  # sent as a forgotten one once its time has come
    elif job:
        jobs.send_on_commit(job)
    return alert
