"""A page of orders is stored whole, once, and never goes back in time."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.catalog.models import Listing
from apps.core.permissions import Role
from apps.integrations.feeds import FEEDS, Stored
from apps.integrations.models import Command, Connection
from apps.orders.mapping import run_map
from apps.orders.models import Buyer, Order, OrderItem, Route
from apps.orders.personal import without_personal
from tests.factories import ConnectionFactory, EntityFactory, ItemFactory, UserFactory, person
from tests.integrations.threads import in_thread
from tests.orders.amazon import BUYER, PRIVATE, line, money, record
from tests.orders.take import map_all, source_of, take

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = (
    "orders_order",
    "orders_orderitem",
    "orders_buyer",
    "catalog_listing",
    "exceptions_case",
    "integrations_command",
)


def counts(stored: Stored) -> tuple[int, int, int, int]:
    return stored.added, stored.changed, stored.unchanged, len(stored.unreadable)


def written() -> dict[str, tuple[int, int, int]]:
    """PostgreSQL's own counters: rows inserted, updated and deleted per table, ever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            [list(TABLES)],
        )
        return {name: figures for name, *figures in cursor.fetchall()}


def test_an_order_arrives_with_its_lines_its_listing_and_its_buyer(source, entity):
    stored = take(source, record(7, line(quantity=3, shipped=1), line("BULB", 2), status="PARTIALLY_SHIPPED"))
    order = Order.objects.get()
    assert counts(stored) == (1, 0, 0, 0)
    assert (order.entity, order.order_id, order.channel) == (entity, "202-1234567-0000007", "MFN")
    assert (order.total, order.currency) == (Decimal("24.99"), "GBP")
    lines = order.items.order_by("item_id").values_list("listing__sku", "quantity", "shipped", "price")
    assert list(lines) == [("LAMP-UK", 3, 1, Decimal("74.97")), ("BULB", 1, 0, Decimal("24.99"))]
    assert set(Listing.objects.values_list("sku", "asin", "title")) == {
        ("LAMP-UK", "B0LAMP0001", "Desk lamp"),
        ("BULB", "B0LAMP0001", "Desk lamp"),
    }
    assert (order.buyer.name, order.buyer.address["city"]) == (BUYER, "Leeds")
    assert (order.route, order.holds) == (Route.HELD, ["sku"])


def test_a_replay_writes_nothing_at_all(source, entity):
    records = [record(n, line(f"SKU-{n % 3}"), by=by) for n, by in enumerate(("AMAZON", "MERCHANT", None) * 4)]
    take(source, *records)
    map_all(entity)
    take(source, *[data | {"lastUpdatedTime": "2026-11-20T12:00:00Z"} for data in records])
    assert Command.objects.count() == 8
    before = written()
    again = take(source, *[data | {"lastUpdatedTime": "2026-11-20T12:00:00Z"} for data in records])
    assert counts(again) == (0, 0, 12, 0)
    assert written() == before


def test_what_changes_is_counted_and_written(source):
    take(source, record(1), record(2))
    later = record(2, line(quantity=5), line("BULB", 2), lastUpdatedTime="2026-11-20T11:00:00Z")
    assert counts(take(source, record(1), later, record(3))) == (1, 1, 1, 0)
    assert sorted(Order.objects.get(order_id=later["orderId"]).items.values_list("quantity", flat=True)) == [1, 5]
    fewer = record(2, line("BULB", 2), lastUpdatedTime="2026-11-20T12:00:00Z")
    take(source, fewer)
    assert Order.objects.get(order_id=later["orderId"]).items.get().listing.sku == "BULB"


def test_a_page_out_of_order_never_goes_back(source):
    old, new = record(1), record(1, status="SHIPPED", lastUpdatedTime="2026-11-21T09:00:00Z")
    assert counts(take(source, new, old)) == (1, 0, 1, 0)
    assert counts(take(source, old)) == (0, 0, 1, 0)
    order = Order.objects.get()
    assert (order.status, order.changed_at) == ("SHIPPED", datetime(2026, 11, 21, 9, tzinfo=UTC))


