"""How long runs, their jobs and the calls that failed are kept: as long as somebody may ask for the evidence."""

from django.db import transaction
from django.db.models import PROTECT, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.core.keeping import JOBS, PURGES, RUNS, UNCHANGED_RUNS
from apps.integrations import checks
from apps.integrations.models import CallFault, Job, JobState, SyncRun

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
    CallFault.objects.filter(run=None, at__lt=timezone.now() - RUNS, connection__revoked_at=None).delete()
    _old_checks().delete()
    return gone


def _old_runs() -> QuerySet[SyncRun]:
    now = timezone.now()
    ended = SyncRun.objects.exclude(ended_at=None)
    newest = ended.order_by("source", "-id").distinct("source")
    lasting = Q(pk__in=newest.values("pk")) | Q(pk__in=newest.filter(verdict="").values("pk"))
    lasting |= Q(pk__in=newest.exclude(evidence=SyncRun.STOPPED).values("pk"))
    unchanged = Q(verdict="", added=0, changed=0, unreadable=0) & ~Exists(CallFault.objects.filter(run=OuterRef("pk")))
    old = Q(ended_at__lt=now - RUNS) | Q(unchanged, ended_at__lt=now - UNCHANGED_RUNS)
    return ended.filter(old).exclude(lasting)


def _old_checks() -> QuerySet[Job]:
    """The newest check of a connection is what its page says."""
    ended = Job.objects.filter(kind=checks.KIND).exclude(ended_at=None)
    newer = ended.filter(args=OuterRef("args"), pk__gt=OuterRef("pk"))
    return ended.filter(Exists(newer), ended_at__lt=timezone.now() - JOBS)


def purge_jobs() -> int:
    """Delete the jobs that did what they were for, in batches; how many. A file's stay: they say that it was read. So do those
    that a row of another table is about, until that row is gone.
    """
    old = Job.objects.filter(state__in=[JobState.DONE, JobState.STOPPED], ended_at__lt=timezone.now() - JOBS, file=None)
    old = old.exclude(kind=checks.KIND)
    for field in Job._meta.get_fields(include_hidden=True):
        if field.auto_created and field.is_relation and field.on_delete is PROTECT:
            old = old.exclude(Exists(field.related_model.objects.filter(**{field.field.name: OuterRef("pk")})))
    gone = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        Job.objects.filter(pk__in=batch).delete()
        gone += len(batch)
    return gone


PURGES["runs"] = purge
PURGES["jobs"] = purge_jobs
