"""Old alerts and bulk actions. What was done to a case stands on its timeline, in the audit trail, which stays."""

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.core.keeping import ALERTS, BULKS, PURGES
from apps.exceptions.models import LIVE
from apps.work.alerts.models import Alert, AlertCase
from apps.work.bulk.models import Bulk

BATCH = 500


def purge_alerts() -> int:
    """How many. What tells of a case that is live still stays, as the mark that it was told."""
    live = AlertCase.objects.filter(alert=OuterRef("pk"), case__state__in=LIVE)
    flood_on = Q(kind=Alert.Kind.FLOOD, calm_at=None)
    old = Alert.objects.filter(ended_at__lt=timezone.now() - ALERTS).exclude(flood_on).exclude(Exists(live))
    gone = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        AlertCase.objects.filter(alert__in=batch).delete()
        gone += Alert.objects.filter(pk__in=batch).delete()[0]
    return gone


def purge_bulks() -> int:
    """How many, with their members: those that ended, and those that nobody confirmed. One that was tried again, or put back,
    goes after what did so.
    """
    before = timezone.now() - BULKS
    old = Bulk.objects.filter(Q(ended_at__lt=before) | Q(state=Bulk.State.READY, made_at__lt=before), retries=None, undos=None)
    gone = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        Bulk.objects.filter(pk__in=batch).delete()
        gone += len(batch)
    return gone


PURGES["alerts"] = purge_alerts
PURGES["bulk actions"] = purge_bulks
