"""People run work again and stop it, from its page or from the case of stuck work; both ways are audited."""

import pytest
from django.db.models.functions import Now
from django.template.loader import render_to_string

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.exceptions.operations import find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs, operations
from apps.integrations.leases import LEASE
from apps.integrations.models import Attempt, Job, JobState
from tests.factories import ConnectionFactory, EntityFactory, person

pytestmark = pytest.mark.django_db(transaction=True)
MAY = (Role.OPS, Role.ADMIN)


@pytest.fixture
def work(kind) -> str:
    return kind(lambda job, progress: {}, queue="files")


def stuck_job(entity, work: str) -> Job:
    job = Job.objects.create(
        kind=work, entity=entity, state=JobState.STUCK, attempts_made=3, leases_lost=3, progress_words="Reading lines"
    )
    for number in (1, 2, 3):
        job.attempts.create(number=number, runner=f"host:{number}:a", outcome=Attempt.Outcome.LOST, ended_at=Now())
    return job


def case_of(job: Job) -> Case:
    sweep(jobs.STUCK_CODE, Scope(entity=job.entity))
    return Case.objects.get(type=jobs.STUCK_CODE, subject=str(job.pk))


def act(case: Case, name: str, actor, reason: str = "More memory now"):
    action, data = find_action(case, name), {"reason": reason}
    _, planned = plan(case=case, action=action, actor=actor, data=data)
    return perform(case=case, action=action, actor=actor, data=data, digest=planned.digest)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("verb", [operations.run_again, operations.stop])
def test_only_operations_and_admins_run_and_stop_work(verb, role, entity, work, messages):
    job, actor = stuck_job(entity, work), person(role, entity)
    if role in MAY:
        assert verb(job=job, actor=actor).state != JobState.STUCK
    else:
        with pytest.raises(NotAllowed, match=r"cannot run or stop background work\. Admin and Operations can\."):
            verb(job=job, actor=actor)
        assert Job.objects.get().state == JobState.STUCK


def test_a_role_in_another_company_does_not_count(entity, work):
    with pytest.raises(NotAllowed):
        operations.stop(job=stuck_job(entity, work), actor=person(Role.OPS, EntityFactory()))


def test_running_again_gives_three_new_leases_and_sends_the_job(entity, work, messages):
    job, actor = stuck_job(entity, work), person(Role.OPS, entity)
    operations.run_again(job=job, actor=actor, reason="More memory now")
    assert messages("files") == [job.pk]
    jobs.run(job.pk, "host:4:a")
    job.refresh_from_db()
    assert (job.state, job.leases_lost, job.attempts_made) == (JobState.DONE, 0, 4)
    entry = AuditEntry.objects.about(f"job:{job.pk}").get()
    assert (entry.verb, entry.actor, entry.reason) == ("job.run-again", actor, "More memory now")
    assert (entry.before["state"], entry.after["state"]) == ("stuck", "waiting")


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.RUNNING, JobState.DONE])
def test_work_that_waits_runs_or_is_done_is_not_run_again(state, entity, work):
    job = Job.objects.create(kind=work, entity=entity, state=state, lease_until=Now() + LEASE)
    with pytest.raises(Refused, match=f"Job {job.pk} is {state}"):
        operations.run_again(job=job, actor=person(Role.OPS, entity))


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.STOPPED])
def test_ended_work_is_not_stopped(state, entity, work):
    job = Job.objects.create(kind=work, entity=entity, state=state)
    with pytest.raises(Refused, match=f"Job {job.pk} is {state} already"):
        operations.stop(job=job, actor=person(Role.OPS, entity))


def test_stopped_work_writes_nothing_more(entity, kind, messages):
    actor = person(Role.OPS, entity, name="Ian Grove")

    def stopped_midway(job, progress):
        ConnectionFactory(entity=job.entity)
        operations.stop(job=job, actor=actor)
        return {"status": "taken"}

    job = jobs.create(kind=kind(stopped_midway), entity=entity)
    jobs.run(job.pk, "host:1:a")
    job.refresh_from_db()
    assert (job.state, job.result, job.error) == (JobState.STOPPED, {}, "Ian Grove stopped it.")
    assert [(attempt.outcome, attempt.error) for attempt in job.attempts.all()] == [("failed", "Ian Grove stopped it.")]
    jobs.run(job.pk, "host:2:a")
    assert job.attempts.count() == 1


def test_stuck_work_is_a_case_with_its_attempts(entity, work):
    job = stuck_job(entity, work)
    case = case_of(job)
    assert (case.team, case.diagnosis) == ("ops", "unknown")
    assert case.kind.headline(case) == "“Test the workers” lost its worker 3 times and no longer starts by itself"
    page = render_to_string(case.kind.panel, {"case": case})
    assert "Reading lines" in page
    assert all(f"host:{number}:a" in page for number in (1, 2, 3))


def test_a_second_sweep_changes_nothing(entity, work):
    case = case_of(stuck_job(entity, work))
    again = sweep(jobs.STUCK_CODE, Scope(entity=entity))
    assert (again.opened, again.refreshed, again.cleared) == (0, 0, 0)
    assert sweep(jobs.STUCK_CODE, Scope(entity=entity, subjects=frozenset({case.subject}))) == again


@pytest.mark.parametrize("action, state", [("run-again", JobState.WAITING), ("stop", JobState.STOPPED)])
def test_both_actions_resolve_the_case(action, state, entity, work, messages):
    job, actor = stuck_job(entity, work), person(Role.OPS, entity)
    other = case_of(stuck_job(entity, work))
    outcome = act(case_of(job), action, actor)
    assert outcome.resolved
    assert (outcome.case.state, outcome.case.ended_by) == (State.RESOLVED, actor)
    assert Job.objects.get(pk=job.pk).state == state
    other.refresh_from_db()
    assert other.is_live


def test_the_case_is_resolved_too_where_the_job_is_run_again_from_its_own_page(entity, work, messages):
    job, actor = stuck_job(entity, work), person(Role.ADMIN, entity)
    case = case_of(job)
    operations.run_again(job=job, actor=actor)
    case.refresh_from_db()
    assert (case.state, case.ended_by) == (State.RESOLVED, actor)
