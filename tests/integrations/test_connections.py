"""Connecting an account, keeping its schedules, checking it, giving it other credentials."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import Role
from apps.integrations import jobs, operations, runs
from apps.integrations.contract import TransientError
from apps.integrations.credentials import open_sealed
from apps.integrations.feeds import FEEDS
from apps.integrations.models import Connection, Job, JobState, Source, SyncRun
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.integrations.things import EVERY, FEED, evidence, feed, revoked
from tests.integrations.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

UK, DE, FR = "A1F83G8C2ARO7P", "A1PA6795UKMFR9", "A13V1IB3VIYZZH"
SECRETS = {"client_id": "amzn1.app.4711", "client_secret": "s3cret-one", "refresh_token": "Atzr|s3cret-two"}


@pytest.fixture
def admin(entity):
    return person(Role.ADMIN, entity)


@pytest.fixture
def connected(outside, entity, admin, settings) -> Connection:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    return operations.connect(
        entity=entity,
        name="Amazon",
        kind=Connection.Kind.AMAZON,
        region="sandbox",
        credentials=SECRETS,
        actor=admin,
    )


def task_of(source: Source) -> PeriodicTask:
    return PeriodicTask.objects.get(name=f"pull source {source.pk}")


def sources_of(connection: Connection) -> dict[str, Source]:
    return {source.feed: source for source in connection.sources.all()}


def test_it_gets_a_source_and_a_schedule_for_each_feed_of_its_kind(connected):
    assert (connected.endpoint, connected.token_url) == ("http://127.0.0.1:9", "http://127.0.0.1:9/auth/o2/token")
    assert connected.marketplaces == ["A1F83G8C2ARO7P", "A1PA6795UKMFR9"]
    source = sources_of(connected)[FEED]
    task = task_of(source)
    assert (task.task, json.loads(task.args)) == ("apps.integrations.tasks.pull_source", [source.pk])
    assert (task.interval.every, task.interval.period, task.enabled) == (600, "seconds", True)


def test_what_it_signs_in_with_is_told_to_nobody(connected, entity):
    assert open_sealed(connected) == SECRETS
    told = json.dumps(list(AuditEntry.objects.values("before", "after", "reason")))
    assert not any(secret in told for secret in SECRETS.values())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"region": "MOON"}, "no region MOON"),
        ({"region": "EU"}, "Choose the marketplaces"),
        ({"region": "EU", "marketplaces": ["ATVPDKIKX0DER"]}, "Choose the marketplaces"),
        ({"name": "Amazon"}, "called Amazon already"),
        ({"name": " "}, "Give it a name"),
        ({"credentials": SECRETS | {"refresh_token": ""}}, "Enter the refresh token"),
    ],
)
def test_what_cannot_be_connected_is_refused_whole(connected, entity, admin, wrong, words):
    asked = {"name": "Other", "kind": Connection.Kind.AMAZON, "region": "sandbox", "credentials": SECRETS}
    with pytest.raises(Refused, match=words):
        operations.connect(**{**asked, **wrong}, entity=entity, actor=admin)
    assert Connection.objects.count() == 1


def asking(entity, actor=None, **asked) -> Connection:
    """An account in the United Kingdom and Germany, unless asked otherwise."""
    what = {"name": "Europe", "region": "EU", "account": "A2X", "marketplaces": [UK, DE], "credentials": SECRETS} | asked
    return operations.connect(entity=entity, kind=Connection.Kind.AMAZON, actor=actor, **what)


def test_no_marketplace_of_an_account_is_brought_twice(outside, entity, admin):
    asking(entity, admin)
    with pytest.raises(Refused, match="Europe brings Germany of this account already") as refused:
        asking(entity, admin, name="Other", account=" a2x", marketplaces=[FR, DE])
    assert refused.value.field == "marketplaces"
    assert Connection.objects.count() == 1
    asking(entity, admin, name="France", marketplaces=[FR])
    asking(entity, admin, name="Sister", account="A3Y")
    asking(entity, admin, name="America", region="NA", marketplaces=["ATVPDKIKX0DER"])
    assert Connection.objects.count() == 4


def test_nor_by_two_companies_and_what_another_company_calls_it_is_told_to_its_own_alone(outside, entity, admin):
    elsewhere = EntityFactory(name="Brightfold Ltd")
    asking(elsewhere, name="Their Amazon")
    with pytest.raises(Refused, match="A connection that you cannot see brings United Kingdom, Germany of") as refused:
        asking(entity, admin)
    assert "Their" not in refused.value.words and "Brightfold" not in refused.value.words
    admin.memberships.create(entity=elsewhere, role=Role.VIEWER)
    with pytest.raises(Refused, match="Their Amazon of Brightfold Ltd brings United Kingdom, Germany of this account"):
        asking(entity, User.objects.get(pk=admin.pk))


def test_of_two_who_connect_an_account_at_once_the_second_waits_and_is_refused(outside, entity):
    elsewhere, said = EntityFactory(), []

    def second() -> None:
        with pytest.raises(Refused, match="already") as refused:
            asking(elsewhere)
        said.append(refused.value.words)

    with transaction.atomic():
        asking(entity)
        thread = in_thread(second)
        thread.join(1)
        assert thread.is_alive()
    thread.join(30)
    assert said and Connection.objects.count() == 1


def test_outside_the_demo_there_is_no_sandbox(entity, admin):
    with pytest.raises(Refused, match="Expected one of EU, NA, FE"):
        operations.connect(
            entity=entity, name="A", kind=Connection.Kind.AMAZON, region="sandbox", credentials=SECRETS, actor=admin
        )


def test_a_schedule_is_changed(connected, admin):
    source = operations.change_schedule(
        source=sources_of(connected)[FEED], every=timedelta(minutes=2), actor=admin, reason="Peak"
    )
    assert task_of(source).interval.every == 120
    entry = AuditEntry.objects.get(verb="source.rescheduled")
    assert (entry.before, entry.reason) == ({"every": str(EVERY)}, "Peak")
    assert entry.after == {"every": "0:02:00", "feed": FEED}


@pytest.mark.parametrize(
    ("every", "words"), [(timedelta(seconds=5), "1 minute to 7 days"), (EVERY, "that often already")]
)
def test_a_schedule_that_cannot_be_is_refused(connected, admin, every, words):
    with pytest.raises(Refused, match=words):
        operations.change_schedule(source=sources_of(connected)[FEED], every=every, actor=admin)


def test_a_paused_source_has_no_schedule_until_it_goes_on(connected, admin):
    source = operations.pause(source=sources_of(connected)[FEED], paused=True, actor=admin)
    assert (source.paused, task_of(source).enabled) == (True, False)
    with pytest.raises(Refused, match="paused already"):
        operations.pause(source=source, paused=True, actor=admin)
    before = source.watched_from
    source = operations.pause(source=source, paused=False, actor=admin)
    assert (source.paused, task_of(source).enabled) == (False, True)
    assert source.watched_from > before


def test_a_check_says_who_we_are_and_pulls_what_never_came(connected, admin):
    job = jobs.run_here(operations.check_connection(connection=connected, actor=admin))
    assert (job.state, job.result["words"]) == (JobState.DONE, "Northbay sells in 2 marketplaces.")
    pulled = set(SyncRun.objects.values_list("source__feed", flat=True))
    assert pulled == set(sources_of(connected))


def test_a_check_that_fails_says_why(connected, admin, outside):
    outside.fail([TransientError(evidence(503))])
    job = jobs.run_here(operations.check_connection(connection=connected, actor=admin))
    assert (job.state, job.error) == (JobState.FAILED, "It answered 503.")
    connected.refresh_from_db()
    assert connected.revoked_at is None


def test_a_revoked_connection_is_well_again_once_a_check_succeeds(connected, admin, outside):
    outside.fail([revoked()])
    runs.run_here(sources_of(connected)[FEED])
    outside.fail([revoked()])
    jobs.run_here(operations.check_connection(connection=connected, actor=admin))
    connected.refresh_from_db()
    assert connected.revoked_at
    fresh = SECRETS | {"refresh_token": "Atzr|s3cret-three"}
    job = operations.replace_credentials(
        connection=connected, credentials=fresh, actor=admin, reason="Consent given again"
    )
    jobs.run_here(job)
    connected.refresh_from_db()
    assert (connected.revoked_at, open_sealed(connected)) == (None, fresh)
    assert not any(secret in json.dumps([job.args, job.result, job.error]) for secret in fresh.values())


def test_only_admins_keep_connections(connected, entity):
    ops = person(Role.OPS, entity)
    source = sources_of(connected)[FEED]
    for refused in (
        lambda: operations.pause(source=source, paused=True, actor=ops),
        lambda: operations.change_schedule(source=source, every=timedelta(minutes=2), actor=ops),
        lambda: operations.replace_credentials(connection=connected, credentials=SECRETS, actor=ops),
        lambda: operations.connect(
            entity=entity, name="B", kind=Connection.Kind.AMAZON, region="EU", credentials=SECRETS, actor=ops
        ),
    ):
        with pytest.raises(NotAllowed):
            refused()
    assert Job.objects.filter(kind="integrations.check").count() == 0


def test_an_uploaded_connection_signs_in_nowhere(entity, admin):
    with pytest.raises(Refused, match="People bring the files"):
        operations.check_connection(connection=ConnectionFactory(entity=entity), actor=admin)


def test_a_feed_of_a_newer_version_begins_paused_where_people_paused_all_others(connected, admin, monkeypatch):
    operations.add_feeds()
    first, *others = connected.sources.all()
    for source in others:
        operations.pause(source=source, paused=True, actor=admin)
    monkeypatch.setitem(FEEDS, "tests.newer", feed(name="tests.newer"))
    operations.add_feeds()
    pulled = sources_of(connected)["tests.newer"]
    assert not pulled.paused and SyncRun.objects.filter(source=pulled).exists()
    for source in (first, pulled):
        operations.pause(source=source, paused=True, actor=admin)
    for name in ("tests.newest", "tests.latest"):
        monkeypatch.setitem(FEEDS, name, feed(name=name))
    assert operations.add_feeds() == 2
    for name in ("tests.newest", "tests.latest"):
        waits = sources_of(connected)[name]
        assert waits.paused and not task_of(waits).enabled and not SyncRun.objects.filter(source=waits).exists()
        assert AuditEntry.objects.get(verb="source.added", after__feed=name).after["paused"] is True


def test_a_feed_of_a_newer_version_begins_on_the_connections_there_are(connected, entity, monkeypatch):
    revoked_one = ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON, revoked_at=timezone.now())
    uploaded = ConnectionFactory(entity=entity)
    operations.add_feeds()
    monkeypatch.setitem(FEEDS, "tests.newer", feed(name="tests.newer"))
    assert operations.add_feeds() == 2
    source = sources_of(connected)["tests.newer"]
    assert task_of(source).enabled and SyncRun.objects.filter(source=source).count() == 1
    assert AuditEntry.objects.filter(verb="source.added", subject=f"connection:{connected.pk}").exists()
    waits = sources_of(revoked_one)["tests.newer"]
    assert task_of(waits) and not SyncRun.objects.filter(source=waits).exists()
    assert not sources_of(uploaded)
    assert operations.add_feeds() == 0