def test_an_order_twice_on_a_page_counts_twice_and_ends_as_the_newer(source):
    old, new = record(1), record(1, status="SHIPPED", lastUpdatedTime="2026-11-21T09:00:00Z")
    assert counts(take(source, old, new, new)) == (1, 1, 1, 0)
    assert Order.objects.get().status == "SHIPPED"


def test_an_unreadable_record_is_kept_without_its_buyer_and_stops_no_other(source):
    bad = record(2, proceeds={"grandTotal": money("12,30")})
    stored = take(source, record(1), bad, record(3), "nonsense")
    assert counts(stored) == (2, 0, 0, 2)
    kept, nonsense = stored.unreadable
    assert (kept.key, kept.raw["proceeds"]) == (bad["orderId"], bad["proceeds"])
    assert kept.words == "proceeds.grandTotal.amount: found “12,30”, expected a decimal such as 12.30"
    assert nonsense.words.startswith("record: ")
    assert not any(private in str(stored.unreadable) for private in PRIVATE)
    assert Order.objects.count() == 2


def test_an_order_of_another_account_with_the_same_id_is_another_order(source, entity):
    other = source_of(ConnectionFactory())
    take(source, record(1))
    assert counts(take(other, record(1))) == (1, 0, 0, 0)
    assert Order.objects.count() == 2


def test_an_order_flows_from_pending_to_the_warehouse(source, entity):
    take(source, record(1, status="PENDING", proceeds={}))
    map_all(entity)
    order = Order.objects.get()
    assert (order.route, order.total, Command.objects.count()) == (Route.PENDING, None, 0)
    take(source, record(1, lastUpdatedTime="2026-11-20T11:00:00Z"))
    order.refresh_from_db()
    assert (order.route, order.total) == (Route.SHIP, Decimal("24.99"))
    take(source, record(1, line(shipped=1), status="SHIPPED", lastUpdatedTime="2026-11-20T12:00:00Z"))
    order.refresh_from_db()
    assert (order.route, Command.objects.get().state) == (Route.SHIP, "waiting")


def test_an_order_that_amazon_took_over_keeps_its_warehouse_command_to_be_seen(source, entity):
    take(source, record(1))
    map_all(entity)
    take(source, record(1, lastUpdatedTime="2026-11-20T11:00:00Z"))
    take(source, record(1, by="AMAZON", lastUpdatedTime="2026-11-20T12:00:00Z"))
    order = Order.objects.get()
    assert (order.channel, order.route) == ("AFN", Route.RECORD)
    assert set(Command.objects.values_list("target", "state")) == {("warehouse", "waiting"), ("erp", "waiting")}


@pytest.mark.parametrize("by", ["MERCHANT", "AMAZON", None])
def test_an_order_that_is_cancelled_is_not_sent_whoever_is_said_to_ship_it_by_then(source, entity, by):
    take(source, record(1))
    map_all(entity)
    take(source, record(1, lastUpdatedTime="2026-11-20T11:00:00Z"))
    take(source, record(1, by=by, status="CANCELLED", lastUpdatedTime="2026-11-20T12:00:00Z"))
    assert (Order.objects.get().route, Command.objects.get().state) == (Route.ENDED, "cancelled")


def test_an_order_that_is_held_again_is_not_sent_until_it_is_released_again(source, entity):
    take(source, record(1))
    map_all(entity)
    take(source, record(1, lastUpdatedTime="2026-11-20T11:00:00Z"))
    take(source, record(1, by=None, lastUpdatedTime="2026-11-20T12:00:00Z"))
    assert (Order.objects.get().holds, Command.objects.get().state) == (["channel"], "cancelled")
    take(source, record(1, lastUpdatedTime="2026-11-20T13:00:00Z"))
    assert (Order.objects.get().route, Command.objects.get().state) == (Route.SHIP, "waiting")


