"""What people do to background work."""

from django.db import transaction
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import RUN_JOBS
from apps.integrations import jobs
from apps.integrations.models import Attempt, Job, JobState

CAN_RUN_AGAIN = (JobState.STUCK, JobState.FAILED, JobState.STOPPED)
CAN_STOP = (JobState.WAITING, JobState.RUNNING, JobState.STUCK)


@transaction.atomic
def run_again(*, job: Job, actor: User, reason: str = "") -> Job:
    """Put an ended job back to waiting, with three new leases to lose."""
    job = _locked(job, actor)
    if job.state not in CAN_RUN_AGAIN:
        now = job.get_state_display().lower()
        raise Refused(f"Job {job.pk} is {now}. Only failed, stuck or stopped work runs again.")
    before = _seen(job)
    job.state = JobState.WAITING
    job.leases_lost = 0
    job.error = ""
    job.ended_at = None
    job.not_before = Now()
    job.save(update_fields=["state", "leases_lost", "error", "ended_at", "not_before"])
    jobs.send_on_commit(job)
    return _written(job, actor, "job.run-again", before, reason)


@transaction.atomic
def stop(*, job: Job, actor: User, reason: str = "") -> Job:
    """End a job for good. Its runner notices within seconds and commits nothing more."""
    job = _locked(job, actor)
    if job.state not in CAN_STOP:
        raise Refused(f"Job {job.pk} is {job.get_state_display().lower()} already. There is nothing to stop.")
    before = _seen(job)
    words = f"{actor.name} stopped it."
    job.attempts.filter(outcome=Attempt.Outcome.RUNNING).update(
        outcome=Attempt.Outcome.FAILED, error=words, ended_at=Now()
    )
    job.state = JobState.STOPPED
    job.runner = ""
    job.lease_until = None
    job.error = words
    job.ended_at = Now()
    job.save(update_fields=["state", "runner", "lease_until", "error", "ended_at"])
    return _written(job, actor, "job.stopped", before, reason)


def _locked(job: Job, actor: User) -> Job:
    """The job as it is now, kept so until the commit. Work of no company is anybody's who runs jobs somewhere."""
    if not (actor.may(RUN_JOBS, job.entity_id) if job.entity_id else actor.may_anywhere(RUN_JOBS)):
        roles = " and ".join(sorted(role.label for role in RUN_JOBS.roles))
        raise NotAllowed(f"Your role cannot {RUN_JOBS.does}. {roles} can. Nothing was changed.")
    return Job.objects.select_for_update(of=("self",)).select_related("entity", "file").get(pk=job.pk)


def _seen(job: Job) -> dict:
    return {"state": job.state, "attempts": job.attempts_made, "leases_lost": job.leases_lost, "error": job.error}


def _written(job: Job, actor: User, verb: str, before: dict, reason: str) -> Job:
    AuditEntry.objects.record(
        actor=actor,
        entity=job.entity,
        verb=verb,
        subject=f"job:{job.pk}",
        before=before,
        after=_seen(job),
        reason=reason,
    )
    jobs.sweep_on_commit(job, ended_by=actor)
    job.refresh_from_db(fields=["ended_at", "not_before"])
    return job
