"""A pull stores page by page, loses and doubles nothing, and says what its failures mean."""

from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import snooze
from apps.integrations import endings, jobs, operations, runs
from apps.integrations.contract import NotYet, PermanentError, TransientError
from apps.integrations.feeds import FEEDS
from apps.integrations.models import (
    Attempt,
    CallFault,
    Job,
    JobState,
    Source,
    StoredFile,
    SyncRun,
    UnreadableRecord,
    Verdict,
)
from apps.integrations.rules import MOST_TRIES
from apps.integrations.sleepers import after_reading
from tests.factories import StoredFileFactory, person
from tests.integrations.things import FEED, Outside, evidence, feed, revoked, things
from tests.integrations.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"a": "one", "b": "two", "c": "three"}


def counted(run: SyncRun) -> tuple[int, ...]:
    return run.pages, run.added, run.changed, run.unchanged, run.unreadable


def retried(run: SyncRun) -> SyncRun:
    """The run after its next try, which a person has brought forward."""
    operations.try_now(job=run.job, actor=person(Role.OPS, run.source.connection.entity))
    jobs.run_here(Job.objects.get(pk=run.job_id))
    return SyncRun.objects.select_related("job").get(pk=run.pk)


def test_every_page_is_stored_and_the_source_is_proven(source, outside, entity):
    before = timezone.now()
    run = runs.run_here(source)
    assert things(entity) == ALL
    assert (run.job.state, run.verdict, counted(run)) == (JobState.DONE, "", (2, 3, 0, 0, 0))
    assert run.job.result == {"pages": 2, "added": 3, "changed": 0, "unchanged": 0, "unreadable": 0}
    source.refresh_from_db()
    assert source.proven_at >= before
    assert source.newest_at >= before


def test_a_replay_reports_unchanged(source, outside, entity):
    runs.run_here(source)
    outside.pages[1]["c"] = "changed"
    assert counted(runs.run_here(source)) == (2, 0, 1, 2, 0)
    assert things(entity) == ALL | {"c": "changed"}


def test_an_empty_answer_proves_the_source_without_new_data(source, outside):
    outside.pages = [{}]
    run = runs.run_here(source)
    source.refresh_from_db()
    assert (run.job.state, source.newest_at) == (JobState.DONE, None)
    assert source.proven_at


def test_nothing_of_the_network_happens_inside_a_transaction(source, outside):
    inside = []
    outside.before_page = lambda number: inside.append(database.in_atomic_block)
    runs.run_here(source)
    assert inside == [False, False]


def test_documents_are_stored_before_their_page(source, outside, tmp_path, entity):
    path = tmp_path / "settlement.txt"
    path.write_bytes(b"raw bytes")
    outside.documents = [path]
    outside.pages = [{}]
    run = runs.run_here(source)
    assert counted(run) == (1, 1, 0, 0, 0)
    assert StoredFile.objects.get(connection=source.connection).name == "settlement.txt"