def test_an_order_that_comes_while_its_sku_is_being_mapped_is_released(source, entity):
    """Nothing waits when the mapping is made, and the page that brings the order cannot see it yet."""
    take(source, record(1, status="CANCELLED"))
    listing = Listing.objects.get()
    parts = [(ItemFactory(entity=entity), 1)]
    with transaction.atomic():
        run_map(listing, {"parts": parts, "since": date(2026, 1, 1), "because": "new"}, person(Role.ECOMMERCE, entity))
        page = in_thread(lambda: take(source, record(2)))
        page.join(1)
        assert page.is_alive()
    page.join(20)
    assert Order.objects.get(order_id=record(2)["orderId"]).route == Route.SHIP


def test_who_ships_as_a_person_set_it_holds_until_a_record_says_it(source, entity):
    take(source, record(1, by=None))
    map_all(entity)
    Order.objects.update(channel="MFN", channel_set_by=UserFactory())
    take(source, record(1, by="ROBOT", lastUpdatedTime="2026-11-20T11:00:00Z"))
    order = Order.objects.get()
    assert (order.channel, order.channel_said, order.channel_set_by is not None) == ("MFN", "ROBOT", True)
    assert order.route == Route.SHIP
    take(source, record(1, by="AMAZON", lastUpdatedTime="2026-11-20T12:00:00Z"))
    order.refresh_from_db()
    assert (order.channel, order.channel_set_by) == ("AFN", None)


def test_a_buyer_who_is_due_to_be_purged_is_not_written_again(source):
    packages = [{"packageReferenceId": "1", "packageStatus": {"status": "DELIVERED"}}]
    take(source, record(1, status="SHIPPED", packages=packages, lastUpdatedTime="2025-01-01T00:00:00Z"))
    assert not Buyer.objects.exists()
    later = record(1, line(shipped=1), status="SHIPPED", packages=packages)
    take(source, later)
    assert Order.objects.get().delivered_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert not Buyer.objects.exists()


def test_the_statements_of_a_page_are_as_many_for_one_order_as_for_fifty(source, django_assert_max_num_queries):
    with django_assert_max_num_queries(24) as one:
        take(source, record(1))
    with django_assert_max_num_queries(len(one)):
        take(source, *[record(n) for n in range(2, 52)])
    with django_assert_max_num_queries(4):  # savepoints, turn, known
        take(source, *[record(n) for n in range(2, 52)])


def test_the_buyer_of_an_order_that_was_unreadable_comes_with_its_next_record(source):
    take(source, without_personal(record(1)))
    order = Order.objects.get()
    assert not Buyer.objects.exists()
    assert counts(take(source, record(1))) == (0, 1, 0, 0)
    assert Buyer.objects.get().order == order


def test_after_a_run_the_cases_are_looked_at_soon(source):
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("sweep")
    FEEDS["amazon.orders"].after(source)
    assert broker.llen("sweep") == 1


states = st.sampled_from(["PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED"])
versions = st.tuples(st.integers(1, 4), st.integers(0, 5), states, st.sampled_from(["AMAZON", "MERCHANT", None]))
pages = st.lists(st.lists(versions, max_size=6), max_size=5)


@given(pages)
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_in_whatever_order_pages_come_each_order_ends_as_its_newest_record(pages):
    place = ConnectionFactory(entity=EntityFactory(), kind=Connection.Kind.AMAZON)
    source = source_of(place)
    expected: dict[int, tuple] = {}
    for rows in pages:
        records = [
            record(number, status=status, by=by, lastUpdatedTime=f"2026-11-20T10:{minute:02d}:00Z")
            for number, minute, status, by in rows
        ]
        stored = take(source, *records)
        assert stored.seen == len(records)
        for number, minute, status, by in rows:
            if number not in expected or minute >= expected[number][0]:
                expected[number] = (minute, status, {"AMAZON": "AFN", "MERCHANT": "MFN", None: ""}[by])
    found = {int(order.order_id[-7:]): order for order in Order.objects.filter(connection=place)}
    assert {n: (order.changed_at.minute, order.status, order.channel) for n, order in found.items()} == expected
    assert OrderItem.objects.filter(order__connection=place).count() == len(found)
    ships = Command.objects.filter(entity=place.entity, target="warehouse").values_list("subject", flat=True)
    assert set(ships) <= {f"order:{order.pk}" for order in found.values()}
