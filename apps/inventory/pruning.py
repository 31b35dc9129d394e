"""Old snapshots go: what counts, the one before it, and the last of each day stay."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone

from apps.inventory.models import Snapshot

KEPT = timedelta(days=90)
LEFT_BEHIND = timedelta(days=1)  # a scan that did not end by then never will
LAST = 2


@transaction.atomic
def prune() -> int:
    """Delete the snapshots that nothing needs any more, with their levels; how many. Days are UTC's."""
    now = timezone.now()
    place, newest = [F("connection"), F("marketplace")], F("pk").desc()
    complete = Snapshot.objects.exclude(complete_at=None).annotate(
        newness=Window(RowNumber(), partition_by=place, order_by=newest),
        of_day=Window(RowNumber(), partition_by=[*place, TruncDate("complete_at")], order_by=newest),
    )
    old = complete.filter(Q(newness__gt=LAST) & (Q(of_day__gt=1) | Q(complete_at__lt=now - KEPT)))
    unfinished = Snapshot.objects.filter(complete_at=None, began_at__lt=now - LEFT_BEHIND)
    gone = {*old.values_list("pk", flat=True), *unfinished.values_list("pk", flat=True)}
    Snapshot.objects.filter(pk__in=gone, current=False).delete()
    return len(gone)
