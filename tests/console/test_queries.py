"""Each list asks the database as often for 50 rows as for one, and hands on to the next page by key."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.integrations.models import Connection, Job
from apps.inventory.models import Buffer, ErpStock, Level, Snapshot
from apps.ledger.approval import hash_of
from apps.ledger.models import BatchJournal, ExportBatch, Journal, JournalLine, PeriodLock
from apps.orders.models import Order
from apps.settlements.models import (
    READ_FILE,
    ChainLink,
    FeeSignature,
    FileReading,
    ReserveChain,
    RollUp,
    SettlementJournal,
    SettlementLine,
)
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.bulk.models import Bulk, BulkMember
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import (
    CaseFactory,
    ConnectionFactory,
    EntityFactory,
    ItemFactory,
    JournalFactory,
    ListingFactory,
    OrderFactory,
    OrderItemFactory,
    StoredFileFactory,
    VersionFactory,
    approved,
    mapped,
    person,
)
from tests.inventory.scans import UK, amazon

pytestmark = pytest.mark.django_db
FACTS = {"file": "march.txt", "words": "Line 1 has no header.", "sha256": "00", "connection_id": 1}


@pytest.fixture
def place() -> Connection:
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"))


@pytest.fixture
def marta(place):
    return person(Role.FINANCE, place.entity, name="Marta Lis")


@pytest.fixture
def client(place, marta) -> Client:
    return signed_in(marta)


def a_case(place: Connection, **values) -> Case:
    kind = {"type": "file.layout-unknown", "holds_back": False, "facts": FACTS}
    return CaseFactory(**{"entity": place.entity, "due_at": timezone.now() + timedelta(days=1)} | kind | values)


def a_held_case(place: Connection) -> Case:
    earlier = a_case(place, state=State.CLEARED, ended_at=timezone.now(), ending={"words": "Gone."}, subject="again")
    who = person(Role.FINANCE, place.entity)
    until = timezone.now() + timedelta(hours=1)
    return a_case(place, state=State.CLAIMED, claimed_by=who, claimed_until=until, earlier=earlier)


def a_settlement(place: Connection) -> None:
    version = VersionFactory(settlement__connection=place)
    for _ in range(2):
        journal = JournalFactory(entity=place.entity)
        SettlementJournal.objects.create(version=version, journal=journal, month=journal.period)


def a_month(place: Connection) -> None:
    """A journal in a month of its own, and a lock of the month before, which another person may unlock."""
    count = Journal.objects.filter(entity=place.entity).count()
    month = date(2020 + count // 6, 2 + count % 6 * 2, 1)
    journal = JournalFactory(entity=place.entity, period=month, state=Journal.State.INCOMPLETE)
    SettlementJournal.objects.create(
        version=VersionFactory(settlement__connection=place), journal=journal, month=journal.period
    )
    JournalLine.objects.create(journal=journal, number=1, label="Sales")
    PeriodLock.objects.create(
        entity=place.entity,
        month=month.replace(month=month.month - 1),
        locked_by=person(Role.FINANCE, place.entity),
        unlock_asked_by=person(Role.FINANCE, place.entity),
        unlock_asked_at=timezone.now(),
        unlock_reason="A late file",
    )


def a_draft(place: Connection) -> Journal:
    """One that can be approved."""
    journal = JournalFactory(entity=place.entity)
    version = VersionFactory(settlement__connection=place)
    SettlementJournal.objects.create(version=version, journal=journal, month=journal.period)
    journal.lines_hash = hash_of([journal])[journal.pk]
    journal.save()
    return journal


def an_approved(place: Connection) -> Journal:
    return approved(a_draft(place), person(Role.FINANCE, place.entity))


def a_batch(place: Connection) -> ExportBatch:
    """One that is live, with a journal in it."""
    number = ExportBatch.objects.filter(entity=place.entity).count() + 1
    batch = ExportBatch.objects.create(
        entity=place.entity, number=number, format="generic", made_by=person(Role.FINANCE, place.entity)
    )
    join(batch, an_approved(place))
    return batch


def join(batch: ExportBatch, journal: Journal) -> None:
    with transaction.atomic():
        BatchJournal.objects.create(batch=batch, journal=journal)
        Journal.objects.filter(pk=journal.pk).update(state=Journal.State.EXPORTED)


def a_job(place: Connection) -> None:
    Job.objects.create(
        kind=READ_FILE,
        entity=place.entity,
        file=StoredFileFactory(connection=place),
        asked_by=person(Role.FINANCE, place.entity),
    )


def a_signature(place: Connection) -> FeeSignature:
    number = FeeSignature.objects.count()
    return FeeSignature.objects.create(
        entity=place.entity,
        key=f"fee {number}",
        transaction_type="Order",
        amount_type="ItemFees",
        amount_description=f"Fee {number}",
        treatment="none",
    )


def an_entry(place: Connection) -> None:
    AuditEntry.objects.record(
        actor=person(Role.FINANCE, place.entity),
        entity=place.entity,
        verb="case.noted",
        subject="case:1",
        reason="Seen.",
    )


def a_chain(place: Connection) -> None:
    chain = ReserveChain.objects.create(
        connection=place, currency="GBP", name=f"Chain {ReserveChain.objects.count()}", confirmed_by=None
    )
    ChainLink.objects.create(chain=chain, settlement=VersionFactory(settlement__connection=place).settlement)


def a_link(place: Connection) -> None:
    chain, _ = ReserveChain.objects.get_or_create(connection=place, currency="GBP", name="Amazon.co.uk", pk=7)
    ChainLink.objects.create(chain=chain, settlement=VersionFactory(settlement__connection=place).settlement)


def a_mapped_listing(place: Connection) -> Listing:
    """A listing that is a bundle, with an order that waits for another one."""
    listing = ListingFactory(connection=place)
    mapped(listing, (ItemFactory(entity=place.entity), 1), (ItemFactory(entity=place.entity), 2))
    order = OrderFactory(connection=place, route="held", holds=["sku"])
    OrderItemFactory(order=order, listing=ListingFactory(connection=place))
    OrderItemFactory(order=order, listing=listing)
    return listing


def a_mapping(place: Connection) -> None:
    """One more of the days of a listing, and an order with it."""
    listing = Listing.objects.filter(pk=7).first() or ListingFactory(connection=place, pk=7)
    day = date(2026, 1, 1) + timedelta(days=listing.mappings.count())
    mapping = mapped(listing, (ItemFactory(entity=place.entity), 1), since=day)
    mapping.period = (day, day + timedelta(days=1))
    mapping.save()
    OrderItemFactory(order=OrderFactory(connection=place), listing=listing)


def a_held_order(place: Connection) -> Order:
    order = OrderFactory(connection=place, route="held", holds=["sku"], ship_by=timezone.now())
    OrderItemFactory(order=order)
    return order


def a_line(place: Connection) -> None:
    """Of order 7, with an item and without."""
    order = Order.objects.filter(pk=7).first() or OrderFactory(pk=7, connection=place, route="held", holds=["sku"])
    OrderItemFactory(order=order)
    mapped(OrderItemFactory(order=order).listing, (ItemFactory(entity=place.entity), 2))


def a_level(place: Connection) -> Level:
    """A mapped listing with stock, a buffer of its own, and a count by the ERP that differs."""
    at_amazon = Connection.objects.filter(entity=place.entity, kind="amazon-seller").first() or amazon(place.entity)
    snapshot, _ = Snapshot.objects.get_or_create(
        connection=at_amazon, marketplace=UK, current=True, defaults={"complete_at": timezone.now()}
    )
    listing, item = ListingFactory(connection=at_amazon), ItemFactory(entity=place.entity)
    mapped(listing, (item, 2))
    counted = {"node": "FBA-UK", "on_hand": 25, "as_of": timezone.now(), "source": "import:1"}
    ErpStock.objects.create(entity=place.entity, item=item, **counted)
    who = person(Role.ECOMMERCE, place.entity)
    Buffer.objects.create(entity=place.entity, listing=listing, least=3, period=(date.today(), None), set_by=who)
    return Level.objects.create(
        snapshot=snapshot, listing=listing, fnsku="X00SHARED", fulfillable=3, reserved=1, unfulfillable=0
    )


def an_alert(place: Connection) -> Alert:
    """One that was silenced, about a case, in a channel of its own that nothing gets through."""
    number = Channel.objects.count()
    channel = Channel.objects.create(
        entity=place.entity, team="finance", name=f"Channel {number}", kind="email", address="a@b.example", fault="Full.",
        fault_at=timezone.now(),
    )  # fmt: skip
    now, about = timezone.now(), {"type": "file.layout-unknown", "severity": 3, "subject": "High: march.txt", "reason": "Held."}
    alert = Alert.objects.create(
        channel=channel, kind="immediate", key=f"key {number}", state="silenced", created_at=now, leaves_at=now, **about
    )
    AlertCase.objects.create(alert=alert, channel=channel, case=a_case(place), kind=1, severity=3)
    return alert


def a_bulk(place: Connection) -> None:
    """Finance's, with one case."""
    bulk = Bulk.objects.create(
        made_by=person(Role.FINANCE, place.entity), action="claim", chosen="Ticked", state="ready", digest="0",
        queues=[f"{place.entity_id}:finance"],
    )
    BulkMember.objects.create(bulk=bulk, case=a_case(place))


