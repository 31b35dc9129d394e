"""A settlement that Amazon writes is read by itself, once, like one that a person uploads."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.contract import Page
from apps.integrations.feeds import FEEDS
from apps.integrations.files import store as store_file
from apps.integrations.jobs import run_here
from apps.integrations.models import Connection, Job, Source, SyncRun
from apps.integrations.runs import KIND
from apps.integrations.sleepers import after_run
from apps.ledger.models import Journal
from apps.settlements.models import READ_FILE
from tests.factories import CaseFactory, ConnectionFactory
from tests.settlements.files import File

pytestmark = pytest.mark.django_db(transaction=True)
FEED = FEEDS["amazon.settlements"]


@pytest.fixture
def source(entity, priya) -> Source:
    connection = ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)
    return Source.objects.create(connection=connection, feed=FEED.name, every=timedelta(hours=1))


def arrive(source: Source) -> tuple[int, int]:
    raw = File(settlement_id="30000000009").bytes()
    file = store_file(connection=source.connection, name="settlement_1.txt", chunks=[raw], actor=None)
    stored = FEED.store(source, Page(records=[], cursor={}), [file])
    return stored.added, stored.unchanged


def test_it_is_read_once_and_becomes_journals(source):
    assert arrive(source) == (1, 0)
    assert run_here(Job.objects.get()).result["status"] == "taken"
    assert Journal.objects.filter(key__startswith="stl:30000000009").exists()
    assert arrive(source) == (0, 1)
    assert Job.objects.count() == 1


def test_what_sleeps_until_the_next_run_is_looked_at_once_the_file_is_read(source, priya):
    """The run only stores the report, so what its lines mend is not mended when the run ends."""
    entity = source.connection.entity
    run = SyncRun.objects.create(source=source, job=Job.objects.create(kind=KIND, entity=entity), ended_at=timezone.now())
    asleep = {"state": "snoozed", "snoozed_for_run": run.job.created_at - timedelta(hours=1)}
    case = CaseFactory(entity=entity, type="settlement.missing", due_at=timezone.now() + timedelta(days=1), **asleep)
    arrive(source)
    after_run(run)
    case.refresh_from_db()
    assert case.state == "snoozed"
    run_here(Job.objects.get(kind=READ_FILE))
    case.refresh_from_db()
    assert case.state == "cleared"
