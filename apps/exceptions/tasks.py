from celery import shared_task

from apps.core.models import Entity
from apps.exceptions import lapses, sweep


@shared_task
def wake_cases() -> None:
    lapses.wake_lapsed()


@shared_task
def sweep_all() -> None:
    for entity_id in Entity.objects.values_list("pk", flat=True):
        sweep_entity_task.delay(entity_id)


@shared_task
def sweep_entity_task(entity_id: int) -> None:
    sweep.sweep_entity(Entity.objects.get(pk=entity_id))
