"""A job is claimed once, tells how it ended, and survives lost workers and lost messages."""

from datetime import timedelta
from threading import Barrier

import pytest
from celery import Celery
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, Refused
from apps.core.permissions import Role
from apps.integrations import jobs, operations
from apps.integrations.leases import LEASE, LeaseLost
from apps.integrations.models import Attempt, Job, JobState
from tests.factories import person
from tests.integrations.threads import in_thread
from tests.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)
RUNNER = "host:1:a"


def nothing(job, progress) -> dict:
    return {}


def running(entity, *, lease: timedelta = LEASE, **values) -> Job:
    """A job that a runner has, which may be gone by now."""
    job = Job.objects.create(
        kind="tests.work",
        entity=entity,
        state=JobState.RUNNING,
        runner=RUNNER,
        lease_until=Now() + lease,
        attempts_made=1,
        **values,
    )
    Attempt.objects.create(job=job, number=1, runner=RUNNER)
    return job


def outcomes(job: Job) -> list[str]:
    return list(job.attempts.values_list("outcome", flat=True))


def test_a_message_carries_the_id_to_the_kinds_queue_after_the_commit(kind, messages, entity):
    name = kind(nothing, queue="bulk")
    with transaction.atomic():
        job = jobs.enqueue(kind=name, entity=entity, args={"file": 7})
        assert messages("bulk") == []
    assert messages("bulk") == [job.pk]


def test_work_that_was_rolled_back_is_not_sent(kind, messages, entity):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue(kind=kind(nothing), entity=entity)
        raise ZeroDivisionError
    assert messages("files") == []


def test_any_thread_reaches_the_broker(kind, messages, entity):
    name = kind(nothing)
    in_thread(lambda: jobs.enqueue(kind=name, entity=entity)).join()
    assert messages("files") == [Job.objects.get().pk]


def test_without_a_broker_the_row_stays_and_is_sent_later(kind, messages, entity, monkeypatch):
    name = kind(nothing)
    with monkeypatch.context() as away:
        away.setattr(jobs, "current_app", Celery(broker="redis+socket:///nowhere.sock", set_as_current=False))
        job = jobs.enqueue(kind=name, entity=entity)
    assert job.state == JobState.WAITING
    Job.objects.update(not_before=Now() - timedelta(seconds=16))
    jobs.requeue_expired()
    assert messages("files") == [job.pk]


def test_a_job_ends_with_its_result(kind, messages, entity):
    def read(job, progress):
        progress.say("Reading lines", 40, 100)
        progress.say("Writing journals")
        return {"status": "taken", "args": job.args}

    job = jobs.create(kind=kind(read), entity=entity, args={"file": 7})
    jobs.run(job.pk, RUNNER)
    job.refresh_from_db()
    assert (job.state, job.result) == (JobState.DONE, {"status": "taken", "args": {"file": 7}})
    assert (job.progress_words, job.progress_done, job.progress_total) == ("Writing journals", 40, 100)
    assert (job.runner, job.lease_until, job.error) == ("", None, "")
    attempt = job.attempts.get()
    assert (attempt.number, attempt.runner, attempt.outcome) == (1, RUNNER, "done")
    assert attempt.ended_at >= attempt.started_at


def test_a_refusal_is_shown_in_its_own_words(kind, entity):
    def refuse(job, progress):
        raise Refused("Line 214 holds no amount. Expected a number.")

    job = jobs.run_here(jobs.create(kind=kind(refuse), entity=entity))
    assert (job.state, job.error) == (JobState.FAILED, "Line 214 holds no amount. Expected a number.")
    assert job.attempts.get().error == job.error


def test_a_fault_of_ours_says_so_and_keeps_its_traceback_in_the_log(kind, entity, caplog):
    def break_down(job, progress):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 'secret data' / 0")

    job = jobs.run_here(jobs.create(kind=kind(break_down), entity=entity))
    assert job.state == JobState.FAILED
    assert job.error.startswith("Internal: a fault of ours")
    assert "secret data" not in job.error
    assert "Traceback" in caplog.text


def test_a_broken_connection_still_ends_the_job(kind, entity):
    def cut(job, progress):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    job = jobs.run_here(jobs.create(kind=kind(cut), entity=entity))
    assert (job.state, outcomes(job)) == (JobState.FAILED, ["failed"])


def test_work_of_an_unknown_kind_fails_with_words(entity):
    job = jobs.run_here(Job.objects.create(kind="tests.unheard-of", entity=entity))
    assert job.state == JobState.FAILED
    assert "tests.unheard-of" in job.error