class TestFailures:
    def test_transient_goes_back_to_waiting_with_a_next_try(self, source, outside, entity):
        outside.fail([None, TransientError(evidence())])
        run = runs.run_here(source)
        assert things(entity) == {"a": "one", "b": "two"}  # the first page stays
        assert (run.job.state, run.verdict, run.ended_at) == (JobState.WAITING, Verdict.TRANSIENT, None)
        assert run.job.not_before > timezone.now() + timedelta(seconds=10)
        assert (run.job.error, [attempt.outcome for attempt in run.job.attempts.all()]) == (
            "It answered 503.",
            ["failed"],
        )
        fault = CallFault.objects.get()
        assert (fault.run, fault.status, fault.request_id, fault.verdict) == (run, 503, "b7e1-40fd", "transient")
        run = retried(run)
        assert outside.asked == [0, 1, 1]
        assert (things(entity), run.job.state, run.verdict) == (ALL, JobState.DONE, "")

    def test_it_waits_as_long_as_the_source_asks(self, source, outside):
        outside.fail([TransientError(evidence(429), retry_after=timedelta(hours=2))])
        run = runs.run_here(source)
        assert run.job.not_before > timezone.now() + timedelta(minutes=119)

    def test_its_message_comes_when_the_time_does(self, source, outside, messages):
        run = runs.pull(source)
        assert messages("sync") == [run.job_id]
        outside.fail([TransientError(evidence())])
        messages.drain()
        jobs.run(run.job_id, "host:1:a")
        assert messages("sync") == [run.job_id]
        jobs.run(run.job_id, "host:1:b")  # comes too early
        assert run.job.attempts.count() == 1

    def test_after_eight_tries_it_ends_as_transient_exhausted(self, source, outside):
        outside.fail([TransientError(evidence())] * MOST_TRIES)
        run = runs.run_here(source)
        while run.job.state == JobState.WAITING:
            run = retried(run)
        assert (run.job.attempts.count(), run.job.state, run.verdict) == (MOST_TRIES, JobState.FAILED, "transient")
        assert run.ended_at
        assert run.evidence["attempts"] == MOST_TRIES
        assert run.job.error == "It answered 503. Tried 8 times."

    def test_tries_count_anew_once_the_run_got_on(self, source, outside):
        outside.fail([TransientError(evidence())] * 3 + [None, TransientError(evidence())])
        run = runs.run_here(source)
        for attempts in (1, 2, 3, 1):
            assert run.evidence["attempts"] == attempts
            run = retried(run)
        assert run.job.state == JobState.DONE

    def test_a_run_that_is_paced_and_never_gets_on_ends_and_says_so(self, source, outside):
        outside.fail([NotYet("Its turn comes.", timedelta(seconds=60))] * MOST_TRIES)
        run = runs.run_here(source)
        while run.job.state == JobState.WAITING:
            assert (run.verdict, run.ended_at, run.job.attempts.last().outcome) == ("", None, Attempt.Outcome.PUT_OFF)
            run = retried(run)
        assert (run.job.attempts.count(), run.job.state, run.verdict) == (MOST_TRIES, JobState.FAILED, "transient")
        assert run.job.error == "Its turn comes. Tried 8 times, and none got any further."
        assert run.ended_at and run.evidence["attempts"] == MOST_TRIES
        assert Case.objects.live().filter(entity=source.entity, type=endings.UNAVAILABLE).exists()

    def test_a_run_that_is_paced_and_gets_on_goes_on(self, source, outside, entity):
        pause = NotYet("Its turn comes.", timedelta(seconds=60))
        outside.fail([pause] * (MOST_TRIES - 1) + [None, pause])
        run = runs.run_here(source)
        for _ in range(MOST_TRIES):
            assert run.job.state == JobState.WAITING
            run = retried(run)
        assert (run.job.state, run.verdict, things(entity)) == (JobState.DONE, "", ALL)

    def test_permanent_ends_at_once_as_structural(self, source, outside):
        outside.fail([PermanentError(evidence(400, "InvalidInput"))])
        run = runs.run_here(source)
        assert (run.job.state, run.verdict, run.job.error) == (JobState.FAILED, "structural", "It answered 400.")
        assert run.evidence["code"] == "InvalidInput"

    def test_a_refusal_beside_the_same_call_working_is_not_known(self, source, outside):
        runs.run_here(source)
        outside.fail([PermanentError(evidence(400))])
        assert runs.run_here(source).verdict == Verdict.UNKNOWN

    def test_a_refusal_is_not_known_once_the_same_call_works_within_that_minute(self, source, outside):
        outside.fail([PermanentError(evidence(400))])
        refused = runs.run_here(source)
        assert refused.verdict == Verdict.STRUCTURAL
        runs.run_here(source)
        refused.refresh_from_db()
        assert refused.verdict == Verdict.UNKNOWN

    def test_a_revoked_consent_stops_every_feed_of_the_connection(self, source, outside, entity, monkeypatch):
        other = Source.objects.create(connection=source.connection, feed="tests.others", every=timedelta(hours=1))
        outside.fail([revoked()])
        run = runs.run_here(source)
        assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
        source.connection.refresh_from_db()
        assert source.connection.revoked_at
        with pytest.raises(Refused, match="not authorised since"):
            runs.pull(other)
        runs.pull_due(other.pk)
        assert SyncRun.objects.count() == 1

    def test_what_is_no_verdict_of_the_connector_is_a_fault_of_ours(self, source, outside):
        outside.fail([KeyError("payload")])
        run = runs.run_here(source)
        assert (run.job.state, run.verdict, run.evidence["kind"]) == (JobState.FAILED, "unknown", "internal")
        assert run.job.error.startswith("Internal: a fault of ours")
        assert runs.run_here(source).job.state == JobState.DONE

    def test_what_the_domain_refuses_undoes_its_page_alone(self, source, outside, entity):
        outside.pages[1] = {"c": "three", "d": "refused"}
        run = runs.run_here(source)
        assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
        assert run.job.error == "No thing like this can be taken."
        assert things(entity) == {"a": "one", "b": "two"}


