"""Celery carries ids. The work itself is rows with leases, so a lost or repeated message does no harm."""

import os
import warnings

from celery import Celery
from celery.signals import worker_process_init

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
