"""What exists there: orders that live, stock in every state, settlements that our own reader takes."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import httpx
import pytest

from apps.core.permissions import Role
from apps.sandbox.catalogue import products
from apps.sandbox.world import World
from apps.settlements.charts import apply_chart
from tests.factories import ConnectionFactory, person
from tests.sandbox.asking import DE, DOCUMENTS, GB
from tests.settlements.take import take

HOUR, DAY = 3600, 24 * 3600
PENDING = ("PENDING", "PENDING_AVAILABILITY")


@pytest.fixture
def special(ask, sandbox):
    """`special("late-1")`: that order as it is now."""
    ids = sandbox.world()["special"]
    return lambda name: ask.orders()[ids[name]]


def status(order: dict) -> str:
    return order["fulfillment"]["fulfillmentStatus"]


def stays(orders: dict[str, dict]) -> dict[str, str]:
    return {key: status(order) for key, order in orders.items()}


def test_every_state_and_both_channels_and_marketplaces_are_there(ask):
    orders = ask.orders().values()
    assert set(map(status, orders)) == {
        "PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE",
    }  # fmt: skip
    by = Counter(order["fulfillment"].get("fulfilledBy") for order in orders)
    assert by["AMAZON"] > 20 and by["MERCHANT"] > 20
    assert {order["salesChannel"]["marketplaceId"] for order in orders} == {GB, DE}


def test_orders_go_on_as_time_passes_and_never_back(ask, sandbox):
    before = stays(ask.orders())
    assert stays(ask.orders()) == before
    for _ in range(8):
        sandbox.advance(DAY / 2)
        after = stays(ask.orders())
        assert set(before) <= set(after)
        for key, was in before.items():
            assert was not in ("SHIPPED", "CANCELLED") or after[key] == was
            assert was in PENDING or after[key] not in PENDING
        before = after
    assert len(before) > len(stays(ask.orders(createdBefore=sandbox.world()["start"])))


def test_what_changed_comes_with_a_search_by_update(ask, sandbox):
    before, since = ask.orders(), sandbox.world()["now"]
    sandbox.advance(6 * HOUR)
    changed = ask.orders(lastUpdatedAfter=since, createdAfter="")
    after = ask.orders()
    assert {key for key, order in after.items() if order != before.get(key)} == set(changed)
    assert 0 < len(changed) < len(after) / 2


def test_an_order_knows_its_price_and_buyer_when_it_is_paid(special, sandbox):
    pending = special("pending")
    assert not {"proceeds", "buyer", "recipient"} & set(pending)
    assert "price" not in pending["orderItems"][0]["product"]
    sandbox.advance(HOUR)
    paid = special("pending")
    assert {"proceeds", "buyer", "recipient"} <= set(paid)
    assert (status(pending), status(paid)) == ("PENDING", "UNSHIPPED")


def test_amounts_add_up(ask, sandbox):
    for key, order in ask.orders().items():
        if "proceeds" not in order or key == sandbox.world()["special"]["unreadable"]:
            continue
        total = Decimal(order["proceeds"]["grandTotal"]["amount"])
        assert total == sum(Decimal(part["subtotal"]["amount"]) for part in order["proceeds"]["breakdowns"])
        assert total == sum(Decimal(item["proceeds"]["proceedsTotal"]["amount"]) for item in order["orderItems"])


def test_a_new_listing_has_37_orders_waiting(ask, sandbox):
    special = sandbox.world()["special"]
    orders = {key: order for key, order in ask.orders().items() if key in special.values()}
    waiting = [orders[key] for name, key in special.items() if name.startswith("waiting-")]
    items = [item for order in waiting for item in order["orderItems"]]
    assert len(waiting) == 37
    assert sum(item["quantityOrdered"] for item in items) == 41
    assert {item["product"]["sellerSku"] for item in items} == {"BF-OAKTRAY-40-UK2"}
    assert "BF-OAKTRAY-40-UK2" in sandbox.world()["new_skus"]
    assert sum(Decimal(order["proceeds"]["grandTotal"]["amount"]) for order in waiting) == Decimal("1147.59")
    without = [order for order in waiting if "postalCode" not in order["recipient"]["deliveryAddress"]]
    assert len(without) == 1
    sandbox.advance(3 * HOUR)
    assert Counter(status(ask.orders()[key]) for name, key in special.items() if name.startswith("waiting-")) == {
        "UNSHIPPED": 36,
        "CANCELLED": 1,
    }


def test_a_channel_may_be_absent_or_a_word_that_nobody_knows_or_change(special, sandbox):
    assert "fulfilledBy" not in special("no-channel")["fulfillment"]
    assert special("unknown-channel")["fulfillment"]["fulfilledBy"] not in ("AMAZON", "MERCHANT")
    before = special("becomes-amazons")
    sandbox.advance(4 * HOUR)
    after = special("becomes-amazons")
    assert [each["fulfillment"]["fulfilledBy"] for each in (before, after)] == ["MERCHANT", "AMAZON"]
    assert before["lastUpdatedTime"] < after["lastUpdatedTime"]


def test_one_order_has_an_amount_that_is_no_number(special):
    with pytest.raises(InvalidOperation):
        Decimal(special("unreadable")["proceeds"]["grandTotal"]["amount"])


def test_one_order_is_shipped_in_part(special, sandbox):
    def left() -> list[tuple[int, int]]:
        items = [item["fulfillment"] for item in special("partly-shipped")["orderItems"]]
        return [(item["quantityFulfilled"], item["quantityUnfulfilled"]) for item in items]

    assert left() == [(1, 1), (1, 0)]
    sandbox.advance(2 * DAY)
    assert (status(special("partly-shipped")), left()) == ("SHIPPED", [(2, 0), (1, 0)])


def test_orders_of_other_shops_are_there_without_money_or_buyer(special):
    for number in range(1, 5):
        order = special(f"multi-channel-{number}")
        assert order["salesChannel"]["channelName"] == "NON_AMAZON"
        assert not {"proceeds", "buyer", "recipient"} & set(order)
    assert status(special("multi-channel-4")) == "UNFULFILLABLE"


def test_some_are_past_their_ship_by(special, sandbox):
    for name in ("late-1", "late-2"):
        order = special(name)
        assert status(order) == "UNSHIPPED"
        assert order["fulfillment"]["shipByWindow"]["latestDateTime"] < sandbox.world()["now"]


def test_at_each_hour_of_the_day_one_that_waits_is_to_ship_soon():
    for hour in range(24):
        world = World(7, datetime(2026, 11, 22, hour, 7, tzinfo=UTC), 10)
        first = min(order.ship_by for name, order in world.special.items() if name.startswith("waiting"))
        assert world.start < first < world.start + timedelta(hours=12), hour


def test_packages_are_delivered_in_the_end(ask, sandbox):
    sandbox.advance(5 * DAY)
    said = Counter(
        package["packageStatus"]["status"] for order in ask.orders().values() for package in order.get("packages", [])
    )
    assert said["DELIVERED"] > 10 and said["SHIPPED"] > 0


def test_whatever_names_a_buyer_bears_a_mark(ask, sandbox):
    marks = [mark.lower() for mark in sandbox.world()["buyer_marks"]]
    told = 0
    for order in ask.orders().values():
        address = order.get("recipient", {}).get("deliveryAddress", {})
        named = (address.get(name) for name in ("name", "addressLine1", "postalCode", "phone"))
        said = [*order.get("buyer", {}).values(), *named]
        for text in filter(None, said):
            told += 1
            assert any(mark in text.lower() for mark in marks), text
    assert told > 100


def test_stock_comes_in_every_state_and_its_sums_hold_but_for_one_sku(ask):
    broken = set()
    for market in (GB, DE):
        for sku, each in ask.stock(market).items():
            if "inventoryDetails" not in each:
                assert sku == "BF-BASKET-SEAGRASS-M"
                continue
            details = each["inventoryDetails"]
            reserved = details["reservedQuantity"]
            parts = sum(quantity for name, quantity in reserved.items() if name != "totalReservedQuantity")
            if parts != reserved["totalReservedQuantity"]:
                broken.add(sku)
            inbound = sum(details[f"inbound{state}Quantity"] for state in ("Working", "Shipped", "Receiving"))
            damaged = details["unfulfillableQuantity"]["totalUnfulfillableQuantity"]
            assert each["totalQuantity"] == details["fulfillableQuantity"] + parts + damaged + inbound
    assert broken == {"BF-CANDLE-OUD-220"}
    details = ask.stock()["BF-LINEN-KG-SAGE"]["inventoryDetails"]
    flat = [value for part in details.values() for value in (part.values() if isinstance(part, dict) else [part])]
    assert all(value for value in flat)


def test_two_skus_share_their_units(ask):
    stock = ask.stock()
    one, other = stock["BF-THROW-WOOL-GREY"], stock["BF-THROW-GREY-OLD"]
    assert (one["fnSku"], one["inventoryDetails"]) == (other["fnSku"], other["inventoryDetails"])


def test_stock_moves_and_can_be_asked_for_by_change(ask, sandbox):
    before = ask.stock()
    assert ask.stock() == before
    sandbox.advance(1)
    since = sandbox.world()["now"]
    sandbox.advance(4 * HOUR)
    after = ask.stock()
    changed = ask.stock(startDateTime=since)
    assert changed == {sku: each for sku, each in after.items() if each["lastUpdatedTime"] >= since}
    assert {sku for sku, each in after.items() if each != before.get(sku)} <= set(changed)
    assert 0 < len(changed) < len(after)


def test_a_listing_of_the_merchants_becomes_amazons(ask, sandbox):
    sku = "BF-TOWEL-BTH-ECRU-FBM"

    def channel() -> str:
        return ask.listings()[sku]["fulfillmentAvailability"][0]["fulfillmentChannelCode"]

    assert (channel(), sku in ask.stock()) == ("DEFAULT", False)
    sandbox.advance(4 * HOUR)
    assert (channel(), sku in ask.stock()) == ("AMAZON_EU", True)


def test_there_are_some_forty_listings_with_good_eans():
    known = products().values()
    assert 35 <= sum(len(product.markets) for product in known) <= 55
    for product in known:
        assert len(product.ean) == 13
        assert sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(product.ean)) % 10 == 0


def settlement(ask, report: dict) -> bytes:
    return gzip.decompress(httpx.get(ask.good(f"{DOCUMENTS}/{report['reportDocumentId']}")["url"]).content)


def test_a_settlement_comes_later(ask, sandbox):
    before = ask.reports()
    assert Counter(report["marketplaceIds"][0] for report in before) == {GB: 2, DE: 1}
    sandbox.advance(14 * DAY)
    after = ask.reports()
    assert [report["reportId"] for report in after[1:]] == [report["reportId"] for report in before]


def test_settlements_speak_of_orders_that_were_shipped(ask):
    orders = ask.orders()
    for report in ask.reports():
        header, *rows = [line.split("\t") for line in settlement(ask, report).decode("cp1252").splitlines()]
        sold = {row[header.index("order-id")] for row in rows} - {""}
        assert len(sold) > 5
        assert {status(orders[key]) for key in sold} == {"SHIPPED"}


@pytest.mark.django_db(transaction=True)
def test_our_own_reader_takes_every_settlement_and_ties_it_out(ask, sandbox):
    sandbox.advance(14 * DAY)
    for report in ask.reports():
        connection = ConnectionFactory()
        chart = "uk" if report["marketplaceIds"] == [GB] else "de"
        apply_chart(chart=chart, entity=connection.entity, actor=person(Role.FINANCE, connection.entity))
        verdict = take(connection, settlement(ask, report))
        assert (verdict["status"], verdict["unmapped"], verdict["sum"]) == ("taken", [], verdict["total"])
