"""Each fault of Amazon amid a run: nothing is lost or doubled, and the verdict is what Amazon's own log proves."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.integrations import jobs, operations, runs
from apps.integrations.connectors.amazon import allowance, clients
from apps.integrations.feeds import FEEDS
from apps.integrations.models import (
    Attempt,
    CallFault,
    Command,
    Connection,
    Job,
    JobState,
    Source,
    StoredFile,
    SyncRun,
    UnreadableRecord,
)
from apps.inventory.models import Level
from apps.orders.models import Buyer, OrderItem
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db(transaction=True)
TRANSIENT = ("429", "503-html", "502-empty", "reset", "timeout")
PERMANENT = ("garbage-200", "missing-key")
OPERATIONS = {
    "amazon.orders": "searchOrders",
    "amazon.fba-inventory": "getInventorySummaries",
    "amazon.settlements": "getReportDocument",
    "amazon.listings": "searchListingsItems",
}


@pytest.fixture
def account(sandbox, settings, monkeypatch) -> Callable[[], Connection]:
    """`account()`: an Amazon account of a new company, at the sandbox, with its feeds."""
    settings.SANDBOX_URL = sandbox.url
    monkeypatch.setattr(clients, "TIMEOUT", httpx.Timeout(1))

    def make() -> Connection:
        return operations.connect(
            entity=EntityFactory(),
            name="Brightfold UK",
            kind=Connection.Kind.AMAZON,
            region="sandbox",
            credentials=sandbox.credentials,
            account=sandbox.account,
            actor=None,
        )

    return make


@pytest.fixture
def amid(monkeypatch) -> Callable[[str, Callable[[], None]], None]:
    """`amid(feed, act)`: act once, when the first page of the feed has been stored."""

    def arm(name: str, act: Callable[[], None]) -> None:
        feed, acts = FEEDS[name], [act]

        def store(*page):
            stored = feed.store(*page)
            while acts:
                acts.pop()()
            return stored

        monkeypatch.setitem(FEEDS, name, replace(feed, store=store))

    return arm


def held(connection: Connection) -> dict[str, list]:
    """All that its feeds brought, without what names the run that did."""
    listing = ("listing__marketplace", "listing__sku")
    stock = Level.objects.filter(snapshot__connection=connection, snapshot__current=True)
    return {
        "items": sorted(
            OrderItem.objects.filter(order__connection=connection).values_list(
                "order__order_id", "order__content", "order__route", "item_id", *listing, "quantity", "price"
            )
        ),
        "stock": sorted(stock.values_list(*listing, "total", "fulfillable", "reserved"), key=str),
        "listings": sorted(Listing.objects.filter(connection=connection).values_list("marketplace", "sku", "fnsku", "ean")),
        "files": sorted(StoredFile.objects.filter(connection=connection).values_list("name", "sha256")),
        "read": sorted(Job.objects.filter(file__connection=connection).values_list("file__name", "kind")),
        "unreadable": sorted(
            UnreadableRecord.objects.filter(source__connection=connection, read_at=None).values_list("key", "words")
        ),
    }


def pulled(connection: Connection, feed: str) -> SyncRun:
    return runs.run_here(Source.objects.select_related("connection__entity").get(connection=connection, feed=feed))


def retried(run: SyncRun) -> SyncRun:
    operations.try_now(job=run.job, actor=person(Role.OPS, run.source.connection.entity))
    jobs.run_here(Job.objects.get(pk=run.job_id))
    return SyncRun.objects.select_related("job").get(pk=run.pk)


def checked(connection: Connection) -> dict:
    """What a check of the connection that ended well says."""
    job = operations.check_connection(connection=connection, actor=person(Role.ADMIN, connection.entity))
    jobs.run_here(job)
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.error
    return job.result


def failing(connection: Connection, feed: str, mode: str, sandbox, amid) -> SyncRun:
    """The run of a feed after the sandbox failed it once, amid its pages."""
    amid(feed, lambda: sandbox.fault(OPERATIONS[feed], mode, times=1))
    run = pulled(connection, feed)
    told, fault = run.evidence, CallFault.objects.get(run=run)
    (line,) = [line for line in sandbox.log() if line["mode"] == mode]
    assert (told["operation"], told["status"] or 0) == (line["operation"], line["status"])
    assert (fault.operation, fault.status, fault.request_id) == (told["operation"], told["status"], told["request_id"])
    assert told["request_id"] == (line["request_id"] if line["status"] else "")
    return run


@pytest.mark.parametrize(
    ("feed", "mode"),
    [
        *(("amazon.orders", mode) for mode in TRANSIENT),
        ("amazon.fba-inventory", "503-html"),
        ("amazon.settlements", "429"),
        ("amazon.listings", "reset"),
    ],
)
def test_what_ends_by_itself_is_tried_again_and_loses_nothing(feed, mode, account, sandbox, amid):
    whole, broken = account(), account()
    pulled(whole, feed)
    run = failing(broken, feed, mode, sandbox, amid)
    assert (run.job.state, run.verdict) == (JobState.WAITING, "transient")
    assert run.job.not_before > timezone.now()
    assert held(broken) != held(whole)
    run = retried(run)
    assert (run.job.state, run.verdict) == (JobState.DONE, "")
    assert held(broken) == held(whole)


@pytest.mark.parametrize(
    ("feed", "mode"),
    [*(("amazon.orders", mode) for mode in PERMANENT), ("amazon.settlements", "missing-key"), ("amazon.listings", "garbage-200")],
)
def test_what_is_no_answer_stops_the_run_and_the_next_one_goes_on(feed, mode, account, sandbox, amid):
    whole, broken = account(), account()
    pulled(whole, feed)
    run = failing(broken, feed, mode, sandbox, amid)
    assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
    assert not Source.objects.get(pk=run.source_id).proven_at
    assert pulled(broken, feed).job.state == JobState.DONE
    assert held(broken) == held(whole)


def test_a_revoked_consent_stops_everything_until_amazon_answers_again(account, sandbox, amid):
    whole, broken = account(), account()
    pulled(whole, "amazon.orders")
    amid("amazon.orders", lambda: sandbox.fault("*", "revoked"))
    run = pulled(broken, "amazon.orders")
    broken.refresh_from_db()
    assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
    assert broken.revoked_at
    sandbox.clear()
    assert checked(broken)["words"] == f"Amazon answers for seller {sandbox.account}, United Kingdom and Germany."
    assert pulled(broken, "amazon.orders").job.state == JobState.DONE
    assert held(broken)["items"] == held(whole)["items"]


@pytest.mark.parametrize("feed", ["amazon.orders", "amazon.settlements"])
def test_a_run_that_uses_up_its_allowance_goes_on_later_without_asking_amazon_in_vain(feed, account, sandbox):
    sandbox.limits(True)
    whole, paced = account(), account()
    pulled(whole, feed)
    (operation,) = [each for each in clients.METHODS if each.name == OPERATIONS[feed]]
    bucket = f"{paced.pk}@{paced.endpoint}"
    for _ in range(operation.burst - 2):  # one is spared, and one is left
        allowance.take(bucket, operation, timedelta(0))
    run = pulled(paced, feed)
    assert (run.job.state, run.verdict, run.pages) == (JobState.WAITING, "", 1)
    assert timedelta(seconds=30) < run.job.not_before - timezone.now() < timedelta(seconds=200)
    assert run.job.error.startswith(f"Our own pacing: the next {operation.name} is due in ")
    assert [attempt.outcome for attempt in run.job.attempts.all()] == [Attempt.Outcome.PUT_OFF]
    assert not CallFault.objects.filter(connection=paced).exists()
    client = Client()
    client.force_login(person(Role.OPS, paced.entity))
    assert "Paced" in client.get("/runs/").content.decode()
    shown = client.get(f"/runs/{run.pk}/").content.decode()
    assert "waits for its turn" in shown and "Why it is tried again" not in shown
    (left,) = allowance.left([(bucket, operation)])
    assert left.left < 0.1
    redis.Redis.from_url(settings.REDIS_URL).flushdb()  # as after those seconds
    run = retried(run)
    assert (run.job.state, run.verdict) == (JobState.DONE, "")
    assert {line["status"] for line in sandbox.log()} == {200}
    assert held(paced) == held(whole)


def test_a_role_that_is_missing_stops_its_feed_alone(account, sandbox):
    connection = account()
    sandbox.fault("getInventorySummaries", "role-missing")
    assert pulled(connection, "amazon.fba-inventory").job.state == JobState.FAILED
    connection.refresh_from_db()
    assert not connection.revoked_at
    case = Case.objects.live().get(entity=connection.entity, type=runs.FEED_FAILING)
    client = Client()
    client.force_login(person(Role.OPS, connection.entity))
    page = client.get(f"/cases/{case.pk}/").content.decode()
    assert "refuses getInventorySummaries: the application lacks the role “Amazon Fulfillment”" in page
    for feed in ("amazon.orders", "amazon.settlements", "amazon.listings"):
        assert pulled(connection, feed).job.state == JobState.DONE
    sandbox.clear()
    assert pulled(connection, "amazon.fba-inventory").job.state == JobState.DONE
    assert not Case.objects.live().filter(entity=connection.entity, type=runs.FEED_FAILING).exists()


def test_a_check_tells_a_missing_role_from_an_account_that_is_not_let_in(account, sandbox):
    connection = account()
    Connection.objects.update(revoked_at=timezone.now())
    sandbox.fault("searchListingsItems", "role-missing")
    told = checked(connection)
    connection.refresh_from_db()
    assert not connection.revoked_at
    assert told["marketplaces"] == []
    assert "refuses searchListingsItems: the application lacks the role “Product Listing”" in told["words"]


@pytest.mark.parametrize("feed", OPERATIONS)
def test_a_replay_finds_nothing_new(feed, account):
    connection = account()
    first = pulled(connection, feed)
    before = held(connection)
    Source.objects.filter(connection=connection, feed=feed).update(cursor={})
    again = pulled(connection, feed)
    assert (again.added, again.changed, again.unreadable) == (0, 0, first.unreadable)
    assert again.unchanged == first.added + first.changed + first.unchanged
    assert held(connection) == before


def test_a_page_of_stock_that_comes_twice_counts_once(account, sandbox, amid):
    """Its token ran out while the page before it was stored."""
    whole, slow = account(), account()
    pulled(whole, "amazon.fba-inventory")
    amid("amazon.fba-inventory", lambda: sandbox.advance(31))
    assert pulled(slow, "amazon.fba-inventory").job.state == JobState.DONE
    assert 400 in [line["status"] for line in sandbox.log("getInventorySummaries")]
    assert held(slow) == held(whole)


def test_secrets_and_buyers_are_in_no_log_job_fault_or_audit(account, sandbox, amid, caplog):
    connection = account()
    with caplog.at_level(logging.DEBUG):
        for feed, mode in zip(OPERATIONS, ("revoked", "503-html", "missing-key", "429"), strict=True):
            failing(connection, feed, mode, sandbox, amid)
            Connection.objects.update(revoked_at=None)
            sandbox.expire_tokens()
        for feed in OPERATIONS:
            runs.pull(Source.objects.select_related("connection__entity").get(connection=connection, feed=feed))
        for job in Job.objects.exclude(state=JobState.DONE):
            jobs.run_here(job)
    kept = (Job, Attempt, SyncRun, CallFault, Source, UnreadableRecord, AuditEntry, Case, Command)
    rows = [list(model.objects.values()) for model in kept]
    broker = redis.Redis.from_url(settings.REDIS_URL)
    messages = [broker.lrange(queue, 0, -1) for queue in ("sync", "files", "sweep", "bulk", "outbox")]
    told = f"{caplog.text} {rows} {messages}"
    secrets = [sandbox.refresh_token, sandbox.client_secret, "Atza|", "Atzr|", "X-Amz-Signature"]
    marks = sandbox.world()["buyer_marks"]
    assert not [secret for secret in (*secrets, *marks) if secret in told]
    buyers = str(list(Buyer.objects.values()))
    assert any(mark in buyers for mark in marks) and sandbox.log("document")