def a_member(place: Connection) -> None:
    """One more case of the company's one bulk."""
    if not Bulk.objects.exists():
        a_bulk(place)
    case = a_case(place)
    BulkMember.objects.create(bulk=Bulk.objects.get(), case=case, verdict="skipped", code="changed", why="It changed.")


LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "bulk actions": ("/bulk/?show=all", a_bulk),
    "queue": ("/queue/finance/", a_held_case),
    "home": ("/", a_held_case),
    "home, settlements": ("/", a_settlement),
    "settlements": ("/settlements/", a_settlement),
    "jobs": ("/jobs/", a_job),
    "journals": ("/journals/", a_settlement),
    "journals, exported": ("/journals/", a_batch),
    "exports": ("/exports/", a_batch),
    "months": ("/close/", a_month),
    "signatures": ("/mapping/?show=signatures", a_signature),
    "audit": ("/audit/", an_entry),
    "trends": ("/trends/", a_held_case),
    "alerts": ("/alerts/", an_alert),
    "alert channels": ("/alerts/channels/", an_alert),
    "listings": ("/listings/", a_mapped_listing),
    "listing": ("/listings/7/", a_mapping),
    "items": ("/items/", a_mapped_listing),
    "chains": ("/chains/", a_chain),
    "chain": ("/chains/7/", a_link),
    "orders": ("/orders/", a_held_order),
    "orders, late": ("/orders/?view=late", a_held_order),
    "order, lines": ("/orders/7/", a_line),
    "stock": ("/stock/", a_level),
    "stock, against the ERP": ("/stock/?show=drift", a_level),
    "stock, low": ("/stock/?show=low", a_level),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_rows_as_for_one(name: str, client: Client, place: Connection):
    address, make = LISTS[name]
    a_job(place)  # with a stored file, today is not the first-run page
    make(place)
    with CaptureQueriesContext(database) as one:
        assert client.get(address).status_code == 200
    for _ in range(49):
        make(place)
    with CaptureQueriesContext(database) as fifty:
        assert client.get(address).status_code == 200
    assert len(fifty) == len(one), [query["sql"] for query in fifty]


