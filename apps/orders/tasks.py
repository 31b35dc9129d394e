from celery import shared_task

from apps.orders import buyers


@shared_task
def purge_buyers() -> None:
    buyers.purge()
