from celery import shared_task

from apps.work.alerts import deciding
from apps.work.alerts.models import Channel


@shared_task
def tell_all() -> None:
    """A channel each, so that the fault of one silences no other."""
    for channel_id in Channel.objects.filter(active=True).values_list("pk", flat=True):
        tell.delay(channel_id)


@shared_task
def tell(channel_id: int) -> None:
    deciding.decide(channel_id)
