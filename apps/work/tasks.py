from celery import shared_task
from django.utils import timezone

from apps.core.models import Entity
from apps.work import stakes
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


@shared_task
def keep_all_stakes() -> None:
    for entity_id in Entity.objects.values_list("pk", flat=True):
        keep_stakes.delay(entity_id)


@shared_task
def keep_stakes(entity_id: int) -> None:
    stakes.keep(Entity.objects.get(pk=entity_id), timezone.now())
