"""How long records that succeeded, or were done by hand, are kept with their retries: as long as somebody may ask for them."""

from django.utils import timezone

from apps.core.keeping import FAILED_RECORDS, PURGES
from apps.platforms.models import FailedRecord

BATCH = 5000


def purge() -> int:
    """Delete what ended longer ago, in batches; how many records. One that fails after that is a new one."""
    gone, old = 0, FailedRecord.objects.filter(ended_at__lt=timezone.now() - FAILED_RECORDS)
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        FailedRecord.objects.filter(pk__in=batch).delete()
        gone += len(batch)
    return gone


PURGES["records of platforms"] = purge
