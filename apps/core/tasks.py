from celery import shared_task

from apps.core import keeping


@shared_task
def purge() -> None:
    keeping.purge()