class TestUnreadable:
    def test_it_is_kept_raw_and_stops_nothing(self, source, outside, entity):
        outside.pages[0]["b"] = None
        run = runs.run_here(source)
        assert (counted(run), things(entity)) == ((2, 2, 0, 0, 1), {"a": "one", "c": "three"})
        kept = UnreadableRecord.objects.get()
        assert (kept.key, kept.raw, kept.words, kept.read_at) == ("b", {"text": None}, "text: expected words", None)

    def test_it_ends_when_it_comes_readable(self, source, outside, entity):
        outside.pages[0]["b"] = None
        runs.run_here(source)
        outside.pages[0]["b"] = "two"
        runs.run_here(source)
        kept = UnreadableRecord.objects.get()
        assert (things(entity), kept.raw) == (ALL, {})
        assert kept.read_at

    def test_it_is_read_from_what_was_kept(self, source, outside, entity):
        outside.pages[0]["b"] = None
        runs.run_here(source)
        kept = UnreadableRecord.objects.get()
        with pytest.raises(Refused, match="still cannot be read: text: expected words"):
            runs.process_again(kept)
        kept.raw = {"text": "two"}
        runs.process_again(kept)
        kept.refresh_from_db()
        assert (things(entity)["b"], bool(kept.read_at)) == ("two", True)

    def test_a_record_of_a_feed_that_nobody_knows_any_more_is_said(self, source, outside):
        outside.pages[0]["b"] = None
        runs.run_here(source)
        Source.objects.update(feed="things.of-old")
        with pytest.raises(Refused, match="No program here knows the feed"):
            runs.process_again(UnreadableRecord.objects.get())

    def test_text_that_the_database_cannot_hold_is_kept_as_far_as_it_can(self, source, outside):
        outside.pages = [{"nul\0": None, "half \ud800": None}]
        run = runs.run_here(source)
        assert run.unreadable == 2
        assert sorted(UnreadableRecord.objects.values_list("key", flat=True)) == [
            "half ?",
            "nul\N{REPLACEMENT CHARACTER}",
        ]


