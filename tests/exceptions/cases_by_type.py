"""For each exception type: how its cause comes into a company, and how it goes. test_catalogue runs every pair.

Both work through the doors that people and tasks use, or where there is none, on the facts themselves. The first leaves
exactly one live case of the type, the second none. A type with several kinds of causes has a pair for each, named after its code.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.catalog.models import Listing
from apps.catalog.operations import keep_mapping, map_sku
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.integrations.models import Command, Connection, Job, JobState, Source, SyncRun, UnreadableRecord
from apps.integrations.rules import Failure, verdict
from apps.inventory.models import Buffer
from apps.inventory.operations import remove_buffer, set_buffer
from apps.ledger.models import Account, TaxClass, TaxRule
from apps.orders.models import Order, OrderItem
from apps.orders.operations import cancel_warehouse_order
from apps.platforms.intake import take as take_reports
from apps.platforms.models import Platform
from apps.platforms.operations import connect
from apps.settlements.accounts import close_account, move_rules
from apps.settlements.chain_changes import confirm_opening
from apps.settlements.charts import apply_chart
from apps.settlements.closing import ask_to_unlock, lock, unlock
from apps.settlements.models import AcceptedColumn, FeeRule, FileReading, ReserveChain, SettlementVersion
from apps.settlements.operations import choose_tax_code, map_fee
from apps.settlements.versions import choose_version
from tests.factories import ConnectionFactory, ItemFactory, person
from tests.inventory.scans import aged, amazon, scan, summary
from tests.orders.amazon import record as order_record
from tests.orders.take import map_all, taken
from tests.platforms.conftest import failed, succeeded
from tests.settlements.files import SALE, File, line, reserve
from tests.settlements.take import take

SINCE = date(2026, 1, 1)
OCTOBER = date(2026, 10, 1)
NEW_FEE = line("-1.00", amount_type="ItemFees", amount_description="PilotFee")
FULFILMENT = line("-9.80", amount_type="ItemFees", amount_description="FBAPerUnitFulfillmentFee")
WITHHELD = line("-20.00", amount_type="ItemWithheldTax", amount_description="MarketplaceFacilitatorVAT-Principal")
HELD = File(total="1.00")


def _charted(entity: Entity) -> tuple[Connection, User]:
    mapper = person(Role.FINANCE, entity)
    apply_chart(chart="uk", entity=entity, actor=mapper)
    return ConnectionFactory(entity=entity), mapper


def _map(entity: Entity, fee: dict[str, str], account: Account) -> None:
    parts = ("transaction-type", "amount-type", "amount-description")
    pattern = {"marketplace": "", "treatment": "", **{part.replace("-", "_"): fee[part] for part in parts}}
    mapper = entity.memberships.get().user
    map_fee(entity=entity, pattern=pattern, since=SINCE, account=account, tax_class=None, reason="New", actor=mapper)


def _job_stuck(entity: Entity) -> None:
    Job.objects.create(kind="tests.work", entity=entity, state=JobState.STUCK, leases_lost=3)


def _job_runs_again(entity: Entity) -> None:
    Job.objects.filter(entity=entity).update(state=JobState.WAITING, leases_lost=0)


def _new_fee(entity: Entity) -> None:
    place, _ = _charted(entity)
    take(place, File(lines=(*SALE, NEW_FEE)))


def _fee_mapped(entity: Entity) -> None:
    _map(entity, NEW_FEE, Account.objects.get(entity=entity, code="5110"))


def _leg_without_tax(entity: Entity) -> None:
    place, _ = _charted(entity)
    TaxRule.objects.filter(tax_class__entity=entity, tax_class__name="FBA fees").delete()
    take(place, File(lines=(*SALE, FULFILMENT)))


def _tax_code_chosen(entity: Entity) -> None:
    fba = TaxClass.objects.get(entity=entity, name="FBA fees")
    code = TaxRule.objects.filter(tax_class__entity=entity).first().tax_code
    choose_tax_code(
        entity=entity,
        tax_class=fba,
        leg=fba.default_leg,
        tax_code=code,
        since=SINCE,
        reason="As invoiced",
        actor=entity.memberships.get().user,
    )


def _withheld_tax_unmapped(entity: Entity) -> None:
    place, _ = _charted(entity)
    FeeRule.objects.filter(entity=entity, amount_type__iexact=WITHHELD["amount-type"]).delete()
    take(place, File(lines=(*SALE, WITHHELD)))


def _withheld_tax_mapped(entity: Entity) -> None:
    _map(entity, WITHHELD, Account.objects.get(entity=entity, role="facilitator"))


def _does_not_tie(entity: Entity) -> None:
    take(_charted(entity)[0], HELD)


def _changed(entity: Entity) -> None:
    place, _ = _charted(entity)
    take(place, File())
    take(place, File(lines=(*SALE, line("5.00"))))


def _version_chosen(entity: Entity) -> None:
    newer = SettlementVersion.objects.get(settlement__entity=entity, state="changed")
    chooser = entity.memberships.get().user
    choose_version(settlement=newer.settlement, version=newer, reason="Amazon's own", actor=chooser)


def _one_that_ties(entity: Entity) -> None:
    take(entity.connections.get(), File())


def _unreadable(entity: Entity) -> None:
    take(_charted(entity)[0], b"a spreadsheet")


def _corrected(entity: Entity) -> None:
    take(entity.connections.get(), File(), replaces=FileReading.objects.get(file__connection__entity=entity).pk)


def _extra_column(entity: Entity) -> None:
    take(_charted(entity)[0], File(extra={"regulatory-note": "x"}))


def _column_accepted(entity: Entity) -> None:
    AcceptedColumn.objects.create(
        connection=entity.connections.get(), name="regulatory-note", accepted_by=entity.memberships.get().user
    )


def _locked_too_early(entity: Entity) -> None:
    place, finance = _charted(entity)
    lock(entity=entity, month=OCTOBER, actor=finance)
    take(place, File())


def _unlocked_by_another(entity: Entity) -> None:
    ask_to_unlock(entity=entity, month=OCTOBER, reason="A late file", actor=entity.memberships.get().user)
    unlock(entity=entity, month=OCTOBER, actor=person(Role.FINANCE, entity))


def _payout(number: int, days: int, given_back: str = "", kept: str = "") -> File:
    """The number-th of settlements that follow each other, each of so many days; the third ended yesterday."""
    start = date.today() - timedelta(days=1 + (4 - number) * days)
    file = File(settlement_id=f"3000000000{number}", lines=(*SALE, *reserve(given_back, kept)))
    return file.of_days(start, start + timedelta(days=days))


def _days_missing(entity: Entity) -> None:
    place, _ = _charted(entity)
    take(place, _payout(1, 14, kept="80.00"))
    take(place, _payout(3, 14, given_back="95.50", kept="70.00"))


def _days_came(entity: Entity) -> None:
    take(entity.connections.get(), _payout(2, 14, given_back="80.00", kept="95.50"))


def _first_given_back(entity: Entity) -> None:
    take(_charted(entity)[0], _payout(3, 14, given_back="412.35", kept="505.20"))


def _opening_confirmed(entity: Entity) -> None:
    chain = ReserveChain.objects.get(connection__entity=entity)
    confirm_opening(chain=chain, amount=Decimal("412.35"), reason="Our books", actor=entity.memberships.get().user)


def _none_came(entity: Entity) -> None:
    take(_charted(entity)[0], _payout(2, 16, kept="80.00"))


def _one_came(entity: Entity) -> None:
    take(entity.connections.get(), _payout(3, 16, given_back="80.00"))


def _account_closed(entity: Entity) -> None:
    place, finance = _charted(entity)
    take(place, File())
    close_account(account=Account.objects.get(entity=entity, code="5100"), reason="Merged", actor=finance)


def _its_rules_moved(entity: Entity) -> None:
    codes = {account.code: account for account in Account.objects.filter(entity=entity)}
    actor = entity.memberships.get().user
    move_rules(account=codes["5100"], to=codes["5190"], since=None, reason="Merged", actor=actor)


def _order(entity: Entity, **values) -> Order:
    place = entity.connections.first() or ConnectionFactory(entity=entity)
    now = timezone.now()
    usual = {
        "order_id": "202-1111111-1111111", "marketplace": "A1F83G8C2ARO7P", "on_amazon": True, "channel": "MFN",
        "status": "UNSHIPPED", "purchased_at": now - timedelta(days=2), "changed_at": now, "ship_by": now + timedelta(hours=2),
        "currency": "GBP", "total": Decimal("27.99"), "content": "1", "route": "ship",
    }  # fmt: skip
    return Order.objects.create(entity=entity, connection=place, **usual | values)


def _near_its_ship_by(entity: Entity) -> None:
    _order(entity)


def _shipped(entity: Entity) -> None:
    Order.objects.filter(entity=entity).update(status="SHIPPED")


def _waits_for_an_item(entity: Entity) -> None:
    order = _order(entity, route="held", holds=["sku"])
    listing = Listing.objects.create(connection=order.connection, marketplace=order.marketplace, sku="BF-TRAY")
    OrderItem.objects.create(order=order, item_id="1", listing=listing, quantity=1)


def _let_go(entity: Entity) -> None:
    Order.objects.filter(entity=entity).update(route="ship", holds=[])


def _refused_by_the_warehouse(entity: Entity) -> None:
    order = _order(entity, ship_by=timezone.now() + timedelta(days=9))
    Command.objects.create(
        entity=entity, target="warehouse", kind="ship-order", key=f"ship:{order.pk}", subject=f"order:{order.pk}",
        state=Command.State.REFUSED, words="No such postcode",
    )  # fmt: skip


def _sent_again(entity: Entity) -> None:
    Command.objects.filter(entity=entity).update(state=Command.State.WAITING)


def _scanned_long_ago(entity: Entity) -> None:
    place = amazon(entity)
    scan(place, summary("BF-TRAY", 10))
    aged(place, hours=3)


def _scanned_now(entity: Entity) -> None:
    scan(entity.connections.get(), summary("BF-TRAY", 9))


def _figures_do_not_add_up(entity: Entity) -> None:
    told = summary("BF-TRAY", 10, pending=2)
    told["inventoryDetails"]["reservedQuantity"]["totalReservedQuantity"] = 5
    scan(amazon(entity), told)


def _amazon_took_it_over(entity: Entity) -> None:
    listing = Listing.objects.create(connection=amazon(entity), marketplace="A1F83G8C2ARO7P", sku="BF-TRAY", channel="MFN")
    keeper = person(Role.ECOMMERCE, entity)
    set_buffer(entity=entity, listing=listing, least=3, percent=Decimal(0), reason="Promised", actor=keeper)
    Listing.objects.filter(pk=listing.pk).update(channel="AFN")


def _buffer_removed(entity: Entity) -> None:
    buffer = Buffer.objects.in_force().get(entity=entity)
    remove_buffer(buffer=buffer, reason="Amazon ships it", actor=entity.memberships.get().user)


def _settled_and_not_here(entity: Entity) -> None:
    place, _ = _charted(entity)
    now = timezone.now()
    Source.objects.create(connection=place, feed="amazon.orders", every=timedelta(minutes=2), proven_at=now)
    _order(entity, purchased_at=now - timedelta(days=400), route="done", status="SHIPPED")
    take(place, File())


def _came_after_all(entity: Entity) -> None:
    _order(entity, order_id=SALE[0]["order-id"], content="2", route="done", status="SHIPPED")


def _nobody_says_who_ships(entity: Entity) -> None:
    taken(ConnectionFactory(entity=entity), order_record(by=None))


def _amazon_says_it(entity: Entity) -> None:
    taken(entity.connections.get(), order_record(lastUpdatedTime="2026-11-20T12:00:00Z"))


def _turned_to_amazon(entity: Entity) -> None:
    place = ConnectionFactory(entity=entity)
    taken(place, order_record(status="PENDING"))
    map_all(entity)
    taken(place, order_record(lastUpdatedTime="2026-11-20T11:00:00Z"))
    taken(place, order_record(by="AMAZON", lastUpdatedTime="2026-11-20T12:00:00Z"))


def _warehouse_order_cancelled(entity: Entity) -> None:
    order = Order.objects.get(entity=entity)
    cancel_warehouse_order(order=order, reason="Amazon ships it", actor=person(Role.OPS, entity))


def _waits_for_a_mapping(entity: Entity) -> None:
    _waits_for_an_item(entity)
    person(Role.ECOMMERCE, entity)
    ItemFactory(entity=entity)


def _in_stock_without_an_item(entity: Entity) -> None:
    scan(amazon(entity), summary("BF-TRAY", 7))
    person(Role.ECOMMERCE, entity)
    ItemFactory(entity=entity)


def _settled_without_an_item(entity: Entity) -> None:
    take(_charted(entity)[0], File())
    person(Role.ECOMMERCE, entity)
    ItemFactory(entity=entity)


def _mapped(entity: Entity) -> None:
    listing = Listing.objects.get(connection__entity=entity)
    since = timezone.localdate() - timedelta(days=30)
    mapper = entity.memberships.get(role=Role.ECOMMERCE).user
    map_sku(listing=listing, parts=[(entity.items.get(), 1)], since=since, reason="New", actor=mapper)


def _two_items_for_one_sku(entity: Entity) -> None:
    _waits_for_a_mapping(entity)
    _mapped(entity)
    listing, mapper = Listing.objects.get(connection__entity=entity), entity.memberships.get().user
    other = ItemFactory(entity=entity)
    try:
        map_sku(listing=listing, parts=[(other, 2)], since=timezone.localdate(), reason="Sheet", actor=mapper)
    except Refused as refused:
        assert refused.code == "ambiguous"


def _one_of_them_kept(entity: Entity) -> None:
    listing, mapper = Listing.objects.get(connection__entity=entity), entity.memberships.get().user
    keep_mapping(listing=listing, reason="As picked", actor=mapper)


def _source(entity: Entity) -> Source:
    place = ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)
    return Source.objects.create(connection=place, feed="amazon.orders", every=timedelta(minutes=15))


def _ended(source: Source, kind: str = "", **said: Any) -> None:
    """A run as it ends, without a verdict or with the one that this failure gets."""
    job = Job.objects.create(kind="integrations.sync", entity=source.connection.entity, state=JobState.DONE)
    run = SyncRun(source=source, job=job, ended_at=timezone.now())
    if kind:
        failure = Failure(kind=kind, words="It answered so.", at=run.ended_at, operation="searchOrders", **said)
        run.verdict, run.evidence = verdict(failure), failure.as_json()
    run.save()


def _worked(entity: Entity) -> None:
    _ended(Source.objects.get(connection__entity=entity))


def _quiet(entity: Entity) -> None:
    _source(entity)
    Source.objects.filter(connection__entity=entity).update(watched_from=timezone.now() - timedelta(days=3))


def _proven(entity: Entity) -> None:
    Source.objects.filter(connection__entity=entity).update(proven_at=timezone.now())


def _refused_call(entity: Entity) -> None:
    _ended(_source(entity), "permanent", status=400)


def _throttled(entity: Entity) -> None:
    _ended(_source(entity), "transient", status=429, attempts=8)


def _unavailable(entity: Entity) -> None:
    _ended(_source(entity), "transient", status=None, attempts=8)


def _consent_withdrawn(entity: Entity) -> None:
    source = _source(entity)
    Connection.objects.filter(pk=source.connection_id).update(revoked_at=timezone.now())


def _consent_given(entity: Entity) -> None:
    Connection.objects.filter(entity=entity).update(revoked_at=None)


def _unreadable_record(entity: Entity) -> None:
    raw = {"orderId": "202-1", "buyer": {"buyerName": "Ann"}}
    UnreadableRecord.objects.create(source=_source(entity), key="202-1", raw=raw, words="createdTime: expected a time")


def _record_read(entity: Entity) -> None:
    UnreadableRecord.objects.filter(source__connection__entity=entity).update(read_at=timezone.now())


def _failed_in_a_platform(entity: Entity) -> None:
    connect(entity=entity, name="Patchwork", address="", token="", actor=person(Role.ADMIN, entity))
    reports = [failed(1), failed(2)]
    take_reports(platform=Platform.objects.get(connection__entity=entity), reports=reports)


def _reported_as_succeeded(entity: Entity) -> None:
    reports = [succeeded(1), succeeded(2)]
    take_reports(platform=Platform.objects.get(connection__entity=entity), reports=reports)


OPENS_AND_CLEARS: dict[str, tuple[Callable[[Entity], None], Callable[[Entity], None]]] = {
    "api.throttled": (_throttled, _worked),
    "api.unavailable": (_unavailable, _worked),
    "connection.unauthorised": (_consent_withdrawn, _consent_given),
    "erp.period-closed": (_locked_too_early, _unlocked_by_another),
    "event.dead-letter": (_failed_in_a_platform, _reported_as_succeeded),
    "feed.failing": (_refused_call, _worked),
    "feed.stale": (_quiet, _proven),
    "file.layout-unknown": (_unreadable, _corrected),
    "job.stuck": (_job_stuck, _job_runs_again),
    "ledger.account-missing": (_account_closed, _its_rules_moved),
    "ledger.tax-code-unmapped": (_leg_without_tax, _tax_code_chosen),
    "order.channel-unknown": (_nobody_says_who_ships, _amazon_says_it),
    "order.misrouted-fba": (_turned_to_amazon, _warehouse_order_cancelled),
    "order.held": (_waits_for_an_item, _let_go),
    "order.late-ship": (_near_its_ship_by, _shipped),
    "order.rejected": (_refused_by_the_warehouse, _sent_again),
    "sku.ambiguous": (_two_items_for_one_sku, _one_of_them_kept),
    "sku.unmapped": (_waits_for_a_mapping, _mapped),
    "sku.unmapped in stock": (_in_stock_without_an_item, _mapped),
    "sku.unmapped in settlements": (_settled_without_an_item, _mapped),
    "record.unreadable": (_unreadable_record, _record_read),
    "settlement.changed": (_changed, _version_chosen),
    "settlement.column-unknown": (_extra_column, _column_accepted),
    "settlement.order-unknown": (_settled_and_not_here, _came_after_all),
    "settlement.missing": (_none_came, _one_came),
    "settlement.opening-balance": (_first_given_back, _opening_confirmed),
    "settlement.reserve-chain-broken": (_days_missing, _days_came),
    "settlement.does-not-tie": (_does_not_tie, _one_that_ties),
    "settlement.facilitator-not-zero": (_withheld_tax_unmapped, _withheld_tax_mapped),
    "settlement.fee-unmapped": (_new_fee, _fee_mapped),
    "stock.identity-break": (_figures_do_not_add_up, _scanned_now),
    "stock.partition-violation": (_amazon_took_it_over, _buffer_removed),
    "stock.snapshot-stale": (_scanned_long_ago, _scanned_now),
}