@pytest.mark.parametrize(("name", "make"), [("approve", a_draft), ("export", an_approved)])
def test_ticked_journals_cost_no_query_each(name: str, make: Callable, client: Client, place: Connection):
    journals = [make(place).pk for _ in range(50)]
    with CaptureQueriesContext(database) as one:
        assert client.get(reverse(name), {"journal": journals[:1]}).status_code == 200
    with CaptureQueriesContext(database) as fifty:
        assert client.get(reverse(name), {"journal": journals}).status_code == 200
    assert len(fifty) == len(one)


def test_a_bulk_asks_as_often_for_50_cases_as_for_one(client: Client, place: Connection):
    a_member(place)
    address = f"/bulk/{Bulk.objects.get().pk}/?show=skipped"
    asked = []
    for count in (1, 49):
        with CaptureQueriesContext(database) as captured:
            page = client.get(address).content.decode()
        asked.append(len(captured))
        for _ in range(count):
            a_member(place)
    assert "It changed." in page
    assert asked[0] == asked[1]


def test_a_batch_asks_as_often_for_50_journals_as_for_one(client: Client, place: Connection):
    batch = a_batch(place)
    AuditEntry.objects.record(
        actor=batch.made_by, entity=place.entity, verb="batch.exported", subject=f"batch:{batch.pk}",
        after={"batch": 1, "total": "£0.00"},
    )  # fmt: skip
    address = reverse("batch", args=[batch.pk])
    with CaptureQueriesContext(database) as one:
        assert client.get(address).status_code == 200
    for _ in range(49):
        join(batch, an_approved(place))
    with CaptureQueriesContext(database) as fifty:
        assert client.get(address).status_code == 200
    assert len(fifty) == len(one)