class TestOneRunOfASource:
    def test_the_second_who_asks_gets_the_live_one(self, source, outside, entity):
        ops = person(Role.OPS, entity)
        first = runs.pull(source, ops)
        assert runs.pull(source) == first
        assert SyncRun.objects.count() == 1
        entry = AuditEntry.objects.get(verb="source.pulled")
        assert (entry.actor, entry.after["run"]) == (ops, first.pk)

    def test_two_who_ask_at_the_same_time_get_one(self, source, outside):
        together, found = Barrier(2), []

        def ask():
            together.wait()
            found.append(runs.pull(Source.objects.get(pk=source.pk)).pk)

        for thread in [in_thread(ask), in_thread(ask)]:
            thread.join()
        assert len(found) == 2
        assert len(set(found)) == 1

    def test_a_run_that_was_stopped_makes_room_for_the_next(self, source, outside, entity):
        stopped = runs.pull(source)
        operations.stop(job=stopped.job, actor=person(Role.OPS, entity))
        following = runs.run_here(source)
        stopped.refresh_from_db()
        assert (following.job.state, stopped.evidence) == (JobState.DONE, {"kind": "stopped"})
        assert stopped.ended_at

    def test_a_run_that_ended_runs_again_unless_a_newer_one_is_under_way(self, source, outside, entity):
        ops = person(Role.OPS, entity)
        outside.fail([PermanentError(evidence(400))])
        first = runs.run_here(source)
        jobs.run_here(operations.run_again(job=first.job, actor=ops))
        first.refresh_from_db()
        assert (first.job.state, first.verdict) == (JobState.DONE, "")
        operations.stop(job=runs.pull(source).job, actor=ops)
        newer = runs.pull(source)
        stopped = SyncRun.objects.exclude(pk__in=[first.pk, newer.pk]).get()
        refused = jobs.run_here(operations.run_again(job=stopped.job, actor=ops))
        assert refused.error == "A newer run of this feed is under way. This one stays ended."
        assert runs.run_here(source) == newer

    def test_the_schedule_leaves_a_paused_source_alone(self, source, outside):
        Source.objects.filter(pk=source.pk).update(paused=True)
        runs.pull_due(source.pk)
        assert not SyncRun.objects.exists()
        Source.objects.filter(pk=source.pk).update(paused=False)
        runs.pull_due(source.pk)
        assert SyncRun.objects.exists()

    def test_who_may_not_pull_is_told(self, source, entity):
        with pytest.raises(NotAllowed, match="cannot run or stop background work"):
            runs.pull(source, person(Role.FINANCE, entity))


def test_a_killed_worker_is_replaced_at_the_last_page_that_was_stored(source, outside: Outside, entity):
    run = runs.pull(source)

    def take_it_away(number: int) -> None:
        if number == 1:
            Job.objects.filter(pk=run.job_id).update(runner="host:2:b", lease_until=Now() - timedelta(seconds=1))

    outside.before_page = take_it_away
    jobs.run(run.job_id, "host:1:a")
    assert things(entity) == {"a": "one", "b": "two"}  # its second page was not committed
    jobs.requeue_expired()
    outside.before_page = lambda number: None
    run = SyncRun.objects.select_related("job").get(pk=run.pk)
    jobs.run_here(run.job)
    run.refresh_from_db()
    assert outside.asked == [0, 1, 1]
    assert (things(entity), counted(run)) == (ALL, (2, 3, 0, 0, 0))


def test_a_run_wakes_what_slept_until_it(source, outside, entity, monkeypatch):
    monkeypatch.setitem(FEEDS, FEED, replace(feed(), opens=("record.unreadable",)))
    outside.pages[0]["b"] = None
    runs.run_here(source)
    case = Case.objects.get(type="record.unreadable")
    snooze(case=case, actor=person(Role(case.team), entity), next_run=True, reason="Amazon mends it")
    runs.run_here(source)
    case.refresh_from_db()
    assert case.state == "open"
    entry = AuditEntry.objects.about(case.audit_subject).get(verb="case.woken")
    assert entry.reason == f"The feed “Things” of {source.connection} has run, and the cause is still there."


def test_a_run_wakes_nothing_before_what_it_brought_is_read(source, outside, entity, monkeypatch):
    reader = jobs.JobKind(name="test.read", queue="files", run=lambda job, progress: {}, title="Read", after=after_reading)
    monkeypatch.setitem(jobs.KINDS, reader.name, reader)
    monkeypatch.setitem(FEEDS, FEED, replace(feed(), opens=("record.unreadable",), read_by=reader.name))
    outside.pages[0]["b"] = None
    runs.run_here(source)
    case = Case.objects.get(type="record.unreadable")
    snooze(case=case, actor=person(Role(case.team), entity), next_run=True, reason="Amazon mends it")
    file = StoredFileFactory(connection=source.connection)
    first, last = (jobs.create(kind=reader.name, entity=entity, file=file) for _ in range(2))
    runs.run_here(source)
    jobs.run_here(first)
    case.refresh_from_db()
    assert case.state == "snoozed"
    jobs.run_here(last)
    case.refresh_from_db()
    assert case.state == "open"
