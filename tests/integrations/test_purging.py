"""What is old goes, what somebody may still ask for stays."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.integrations import checks
from apps.integrations.models import Attempt, CallFault, Connection, Job, JobState, Source, SyncRun
from apps.integrations.purging import purge
from apps.inventory.models import Snapshot
from tests.integrations.things import EVERY

pytestmark = pytest.mark.django_db


def run(source: Source, days: float, *, faults: int = 0, **values) -> SyncRun:
    """A run that ended so many days ago."""
    ended_at = timezone.now() - timedelta(days=days)
    job = Job.objects.create(kind="integrations.sync", entity=source.entity, state=JobState.DONE, ended_at=ended_at)
    Attempt.objects.create(job=job, number=1, runner="tests", outcome=Attempt.Outcome.DONE, ended_at=ended_at)
    made = SyncRun.objects.create(source=source, job=job, ended_at=ended_at, **values)
    for _ in range(faults):
        fault(source, days, run=made)
    return made


def fault(source: Source, days: float, **values) -> CallFault:
    at = timezone.now() - timedelta(days=days)
    return CallFault.objects.create(
        connection=source.connection, at=at, operation="getThings", words="No", verdict="transient", **values
    )


def left() -> set[int]:
    purge()
    return set(SyncRun.objects.values_list("pk", flat=True))


def test_runs_that_brought_nothing_new_go_after_14_days_and_others_after_90(source):
    stays = [
        run(source, 89, verdict="structural", evidence={"kind": "permanent"}),
        run(source, 89, added=1),
        run(source, 89, faults=2),
        run(source, 13, unchanged=7),
        run(source, 0, unchanged=7),
    ]
    for days, values in ((15, {"unchanged": 7}), (91, {"added": 1}), (91, {"verdict": "structural"}), (91, {"faults": 2})):
        run(source, days, **values)
    run(source, 0)  # so that none of these is the last
    stays.append(SyncRun.objects.latest("pk"))
    assert left() == {each.pk for each in stays}
    assert set(Job.objects.values_list("pk", flat=True)) == {each.job_id for each in stays}
    assert Attempt.objects.count() == len(stays)
    assert CallFault.objects.count() == 2


def test_the_last_run_of_a_feed_stays_and_the_last_that_worked(source):
    run(source, 400)
    worked = run(source, 300)
    run(source, 250, verdict="structural", evidence={"kind": "permanent"})
    failed = run(source, 200, verdict="structural", evidence={"kind": "permanent"})
    stopped = run(source, 180, verdict="unknown", evidence=SyncRun.STOPPED)
    other = Source.objects.create(connection=source.connection, feed="tests.others", every=EVERY)
    quiet = run(other, 500)
    assert left() == {worked.pk, failed.pk, stopped.pk, quiet.pk}


def test_a_run_that_is_under_way_stays_however_long_it_takes(source):
    live = run(source, 100)
    SyncRun.objects.filter(pk=live.pk).update(ended_at=None)
    run(source, 0)
    assert live.pk in left()


def test_what_a_run_brought_stays_without_it(source):
    old, _ = run(source, 91), run(source, 0)
    began = timezone.now()
    kept = Snapshot.objects.create(connection=source.connection, marketplace="A1F83G8C2ARO7P", began_at=began, run=old)
    purge()
    kept.refresh_from_db()
    assert kept.run is None


def test_faults_and_checks_of_a_connection_go_too_but_for_its_last_check(source):
    stays = fault(source, 89)
    fault(source, 91)
    old = timezone.now() - timedelta(days=91)
    asked = {"kind": checks.KIND, "entity": source.entity, "ended_at": old, "state": JobState.DONE}
    Job.objects.create(**asked, args={"connection": source.connection_id})
    last = Job.objects.create(**asked, args={"connection": source.connection_id})
    other = Job.objects.create(**asked, args={"connection": 0})
    purge()
    assert list(CallFault.objects.all()) == [stays]
    assert set(Job.objects.all()) == {last, other}


def test_what_a_connection_was_answered_that_is_still_not_let_in_stays(source):
    """A check may meet the withdrawn consent first: no run keeps that fault, and the case takes its words from it."""
    refused = fault(source, 91)
    Connection.objects.filter(pk=source.connection_id).update(revoked_at=refused.at)
    purge()
    assert CallFault.objects.filter(pk=refused.pk).exists()
    Connection.objects.filter(pk=source.connection_id).update(revoked_at=None)
    purge()
    assert not CallFault.objects.filter(pk=refused.pk).exists()


def test_sixty_runs_go_in_as_many_statements_as_two(source):
    counts = []
    for number in (2, 60):
        for _ in range(number):
            run(source, 91)
        run(source, 0)
        with CaptureQueriesContext(database) as asked:
            assert purge() == number
        counts.append(len(asked))
    assert counts[0] == counts[1]
