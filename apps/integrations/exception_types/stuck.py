"""job.stuck: work whose worker went silent again and again."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from apps.core.models import User
from apps.core.permissions import RUN_JOBS, Team
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations import jobs, operations
from apps.integrations.models import Attempt, Job, JobState
from apps.integrations.words import instant

ATTEMPTS_SHOWN = 10


def stuck_jobs(scope: Scope) -> Iterator[Finding]:
    found = Job.objects.filter(entity=scope.entity, state=JobState.STUCK)
    if scope.subjects is not None:
        found = found.filter(pk__in=[int(subject) for subject in scope.subjects])
    newest = Prefetch("attempts", Attempt.objects.order_by("-number"), to_attr="newest_first")
    for job in found.select_related("file", "asked_by").prefetch_related(newest).order_by("pk"):
        yield Finding(subject=str(job.pk), currency=scope.entity.base_currency, facts=_facts(job))


def _facts(job: Job) -> dict[str, Any]:
    """Instants as people read them, in UTC like the log that they lead to."""
    return {
        "job": job.pk,
        "title": jobs.title(job),
        "kind": job.kind,
        "file": job.file.name if job.file else "",
        "asked_by": job.asked_by.name if job.asked_by else "",
        "leases_lost": job.leases_lost,
        "last_words": job.progress_words,
        "attempts": [
            {
                "number": attempt.number,
                "runner": attempt.runner,
                "started": instant(attempt.started_at),
                "ended": instant(attempt.ended_at),
                "outcome": attempt.get_outcome_display(),
                "error": attempt.error,
            }
            for attempt in job.newest_first[:ATTEMPTS_SHOWN]
        ],
    }


def headline(case: Case) -> str:
    facts = case.facts
    about = f" ({facts['file']})" if facts["file"] else ""
    return f"“{facts['title']}”{about} lost its worker {facts['leases_lost']} times and no longer starts by itself"


def _planner(effect: str, says: str) -> Callable[[Case, User, dict[str, Any]], Plan]:
    def plan(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
        job = _job(case)
        seen = digest(job.pk, job.state, job.attempts_made, job.leases_lost)
        return Plan(effect=effect, says=says, digest=seen)

    return plan


def _run_again(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    job = operations.run_again(job=_job(case), actor=actor, reason=cleaned["reason"])
    return f"Job {job.pk} waits for a worker."


def _stop(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    job = operations.stop(job=_job(case), actor=actor, reason=cleaned["reason"])
    return f"Job {job.pk} is stopped."


def _job(case: Case) -> Job:
    return Job.objects.get(pk=int(case.subject))


RUN_AGAIN = Action(
    name="run-again",
    label="Run again",
    permission=RUN_JOBS,
    form=ReasonForm,
    preview=_planner(
        "Run the job again",
        "A worker starts it within seconds, from the beginning. What it had not finished before was undone, so "
        "nothing is counted twice. If its worker goes silent three more times, the case comes back.",
    ),
    run=_run_again,
    clears=(jobs.STUCK_CODE,),
)

STOP = Action(
    name="stop",
    label="Stop for good",
    permission=RUN_JOBS,
    form=ReasonForm,
    preview=_planner(
        "Stop the job",
        "Nothing starts it any more, and this case closes. What it should have done is not done. You can run it "
        "again later.",
    ),
    run=_stop,
    clears=(jobs.STUCK_CODE,),
)

JOB_STUCK = register(
    ExceptionType(
        code=jobs.STUCK_CODE,
        title="Background work lost its worker",
        team=Team.OPS,
        diagnosis=Diagnosis.UNKNOWN,
        holds_back=True,
        floor=Decimal(50),
        respond_within=timedelta(days=1),
        detect=stuck_jobs,
        headline=headline,
        panel="cases/job.html",
        actions=(RUN_AGAIN, STOP),
        runbook=Runbook(
            impact="The work is not done, and whatever needs it waits too: a file that is not read has no journals.",
            steps=(
                "Look at the attempts: did they end on one machine, and after about the same time?",
                "Have an admin read that machine's log at those times: a worker that ran out of memory leaves a line there.",
                "Mend what killed it, or make room, and run the job again.",
                "If the work is no longer wanted, stop it and say why.",
            ),
            prevention="Give the machine the memory that the largest file needs, and let work end before it is stopped.",
            escalate="Ask an admin when a second run ends the same way: then it is a fault of ours. Send the log.",
        ),
    )
)
