"""Celery carries ids. The work itself is rows with leases, so a lost or repeated message does no harm."""

import os
import warnings

from celery import Celery
from celery.signals import (
    before_task_publish,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
)

from apps.core import tracing
from opsconsole.supervisor import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
# Said of pickle. We take JSON only, and a container has no other user than root.
warnings.filterwarnings("ignore", "You're running the worker with superuser privileges")
app = Celery("opsconsole")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _end_with_the_worker(**_) -> None:
    die_with_parent()


@setup_logging.connect
def _log_as_the_settings_say(**_) -> None:
    """Django has done it. That somebody listens here keeps Celery from setting up a log of its own."""


@heartbeat_sent.connect
def _leave_mark(**_) -> None:
    from opsconsole.operate import heartbeats  # needs the apps to be loaded

    heartbeats.leave(app.amqp.queues.consume_from)


@before_task_publish.connect
def _send_request_id(headers: dict, **_) -> None:
    """What a request set off says so in the worker's log."""
    if request_id := tracing.ids().get("request_id"):
        headers["request_id"] = request_id


@task_prerun.connect
def _begin_to_trace(task_id: str, task, **_) -> None:
    asked = {"request_id": task.request.request_id} if getattr(task.request, "request_id", None) else {}
    tracing.begin(task_id=task_id, **asked)


@task_postrun.connect
def _end_to_trace(**_) -> None:
    tracing.begin()
