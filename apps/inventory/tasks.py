from celery import shared_task

from apps.inventory.pruning import prune


@shared_task
def prune_snapshots() -> None:
    prune()