def test_a_repeated_message_does_nothing(kind, entity):
    runs = []
    job = jobs.create(kind=kind(lambda job, progress: runs.append(job.pk) or {}), entity=entity)
    for _ in range(3):
        jobs.run(job.pk, jobs.runner_name())
    assert runs == [job.pk]
    assert outcomes(job) == ["done"]


def test_of_several_runners_at_once_one_gets_the_job(kind, entity):
    runs, together = [], Barrier(4)
    job = jobs.create(kind=kind(lambda job, progress: runs.append(job.runner) or {}), entity=entity)

    def claim():
        together.wait(timeout=20)
        jobs.run(job.pk, jobs.runner_name())

    for thread in [in_thread(claim) for _ in range(4)]:
        thread.join()
    assert len(runs) == 1
    assert outcomes(job) == ["done"]


def test_work_is_not_started_before_its_time(kind, entity):
    job = jobs.create(kind=kind(nothing), entity=entity)
    Job.objects.update(not_before=Now() + timedelta(minutes=5))
    jobs.run(job.pk, RUNNER)
    assert outcomes(job) == []


def test_a_page_sees_progress_while_the_jobs_transaction_is_open(kind, entity):
    seen = []

    def look():
        eventually(lambda: Job.objects.get().progress_words == "Reading lines", "the words to appear")
        seen.append(Job.objects.get().progress_done)

    def read(job, progress):
        with transaction.atomic():
            progress.say("Reading lines", 5, 10)
            in_thread(look).join()
            jobs.hold(job)
        return {}

    job = jobs.run_here(jobs.create(kind=kind(read), entity=entity))
    assert (seen, job.state) == ([5], JobState.DONE)


def take_over(job: Job) -> None:
    """What happens to a job whose runner is silent: its lease ends, it is re-queued, and another runner does it."""

    def expired() -> bool:
        Job.objects.filter(pk=job.pk, runner=RUNNER).update(lease_until=Now() - LEASE)
        jobs.requeue_expired()
        return Job.objects.get(pk=job.pk).state == JobState.WAITING

    eventually(expired, "the lease to be taken")
    jobs.run(job.pk, "host:2:b")


def test_a_runner_that_lost_its_lease_is_cut_off_and_commits_nothing(kind, messages, entity):
    cut_off, went_on = [], []

    def write(job, progress):
        with transaction.atomic():
            job.entity.connections.create(name=f"written by {job.runner}")
            if job.runner == RUNNER:
                in_thread(lambda: take_over(job))
                try:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_sleep(120)")
                except Exception as error:
                    cut_off.append(type(error).__name__)
                    raise
                went_on.append(job.runner)
            jobs.hold(job)
        return {"by": job.runner}

    job = jobs.create(kind=kind(write), entity=entity)
    jobs.run(job.pk, RUNNER)
    eventually(lambda: Job.objects.get().state == JobState.DONE, "the other runner to end")
    job.refresh_from_db()
    assert (cut_off, went_on) == (["OperationalError"], [])
    assert job.result == {"by": "host:2:b"}
    assert outcomes(job) == ["lost", "done"]
    assert [row.name for row in entity.connections.all()] == ["written by host:2:b"]


def test_a_runner_between_two_statements_learns_it_from_its_progress_or_its_guard(kind, messages, entity):
    def write(job, progress):
        if job.runner == RUNNER:
            thread = in_thread(lambda: take_over(job))
            thread.join()
        with transaction.atomic():
            job.entity.connections.create(name=f"written by {job.runner}")
            jobs.hold(job)
        return {}

    job = jobs.create(kind=kind(write), entity=entity)
    jobs.run(job.pk, RUNNER)
    assert outcomes(job) == ["lost", "done"]
    assert [row.name for row in entity.connections.all()] == ["written by host:2:b"]


def test_the_guard_knows_its_runner(entity):
    job = running(entity)
    with transaction.atomic():
        jobs.hold(job)
    job.runner = "host:1:somebody-else"
    with pytest.raises(LeaseLost), transaction.atomic():
        jobs.hold(job)


def test_the_guard_guards_a_transaction(entity):
    with pytest.raises(transaction.TransactionManagementError):
        jobs.hold(running(entity))


def test_nobody_takes_a_job_between_its_guard_and_its_commit(entity, messages):
    job = running(entity, lease=-LEASE)
    with transaction.atomic():
        jobs.hold(job)
        in_thread(jobs.requeue_expired).join()
    jobs.requeue_expired()
    assert outcomes(job) == ["running"]
    assert messages("sweep") == []


