"""Feeds in real processes: the clock has them pulled, and a killed worker's successor goes on at the last page."""

import os
import signal
from datetime import timedelta

import pytest
from django_celery_beat.models import PeriodicTask

from apps.integrations import runs, schedules
from apps.integrations.models import JobState, Source, SyncRun
from tests.factories import ConnectionFactory
from tests.integrations.things import things
from tests.polling import eventually
from tests.processes.slow import FEED, PAGES
from tests.processes.watching import state, worker_group

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ALL = {key: text for page in PAGES for key, text in page.items()}


@pytest.fixture
def source(process_env) -> Source:
    return Source.objects.create(connection=ConnectionFactory(), feed=FEED, every=timedelta(seconds=1))


def test_a_killed_worker_is_replaced_and_no_record_is_lost_or_doubled(source, supervised):
    run = runs.pull(source)
    with supervised("quick", "beat"):
        eventually(lambda: SyncRun.objects.get(pk=run.pk).pages >= 2, "two pages to be stored", seconds=60)
        killed = worker_group(run.job)
        os.killpg(killed, signal.SIGKILL)
        eventually(lambda: run.job.attempts.filter(number=2).exists(), "the replacement to claim the run", seconds=30)
        assert worker_group(run.job) != killed
        eventually(lambda: state(run.job) == JobState.DONE, "the replacement to end", seconds=60)
    run.refresh_from_db()
    assert things(source.connection.entity) == ALL
    assert (run.pages, run.added, run.changed, run.unchanged) == (len(PAGES), len(ALL), 0, 0)
    assert [attempt.outcome for attempt in run.job.attempts.all()] == ["lost", "done"]


def test_the_clock_has_a_feed_pulled_that_it_learns_of_while_it_runs(source, supervised):
    with supervised("quick", "beat"):
        eventually(lambda: PeriodicTask.objects.filter(name="requeue-expired").exists(), "the clock to begin", seconds=60)
        schedules.keep(source)
        run = eventually(lambda: SyncRun.objects.filter(source=source).first(), "the clock to pull the feed", seconds=60)
        eventually(lambda: state(run.job) == JobState.DONE, "the run to end", seconds=60)
    assert run.job.asked_by is None
    assert things(source.connection.entity) == ALL
