"""Each fault of Amazon amid a run: nothing is lost or doubled, and the verdict is what Amazon's own log proves."""

import gzip
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.errors import Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.integrations import endings, jobs, operations, runs
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
PERMANENT = ("garbage-200", "missing-key", "role-missing")
OPERATIONS = {
    "amazon.orders": ("searchOrders",),
    "amazon.fba-inventory": ("getInventorySummaries",),
    "amazon.settlements": ("getReports", "getReportDocument", "document"),
    "amazon.listings": ("searchListingsItems",),
}
CALLS = [(feed, operation) for feed, operations in OPERATIONS.items() for operation in operations]
SIGN_IN = ("amazon.orders", "token")
OURS = {"token": "getAccessToken", "document": "a report document"}  # what we call them
CODES = {
    "429": "QuotaExceeded",
    "revoked": "Unauthorized",
    "role-missing": "Unauthorized",
    "reset": "ReadError",
    "timeout": "ReadTimeout",
}
# After no good call, and after one: between two pages of a list, or between two documents.
PLACES = [
    *(pytest.param(*call, 0, id=f"{'-'.join(call)}-at once") for call in (*CALLS, SIGN_IN)),
    *(pytest.param(*call, 1, id=f"{'-'.join(call)}-in between") for call in CALLS),
]


@pytest.fixture
def account(sandbox, settings, monkeypatch) -> Callable[..., Connection]:
    """`account()`: an Amazon account of a new company, at the sandbox, with its feeds. It waits `patience` seconds."""
    settings.SANDBOX_URL = sandbox.url

    def make(patience: float = 30) -> Connection:
        monkeypatch.setattr(clients, "TIMEOUT", httpx.Timeout(patience))
        connection = operations.connect(
            entity=EntityFactory(),
            name="Brightfold UK",
            kind=Connection.Kind.AMAZON,
            region="sandbox",
            credentials=sandbox.credentials,
            account=f"Not yet {Connection.objects.count()}",
            actor=None,
        )
        connection.account = sandbox.account  # nobody may connect one account twice, but two runs of one are compared here
        connection.save(update_fields=["account"])
        return connection

    return make


@dataclass(frozen=True)
class Whole:
    """What a run that nothing disturbed brought, and what it said of itself."""

    held: dict[str, list]
    counted: tuple[int, ...]


@pytest.fixture
def undisturbed(account, monkeypatch) -> Callable[[str], Whole]:
    """`undisturbed(feed)`: found once, for the sandbox's world stands still. Its limits are off, so nobody waits for a turn."""
    monkeypatch.setattr(clients, "UNLIMITED", 0)

    def find(feed: str) -> Whole:
        if feed not in WHOLES:
            connection = account()
            WHOLES[feed] = Whole(counted=counted(pulled(connection, feed)), held=held(connection))
        return WHOLES[feed]

    return find


WHOLES: dict[str, Whole] = {}


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


def counted(run: SyncRun) -> tuple[int, ...]:
    """What came once more after a failure was there already: that is no second one."""
    return run.added, run.changed, run.unreadable


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


def proves(run: SyncRun, sandbox, mode: str, attempts: int = 1) -> None:
    """The evidence of a run is what Amazon's own log says of the last call that failed, and every failed call is kept."""
    told, failed = run.evidence, [line for line in sandbox.log() if line["mode"] == mode]
    failed = [line for line in failed if line["operation"] == failed[0]["operation"]]
    line, status = failed[-1], failed[-1]["status"]
    code = "invalid_grant" if (mode, line["operation"]) == ("revoked", "token") else CODES.get(mode, "")
    said = (OURS.get(line["operation"], line["operation"]), status or None, code, line["request_id"] if status else "")
    assert (told["operation"], told["status"], told["code"], told["request_id"]) == said
    assert told["attempts"] == attempts == CallFault.objects.filter(run=run).count()
    fault = CallFault.objects.filter(run=run).latest("pk")
    assert (fault.operation, fault.status, fault.code, fault.request_id, fault.verdict) == (*said, run.verdict)
    assert not Source.objects.get(pk=run.source_id).proven_at


def failing(connection: Connection, feed: str, mode: str, sandbox) -> SyncRun:
    """The run of a feed after the sandbox failed it once, in between."""
    sandbox.fault(OPERATIONS[feed][-1], mode, times=1, after=1)
    return pulled(connection, feed)


@pytest.mark.parametrize("mode", TRANSIENT)
@pytest.mark.parametrize(("feed", "operation", "after"), PLACES)
def test_what_ends_by_itself_is_tried_again_and_loses_nothing(feed, operation, after, mode, account, undisturbed, sandbox):
    whole, broken = undisturbed(feed), account(patience=0.5 if mode == "timeout" else 30)
    sandbox.fault(operation, mode, times=2, after=after)
    run = pulled(broken, feed)
    for attempts in (1, 2):
        assert (run.job.state, run.verdict) == (JobState.WAITING, "transient")
        assert run.job.not_before > timezone.now()
        proves(run, sandbox, mode, attempts)
        assert held(broken) != whole.held
        run = retried(run)
    assert (run.job.state, run.verdict) == (JobState.DONE, "")
    assert held(broken) == whole.held
    assert counted(run) == whole.counted