def test_an_expired_lease_is_requeued_and_a_living_one_is_not(kind, messages, entity):
    kind(nothing)
    silent, alive = running(entity, lease=-LEASE), running(entity)
    jobs.requeue_expired()
    assert messages("files") == [silent.pk]
    assert (outcomes(silent), outcomes(alive)) == (["lost"], ["running"])
    jobs.run(silent.pk, "host:2:b")
    jobs.run(alive.pk, "host:2:b")
    assert Job.objects.get(pk=silent.pk).leases_lost == 1
    assert Job.objects.get(pk=alive.pk).runner == RUNNER


def test_the_third_lost_lease_leaves_the_job_to_a_person(kind, messages, entity):
    kind(nothing)
    job = running(entity, lease=-LEASE, leases_lost=2)
    jobs.requeue_expired()
    job.refresh_from_db()
    assert (job.state, job.leases_lost, job.lease_until) == (JobState.STUCK, 3, None)
    assert messages("files") == []
    assert [(case.type, case.subject) for case in entity.cases.live()] == [("job.stuck", str(job.pk))]


def test_a_lost_message_is_sent_again_once(kind, messages, entity):
    name = kind(nothing)
    job, fresh = jobs.create(kind=name, entity=entity), jobs.create(kind=name, entity=entity)
    Job.objects.filter(pk=job.pk).update(not_before=Now() - timedelta(seconds=16))
    jobs.requeue_expired()
    assert messages("files") == [job.pk]
    messages.drain()
    jobs.requeue_expired()
    assert messages("files") == []
    assert Job.objects.get(pk=fresh.pk).state == JobState.WAITING


def test_a_busy_queue_gets_no_second_message(kind, messages, entity):
    name = kind(nothing)
    waiting = [jobs.enqueue(kind=name, entity=entity) for _ in range(2)]
    Job.objects.update(not_before=Now() - timedelta(minutes=5))
    jobs.requeue_expired()
    assert messages("files") == [job.pk for job in waiting]


def test_a_program_runs_its_own_job_without_a_message(kind, messages, entity):
    job = jobs.run_here(jobs.create(kind=kind(nothing), entity=entity))
    assert job.state == JobState.DONE
    assert messages("files") == []


def test_a_program_waits_for_a_worker_that_has_its_job(kind, messages, entity):
    together = Barrier(2)

    def read(job, progress):
        together.wait(timeout=20)
        return {"by": job.runner}

    job = jobs.create(kind=kind(read), entity=entity)
    in_thread(lambda: jobs.run(job.pk, RUNNER))
    eventually(lambda: Job.objects.get().state == JobState.RUNNING, "the worker to have it")
    in_thread(lambda: together.wait(timeout=20))
    assert jobs.run_here(job).result == {"by": RUNNER}


def test_work_that_is_put_off_waits_for_its_time_and_keeps_its_words(kind, messages, entity):
    tries = []

    def work(job, progress):
        progress.say("Asking", 3, 10)
        tries.append(job.attempts_made)
        if len(tries) == 1:
            raise jobs.Later("It is closed until nine.", timedelta(hours=1))
        return {"tries": len(tries)}

    job = jobs.run_here(jobs.create(kind=kind(work), entity=entity))
    assert (job.state, job.error, job.ended_at, jobs.put_off(job)) == (JobState.WAITING, "It is closed until nine.", None, True)
    assert (job.progress_words, job.progress_done) == ("Asking", 3)
    attempt = job.attempts.get()
    assert (attempt.outcome, attempt.error) == ("failed", "It is closed until nine.")
    assert attempt.ended_at
    assert messages("files") == [job.pk]  # it comes when the time does
    jobs.run(job.pk, RUNNER)
    jobs.requeue_expired()
    assert tries == [1]
    job = jobs.run_here(operations.try_now(job=job, actor=person(Role.OPS, entity)))
    assert (job.state, job.result, job.error) == (JobState.DONE, {"tries": 2}, "")
    assert outcomes(job) == ["failed", "done"]


def test_only_what_waits_for_its_time_is_hastened(kind, entity):
    ops = person(Role.OPS, entity)
    job = jobs.create(kind=kind(nothing), entity=entity)
    with pytest.raises(Refused, match="waits for no next try"):
        operations.try_now(job=job, actor=ops)
    with pytest.raises(NotAllowed):
        operations.try_now(job=job, actor=person(Role.FINANCE, entity))