@pytest.mark.parametrize("companies", [1, 3])
def test_the_queue_pages_by_rank_without_gaps_or_repeats(client: Client, place: Connection, marta, companies: int):
    entities = [place.entity, *(EntityFactory() for _ in range(companies - 1))]
    for entity in entities[1:]:
        marta.memberships.create(entity=entity, role=Role.FINANCE)
    cases = [a_case(place, entity=entities[n % companies], score=float(n // 4)) for n in range(120)]
    found, address = [], reverse("queue", args=["finance"])
    while address:
        response = client.get(address)
        page = Page(response)
        found += [int(href.split("/")[2]) for _, href in page.links if href.startswith("/cases/")]
        following = [href for words, href in page.links if words == "Next 50"]
        address = following[0] if following else ""
    assert found == [case.pk for case in sorted(cases, key=lambda case: (-case.score, case.pk))]


def test_the_queue_counts_by_its_tally_and_filters(client: Client, place: Connection):
    for n in range(3):
        a_case(place, stake=10, diagnosis="unknown" if n else "structural")
    a_case(place, state=State.SNOOZED, snoozed_until=timezone.now() + timedelta(days=1), stake=5)
    body = client.get("/queue/finance/").content.decode()
    assert "3 causes, £30.00 at stake" in body
    assert 'Snoozed <span class="n">1</span>' in body
    assert "2 causes, £20.00 at stake" in client.get("/queue/finance/?diagnosis=unknown").content.decode()
    assert "No case fits these filters" in client.get("/queue/finance/?diagnosis=transient").content.decode()
    assert "march.txt could not be read" in client.get("/queue/finance/?view=snoozed").content.decode()


def test_only_the_table_answers_htmx(client: Client, place: Connection):
    a_case(place)
    part = client.get("/queue/finance/", headers={"HX-Request": "true"})
    assert "<h1" not in part.content.decode() and "march.txt" in part.content.decode()
    boosted = client.get("/queue/finance/", headers={"HX-Request": "true", "HX-Boosted": "true"})
    assert "<h1" in boosted.content.decode()
    assert "HX-Request" in part["Vary"] and "HX-Request" in boosted["Vary"]


def test_lines_page_by_line_and_count_by_roll_up(client: Client, place: Connection):
    version = VersionFactory(settlement__connection=place, lines=150)
    signature = a_signature(place)
    at = version.settlement.start_at + timedelta(days=2)
    SettlementLine.objects.bulk_create(
        SettlementLine(version=version, line=n + 3, byte_offset=n, signature=signature, posted_at=at, amount=1)
        for n in range(150)
    )
    RollUp.objects.create(version=version, signature=signature, day=at.date(), lines=150, credit=150, debit=0)
    address = reverse("settlement_lines", args=[version.settlement.settlement_id])
    with CaptureQueriesContext(database) as hundred:
        first = Page(client.get(address))
    assert first.heading == "150 lines, £150.00"
    with CaptureQueriesContext(database) as rest:
        second = Page(client.get(address + first.linked("Next 100")))
    assert len(hundred) == len(rest)
    numbers = [words for page in (first, second) for words, href in page.links if "/lines/" in href]
    assert numbers == [str(n) for n in range(3, 153)]


def test_a_listing_costs_as_many_queries_whatever_shows_the_same_units(client: Client, place: Connection):
    address = reverse("stock_listing", args=[a_level(place).listing_id])
    a_level(place)
    with CaptureQueriesContext(database) as two:
        assert client.get(address).status_code == 200
    for _ in range(10):
        a_level(place)
    with CaptureQueriesContext(database) as twelve:
        assert client.get(address).status_code == 200
    assert len(two) == len(twelve), [query["sql"] for query in twelve]


def test_stock_pages_by_sku_without_gaps_or_repeats(client: Client, place: Connection):
    levels = [a_level(place) for _ in range(60)]
    levels[3].listing.sku, levels[4].listing.sku = "A~B", "Zz"
    for level in levels[3:5]:
        level.listing.save()
    first = Page(client.get("/stock/"))
    second = Page(client.get("/stock/" + first.linked("Next 50")))
    found = [words for page in (first, second) for words, href in page.links if href.startswith("/stock/") and href != "/stock/"]
    assert sorted(found) == sorted(level.listing.sku for level in levels)


def test_refused_files_cost_no_query_each(client: Client, place: Connection):
    def refuse() -> None:
        FileReading.objects.create(file=StoredFileFactory(connection=place), status="refused", words="No header.")

    refuse()
    with CaptureQueriesContext(database) as one:
        client.get("/settlements/")
    for _ in range(19):
        refuse()
    with CaptureQueriesContext(database) as many:
        client.get("/settlements/")
    assert len(one) == len(many)


def test_the_company_switch_narrows_every_list(client: Client, place: Connection, marta):
    other: Entity = EntityFactory(name="Brackenfold GmbH")
    marta.memberships.create(entity=other, role=Role.FINANCE)
    a_case(place, stake=1)
    a_case(place, entity=other, stake=2)
    assert "2 causes, £3.00" in client.get("/queue/finance/").content.decode()
    client.post(reverse("company"), {"company": other.pk, "next": "/queue/finance/"})
    assert "1 cause, £2.00" in client.get("/queue/finance/").content.decode()
    client.post(reverse("company"), {"company": "", "next": "//elsewhere.example/"})
    assert "2 causes, £3.00" in client.get("/queue/finance/").content.decode()