@pytest.mark.parametrize(
    ("feed", "operation", "after", "mode"),
    [
        pytest.param(*place.values, mode, id=f"{place.id}-{mode}")
        for place in PLACES
        for mode in PERMANENT
        if mode != "role-missing" or place.values[1] not in ("token", "document")  # no role is needed for these
    ],
)
def test_what_is_no_answer_stops_the_run_and_the_next_one_goes_on(feed, operation, after, mode, account, undisturbed, sandbox):
    whole, broken = undisturbed(feed), account()
    sandbox.fault(operation, mode, times=1, after=after)
    run = pulled(broken, feed)
    assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
    proves(run, sandbox, mode)
    assert held(broken) != whole.held
    assert pulled(broken, feed).job.state == JobState.DONE
    assert held(broken) == whole.held
    run.refresh_from_db()
    assert run.verdict == "unknown"  # the same call worked within that minute


@pytest.mark.parametrize(("feed", "operation", "after"), [place for place in PLACES if "document" not in place.values])
def test_a_revoked_consent_stops_everything_until_amazon_answers_again(
    feed, operation, after, account, undisturbed, sandbox
):
    whole, broken = undisturbed(feed), account()
    sandbox.fault(operation, "revoked", after=after)
    for other in OPERATIONS.keys() - {feed}:
        sandbox.fault(OPERATIONS[other][0], "revoked")
    run = pulled(broken, feed)
    broken.refresh_from_db()
    assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
    assert broken.revoked_at
    proves(run, sandbox, "revoked")
    asked = sandbox.log()
    with pytest.raises(Refused, match="not authorised since"):
        pulled(broken, feed)
    for other in OPERATIONS.keys() - {feed}:
        assert "not authorised since" in pulled(broken, other).job.error
    assert sandbox.log() == asked
    sandbox.clear()
    assert checked(broken)["words"] == f"Amazon answers for seller {sandbox.account}, United Kingdom and Germany."
    assert pulled(broken, feed).job.state == JobState.DONE
    assert held(broken) == whole.held


@pytest.mark.parametrize("mode", ["revoked", "role-missing"])
@pytest.mark.parametrize("after", [0, 1])
def test_an_address_that_the_storage_refuses_is_no_revoked_consent(after, mode, account, undisturbed, sandbox):
    """One address may have ended; of two that Amazon just gave, that is no explanation."""
    whole, once, twice = undisturbed("amazon.settlements"), account(), account()
    sandbox.fault("document", mode, times=1, after=after)
    assert pulled(once, "amazon.settlements").job.state == JobState.DONE
    assert held(once) == whole.held and not CallFault.objects.exists()
    sandbox.fault("document", mode, times=2, after=after)
    run = pulled(twice, "amazon.settlements")
    twice.refresh_from_db()
    assert (run.job.state, run.verdict, twice.revoked_at) == (JobState.FAILED, "structural", None)
    proves(run, sandbox, mode)
    assert pulled(twice, "amazon.settlements").job.state == JobState.DONE
    assert held(twice) == whole.held


@pytest.mark.parametrize(
    ("feed", "operation"),
    [("amazon.orders", clients.SEARCH_ORDERS), ("amazon.settlements", clients.GET_REPORT_DOCUMENT)],
    ids=["orders", "settlements"],
)
def test_a_run_that_uses_up_its_allowance_goes_on_later_without_asking_amazon_in_vain(feed, operation, account, sandbox):
    sandbox.limits(True)
    whole, paced = account(), account()
    pulled(whole, feed)
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
    while run.job.state == JobState.WAITING:
        assert run.job.attempts.count() < 30
        its_turn(bucket, operation)
        run = retried(run)
    assert (run.job.state, run.verdict) == (JobState.DONE, "")
    assert {line["status"] for line in sandbox.log()} == {200}
    assert held(paced) == held(whole)


def its_turn(bucket: str, operation: clients.Operation) -> None:
    """As after the seconds that a run was put off: one call is left, no more."""
    redis.Redis.from_url(settings.REDIS_URL).hset(f"amazon-allowance:{bucket}:{operation.name}", "tokens", 1)


