"""Which scans of Amazon's stock are too old to rely on."""

from collections.abc import Iterable

from django.utils import timezone

from apps.core.models import Entity
from apps.integrations.models import Source
from apps.inventory.models import FEED, Snapshot
from apps.inventory.rules import stale_after


def stale_snapshots(entities: Iterable[Entity]) -> dict[int, Snapshot]:
    """Those that count and are too old for their schedule, by id."""
    sources = Source.objects.filter(feed=FEED, connection__entity__in=entities)
    every = dict(sources.values_list("connection", "every"))
    now = timezone.now()
    counting = Snapshot.objects.current().filter(connection__in=every).select_related("connection")
    return {each.pk: each for each in counting if now - each.began_at > stale_after(every[each.connection_id])}
