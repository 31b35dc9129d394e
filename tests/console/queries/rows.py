"""Rows that lists are filled with: each maker adds one to a company, as rows go."""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.integrations.models import Connection, Job
from apps.inventory.models import Buffer, ErpStock, Level, Snapshot
from apps.ledger.approval import hash_of
from apps.ledger.models import BatchJournal, ExportBatch, Journal, JournalLine, PeriodLock
from apps.orders.models import Order
from apps.platforms.models import FailedRecord, Platform, Retry
from apps.settlements.models import READ_FILE, ChainLink, FeeSignature, ReserveChain, SettlementJournal
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.bulk.models import Bulk, BulkMember
from apps.work.models import ShiftNote
from tests.factories import (
    CaseFactory,
    ConnectionFactory,
    ItemFactory,
    JournalFactory,
    ListingFactory,
    OrderFactory,
    OrderItemFactory,
    StoredFileFactory,
    UserFactory,
    VersionFactory,
    approved,
    mapped,
    person,
)
from tests.inventory.scans import UK, amazon

FACTS = {"file": "march.txt", "words": "Line 1 has no header.", "sha256": "00", "connection_id": 1}


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


def a_failed_record(place: Connection) -> FailedRecord:
    """One more of the platform's one cause, asked for once, and its case: number 7."""
    if not (platform := Platform.objects.filter(connection__entity=place.entity).first()):
        kept = {"connection": ConnectionFactory(pk=7, entity=place.entity, kind="platform"), "digest": "0", "prefix": "ocp_"}
        platform = Platform.objects.create(**kept)
        facts = {"connection_id": 7, "connection": "Patchwork", "flow": "orders", "code": "", "words": "No.", "asked": 0}
        facts |= {"silent": 0, "refused": "", "reasons": [], "amounts": {}, "unpriced": 0, "first": "", "newest": ""}
        kind = {"type": "event.dead-letter", "subject": "7:orders:no.", "facts": facts}
        CaseFactory(pk=7, entity=place.entity, **kind)
    number, now = FailedRecord.objects.count(), timezone.now()
    record = FailedRecord.objects.create(
        connection=platform.connection, external_id=f"r-{number}", flow="orders", about="an order", words="No.",
        cause="7:orders:no.", first_failed_at=now, failed_at=now, state="asked", asked_at=now,
    )  # fmt: skip
    job = Job.objects.create(kind="platforms.retry", entity=place.entity)
    Retry.objects.create(record=record, number=1, key=f"retry-{number}", job=job, asked_by=UserFactory())
    return record


def a_platform(place: Connection) -> None:
    connection = ConnectionFactory(entity=place.entity, kind="platform")
    Platform.objects.create(connection=connection, digest=str(connection.pk), prefix="ocp_", posted_at=timezone.now())


def a_shift_note(place: Connection) -> None:
    """One of finance that another took over, and one that it carried along."""
    marta, priya = person(Role.FINANCE, place.entity), person(Role.FINANCE, place.entity)
    at, now = timezone.now() - timedelta(hours=1), timezone.now()
    said = {"entity": place.entity, "team": "finance", "written_by": marta, "written_at": at, "since": at - timedelta(hours=8)}
    taken = ShiftNote.objects.create(**said, to=priya, words="Read it.", state="taken", taken_by=priya, taken_at=now)
    ShiftNote.objects.create(**said, state="carried", carried_by=taken)