def test_a_page_token_that_ran_out_is_not_asked_again_with_each_call_that_is_left(scripted, entity):
    connection, orders = scripted.connection(entity), "/orders/2026-01-01/orders"
    begun = {"since": "2026-11-01T00:00:00.000Z", "token": "old"}
    Source.objects.create(connection=connection, feed="amazon.orders", every=timedelta(hours=1), cursor=begun)
    scripted.says(orders, (400, {"errors": [{"code": "InvalidInput", "message": "Invalid token"}]}), {"orders": []})
    bucket = f"{connection.pk}@{connection.endpoint}"
    allowance.take(bucket, clients.SEARCH_ORDERS, timedelta(0))
    its_turn(bucket, clients.SEARCH_ORDERS)
    run = pulled(connection, "amazon.orders")
    assert (run.job.state, run.verdict) == (JobState.WAITING, "")
    its_turn(bucket, clients.SEARCH_ORDERS)
    run = retried(run)
    assert (run.job.state, run.verdict) == (JobState.DONE, "")
    assert [asked.get("paginationToken") for asked in scripted.asked_for(orders)] == [["old"], None]


REPORTS = "/reports/2021-06-30"
BROKEN = {
    "no gzip": (200, b"no gzip"),
    "gone": (404, b"<Error/>"),
    "refused": (403, b"<Error/>"),  # asks for a second address, for which no call is left
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_report_that_cannot_be_had_does_not_use_up_the_calls_of_the_others(broken, scripted, entity):
    connection = scripted.connection(entity)
    Source.objects.create(connection=connection, feed="amazon.settlements", every=timedelta(hours=1))
    begun = [(timezone.now() - timedelta(days=9 - place)).isoformat() for place in range(4)]
    listed = [
        {"reportId": f"r{place}", "reportDocumentId": f"doc{place}", "createdTime": when} for place, when in enumerate(begun)
    ]
    scripted.says(f"{REPORTS}/reports", {"reports": listed})
    for place in range(4):
        scripted.says(f"{REPORTS}/documents/doc{place}", {"url": f"{{url}}/file/{place}", "compressionAlgorithm": "GZIP"})
        scripted.says(f"/file/{place}", gzip.compress(b"report %d" % place))
    scripted.says("/file/1", BROKEN[broken])
    bucket = f"{connection.pk}@{connection.endpoint}"
    allowance.take(bucket, clients.GET_REPORT_DOCUMENT, timedelta(0))
    its_turn(bucket, clients.GET_REPORT_DOCUMENT)
    run = pulled(connection, "amazon.settlements")
    while run.job.state == JobState.WAITING:
        assert run.job.attempts.count() < 10
        its_turn(bucket, clients.GET_REPORT_DOCUMENT)
        run = retried(run)
    brought = [f"settlement_r{place}.txt" for place in (0, 2, 3)]
    assert sorted(StoredFile.objects.filter(connection=connection).values_list("name", flat=True)) == brought
    assert (run.job.state, run.verdict) == (JobState.FAILED, "structural")
    assert run.evidence["operation"] == "a report document" and run.evidence["status"] == BROKEN[broken][0]
    scripted.says("/file/1", gzip.compress(b"report 1"))
    its_turn(bucket, clients.GET_REPORT_DOCUMENT)
    assert pulled(connection, "amazon.settlements").job.state == JobState.DONE
    assert StoredFile.objects.filter(connection=connection).count() == 4


def test_a_role_that_is_missing_stops_its_feed_alone(account, sandbox):
    connection = account()
    sandbox.fault("getInventorySummaries", "role-missing")
    assert pulled(connection, "amazon.fba-inventory").job.state == JobState.FAILED
    connection.refresh_from_db()
    assert not connection.revoked_at
    case = Case.objects.live().get(entity=connection.entity, type=endings.FEED_FAILING)
    client = Client()
    client.force_login(person(Role.OPS, connection.entity))
    page = client.get(f"/cases/{case.pk}/").content.decode()
    assert "refuses getInventorySummaries: the application lacks the role “Amazon Fulfillment”" in page
    for feed in ("amazon.orders", "amazon.settlements", "amazon.listings"):
        assert pulled(connection, feed).job.state == JobState.DONE
    sandbox.clear()
    assert pulled(connection, "amazon.fba-inventory").job.state == JobState.DONE
    assert not Case.objects.live().filter(entity=connection.entity, type=endings.FEED_FAILING).exists()


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


def test_a_page_of_stock_that_comes_twice_counts_once(account, undisturbed, sandbox, amid):
    """Its token ran out while the page before it was stored."""
    whole, slow = undisturbed("amazon.fba-inventory"), account()
    amid("amazon.fba-inventory", lambda: sandbox.advance(31))
    run = pulled(slow, "amazon.fba-inventory")
    assert (run.job.state, counted(run)) == (JobState.DONE, whole.counted)
    assert 400 in [line["status"] for line in sandbox.log("getInventorySummaries")]
    assert held(slow) == whole.held


def test_secrets_and_buyers_are_in_no_log_job_fault_or_audit(account, sandbox, caplog):
    connection = account()
    with caplog.at_level(logging.DEBUG):
        for feed, mode in zip(OPERATIONS, ("revoked", "503-html", "missing-key", "429"), strict=True):
            failing(connection, feed, mode, sandbox)
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
