from celery import shared_task

from apps.api import idempotency


@shared_task
def forget_answers() -> None:
    idempotency.forget()
