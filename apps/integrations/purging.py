"""How long runs, their jobs and the calls that failed are kept: as long as somebody may ask for the evidence."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.integrations import checks
from apps.integrations.models import CallFault, Job, SyncRun

KEPT = timedelta(days=90)
KEPT_UNCHANGED = timedelta(days=14)  # runs that worked at once and brought nothing new: they are most
BATCH = 5000


def purge() -> int:
    """Delete what is older, in batches; how many runs. Of each feed the last run stays, and the last one that worked."""
    gone = 0
    while batch := list(_old_runs().values_list("pk", "job_id")[:BATCH]):
        runs, jobs = zip(*batch, strict=True)
        with transaction.atomic():
            SyncRun.objects.filter(pk__in=runs).delete()
            Job.objects.filter(pk__in=jobs).delete()
        gone += len(batch)
    # What a refused connection was answered is the evidence of its case, however long that lasts.
    CallFault.objects.filter(run=None, at__lt=timezone.now() - KEPT, connection__revoked_at=None).delete()
    _old_checks().delete()
    return gone


def _old_runs() -> QuerySet[SyncRun]:
    now = timezone.now()
    ended = SyncRun.objects.exclude(ended_at=None)
    newest = ended.order_by("source", "-id").distinct("source")
    lasting = Q(pk__in=newest.values("pk")) | Q(pk__in=newest.filter(verdict="").values("pk"))
    lasting |= Q(pk__in=newest.exclude(evidence=SyncRun.STOPPED).values("pk"))
    unchanged = Q(verdict="", added=0, changed=0, unreadable=0) & ~Exists(CallFault.objects.filter(run=OuterRef("pk")))
    old = Q(ended_at__lt=now - KEPT) | Q(unchanged, ended_at__lt=now - KEPT_UNCHANGED)
    return ended.filter(old).exclude(lasting)


def _old_checks() -> QuerySet[Job]:
    """The newest check of a connection is what its page says."""
    ended = Job.objects.filter(kind=checks.KIND).exclude(ended_at=None)
    newer = ended.filter(args=OuterRef("args"), pk__gt=OuterRef("pk"))
    return ended.filter(Exists(newer), ended_at__lt=timezone.now() - KEPT)
