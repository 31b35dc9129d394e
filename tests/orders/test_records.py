"""What a record says, or in words what is wrong with it. Amazon's own examples are read where they lie."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from apps.orders.models import Order, Status
from apps.orders.personal import ADDRESS, NOT_KEPT, PERSONAL, area, initials, without_personal
from apps.orders.records import ADDRESS_PARTS, OrderSaid, content_of, read
from apps.orders.sent import STATUSES, Unread
from tests.orders.amazon import BUYER, PRIVATE, line, money, record

MODELS = settings.BASE_DIR.parent / "shared" / "amazon-models"


@pytest.fixture(scope="module")
def examples() -> list[dict]:
    """The orders in all official examples of searchOrders and getOrder."""
    if not MODELS.exists():
        pytest.skip("Amazon's models are not beside this checkout")
    rows = json.loads((MODELS / "sandbox-examples.json").read_text())
    answers = [row["response"] for row in rows if row["api"].startswith("orders_2026") and "errors" not in row["response"]]
    return [order for answer in answers for order in answer.get("orders", [answer.get("order")])]


def changed(path: str, value: object) -> dict:
    """A plain record with the value at the dotted path; numbers are places in a list."""
    data = copy.deepcopy(record())
    *way, last = path.split(".")
    place = data
    for name in way:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return data


def said_in(data: object) -> OrderSaid:
    return read(json.dumps(data).encode())


def words(data: object) -> str:
    with pytest.raises(Unread) as fault:
        said_in(data)
    return fault.value.words


def test_every_official_example_is_read(examples):
    orders = [said_in(data) for data in examples]
    assert len(orders) >= 5
    assert {order.channel for order in orders} == {"AFN", "MFN"}
    japan = next(order for order in orders if order.currency == "JPY")
    assert (japan.total, [each.price for each in japan.lines]) == (Decimal(19940), [Decimal(5980), Decimal(13960)])
    assert japan.ship_by == datetime(2024, 12, 25, 23, 59, 59, tzinfo=UTC)


def test_no_buyer_of_an_official_example_stays_in_what_is_kept_raw(examples):
    for data in examples:
        kept = json.dumps(without_personal(data), ensure_ascii=False)
        address = data["recipient"]["deliveryAddress"]
        for private in (address["name"], address["addressLine1"], address["postalCode"], address.get("phone")):
            assert private is None or private not in kept
        assert data["orderId"] in kept


def test_a_field_that_amazon_adds_later_is_not_kept_wherever_it_stands():
    data = record(packages=[{"packageStatus": {"status": "DELIVERED", "receivedBy": BUYER}}])
    data["orderItems"][0]["product"]["engraving"] = {"title": BUYER}
    data["fulfillment"]["deliveryNote"] = [BUYER]
    kept = without_personal(data)
    assert BUYER not in json.dumps(kept)
    assert kept["orderItems"][0]["product"]["engraving"] == kept["fulfillment"]["deliveryNote"] == NOT_KEPT
    said, again = said_in(data), said_in(kept)
    assert (again.lines, again.total, again.ship_by, again.delivered_at) == (
        said.lines, said.total, said.ship_by, said.delivered_at,
    )  # fmt: skip


def test_every_personal_field_of_the_official_model_is_classed():
    if not MODELS.exists():
        pytest.skip("Amazon's models are not beside this checkout")
    model = json.loads((MODELS / "orders_2026-01-01.json").read_text())["definitions"]
    for path, name in (("buyer", "Buyer"), (ADDRESS, "CustomerAddress")):
        assert {f"{path}.{each}" for each in model[name]["properties"]} <= PERSONAL.keys()
    assert {f"recipient.{each}" for each in model["Recipient"]["properties"]} <= {ADDRESS, *PERSONAL}
    assert {"tax", "payment"} <= PERSONAL.keys()
    assert {f"{ADDRESS}.{part}" for part in ADDRESS_PARTS} <= PERSONAL.keys()


def test_the_words_of_status_are_those_that_we_keep():
    assert set(STATUSES) == set(Status.values)


def test_a_record_is_read_whole():
    order = said_in(record(7, line(quantity=3, shipped=1, price="8.33"), status="PARTIALLY_SHIPPED"))
    assert (order.order_id, order.marketplace, order.on_amazon) == ("202-1234567-0000007", "A1F83G8C2ARO7P", True)
    assert (order.channel, order.channel_said, order.status) == ("MFN", "MERCHANT", "PARTIALLY_SHIPPED")
    assert order.purchased_at == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    assert order.ship_by == datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
    assert (order.currency, order.total) == ("GBP", Decimal("24.99"))
    only = order.lines[0]
    assert (only.sku, only.quantity, only.shipped, only.price) == ("LAMP-UK", 3, 1, Decimal("24.99"))
    assert (order.buyer.name, order.buyer.address["postalCode"]) == (BUYER, "LS1 4DY")


@pytest.mark.parametrize(
    ("by", "channel", "said"),
    [
        ("AMAZON", "AFN", "AMAZON"),
        ("MERCHANT", "MFN", "MERCHANT"),
        ("AFN", "AFN", "AFN"),
        ("MFN", "MFN", "MFN"),
        (None, "", ""),
        ("ROBOT", "", "ROBOT"),
        ("amazon", "", "amazon"),
        (7, "", "7"),
    ],
)
def test_who_ships_is_amazons_word_or_nobody(by, channel, said):
    order = said_in(record(by=by))
    assert (order.channel, order.channel_said) == (channel, said)


def test_multi_channel_fulfilment_is_not_on_amazon():
    assert not said_in(record(salesChannel={"channelName": "NON_AMAZON"})).on_amazon


def test_what_is_not_known_yet_is_no_zero():
    order = said_in(record(1, {"orderItemId": "1", "quantityOrdered": 2, "product": {"sellerSku": "A"}}, proceeds={}))
    assert (order.total, order.currency, order.lines[0].price) == (None, "", None)


def test_an_order_is_delivered_once_all_its_packages_are():
    packages = [{"packageReferenceId": "1", "packageStatus": {"status": "DELIVERED"}}]
    assert said_in(record(status="SHIPPED", packages=packages)).delivered_at is not None
    on_its_way = [*packages, {"packageReferenceId": "2", "packageStatus": {"status": "IN_TRANSIT"}}]
    assert said_in(record(status="SHIPPED", packages=on_its_way)).delivered_at is None
    assert said_in(record(status="SHIPPED")).delivered_at is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("orderId", None, "orderId: is missing"),
        ("orderId", "", "orderId: is missing"),
        ("orderId", "2" * 51, "expected an id of at most 50 characters"),
        ("orderId", " 202", "orderId: found “202”, expected an id"),
        ("orderId", 202, "orderId: found “202”, expected an id"),
        ("orderId", {"who": BUYER}, "orderId: found an object, expected an id"),
        ("orderId", "a\ud800b", "orderId: found “ab”, expected an id"),
        ("orderId", "a\x00b", "orderId: found “ab”, expected an id of at most 50 characters"),
        ("createdTime", "20 Nov", "createdTime: found “20 Nov”, expected an instant such as 2026-11-20T10:00:00Z"),
        ("createdTime", "2026-11-20T10:00:00", "expected an instant"),
        ("lastUpdatedTime", None, "lastUpdatedTime: is missing"),
        ("fulfillment.shipByWindow.latestDateTime", 5, "fulfillment.shipByWindow.latestDateTime: found “5”"),
        ("salesChannel.channelName", "SHOP", "salesChannel.channelName: found “SHOP”, expected AMAZON, NON_AMAZON"),
        ("fulfillment.fulfillmentStatus", "Canceled", "fulfillment.fulfillmentStatus: found “Canceled”"),
        ("fulfillment", None, "fulfillment: is missing"),
        ("fulfillment", {}, "fulfillment.fulfillmentStatus: is missing"),
        ("fulfillment.shipByWindow", "soon", "fulfillment.shipByWindow: found “str”, expected an object"),
        ("createdTime", "0001-01-01T00:00:00+14:00", "createdTime: found “0001-01-01T00:00:00+14:00”, expected an instant"),
        ("proceeds.grandTotal", money("24,99"), "proceeds.grandTotal.amount: found “24,99”, expected a decimal"),
        ("proceeds.grandTotal", money("24.999"), "proceeds.grandTotal.amount: found “24.999”, GBP has 2 decimals"),
        ("proceeds.grandTotal", money("10.5", "JPY"), "JPY has 0 decimals"),
        ("proceeds.grandTotal", money("NaN"), "expected a decimal"),
        ("proceeds.grandTotal", money("1e9"), "expected a decimal"),
        ("proceeds.grandTotal", {"amount": "1.00"}, "proceeds.grandTotal.currencyCode"),
        ("proceeds.grandTotal", {"amount": "1.00", "currencyCode": "gbp"}, "currencyCode: found “gbp”, expected a currency such"),
        ("proceeds.grandTotal", {"amount": 10**14, "currencyCode": "GBP"}, "expected a decimal"),
        ("proceeds.grandTotal", {"amount": True, "currencyCode": "GBP"}, "expected a decimal"),
        ("proceeds.grandTotal", "24.99", "proceeds.grandTotal: found “str”, expected an amount and its currencyCode"),
        ("proceeds.grandTotal", {"amount": 1.5, "currencyCode": "GBP"}, "expected a decimal"),
        ("orderItems", [], "orderItems: expected at least one line of an order that is UNSHIPPED"),
        ("orderItems", None, "orderItems: is missing"),
        ("orderItems", {}, "orderItems: found “dict”, expected a list"),
        ("orderItems", [line(), line()], "orderItems: orderItemId 20212345670001 comes twice"),
        ("orderItems", [line(), "x"], "orderItems[1]: found “str”, expected a line with its fields"),
        ("orderItems.0.quantityOrdered", "1.5", "orderItems[0].quantityOrdered: found “1.5”, expected a whole number"),
        ("orderItems.0.quantityOrdered", -1, "expected a whole number of units"),
        ("orderItems.0.quantityOrdered", True, "expected a whole number of units"),
        ("orderItems.0.quantityOrdered", None, "orderItems[0].quantityOrdered: is missing"),
        ("orderItems.0.quantityOrdered", 1.0, "expected a whole number of units"),
        ("orderItems.0.quantityOrdered", 1_000_001, "expected a whole number of units"),
        ("orderItems.0.product", None, "orderItems[0].product: is missing"),
        ("orderItems.0.product", {}, "orderItems[0].product.sellerSku: is missing"),
        (
            "orderItems.0.proceeds",
            {"breakdowns": [{"type": "TAX", "subtotal": money("4.165")}, {"type": "ITEM", "subtotal": money("41,65")}]},
            "orderItems[0].proceeds.breakdowns[1].subtotal.amount: found “41,65”, expected a decimal",
        ),
        ("orderItems.0.product.sellerSku", None, "orderItems[0].product.sellerSku: is missing"),
        ("orderItems.0.product.price.unitPrice", money("9.00", "EUR"), "expected GBP like the rest of the order"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_was_expected(path, value, said):
    assert said in words(changed(path, value))


def test_a_line_that_costs_more_than_can_be_kept_is_said():
    said = words(record(1, line(quantity=2, price="9" * 14)))
    assert said == "orderItems[0].product.price.unitPrice: found “199999999999998.00”, expected less for all units"


def test_a_missing_field_is_named():
    for name in ("orderId", "createdTime", "lastUpdatedTime", "salesChannel", "fulfillment", "orderItems"):
        assert words({key: value for key, value in record().items() if key != name}) == f"{name}: is missing"


def test_what_is_no_record_is_said():
    assert words(["x"]) == "record: found “list”, expected one order with its fields"
    assert words(None).startswith("record: ")


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"orderId": "2', b"\xff\xfe\xfd", b"[" * 100_000])
def test_what_is_no_json_is_said(raw):
    with pytest.raises(Unread, match="record: expected JSON"):
        read(raw)


def test_a_record_is_read_where_it_lies_in_its_page():
    raw = json.dumps(record()).encode()
    assert read(memoryview(raw)) == read(msgspec.Raw(raw)) == read(raw)


def test_half_a_character_goes_from_what_is_free_and_the_order_stays():
    torn = changed("orderItems.0.product.title", "Desk \ud800lamp") | {"buyer": {"buyerName": "\udfffBo", "\ud800": "\ud800"}}
    order = said_in(torn | {"recipient": None})
    assert (order.lines[0].title, order.buyer.name) == ("Desk lamp", "Bo")
    assert content_of(order) == content_of(said_in(changed("buyer", {"buyerName": "Bo"}) | {"recipient": None}))
    assert said_in(record() | {"new\udfffThing": "\ud800"}) == said_in(record())
    assert words(changed("createdTime", "\ud800")).startswith("createdTime: found “”, expected an instant")


def test_what_is_free_cannot_make_an_order_unreadable():
    for value in (None, 7, "x", ["x"], {"x": {}}, [{"packageStatus": "DELIVERED"}]):
        for name in ("buyer", "recipient", "packages", "fulfillment.fulfilledBy", "orderItems.0.product.asin"):
            assert said_in(changed(name, value) | {"tax": value}).order_id == record()["orderId"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=6,
)
PATHS = [
    "orderId", "createdTime", "salesChannel", "salesChannel.marketplaceId", "buyer", "recipient", "recipient.deliveryAddress",
    "recipient.deliveryAddress.name", "recipient.deliveryAddress.postalCode", "proceeds", "proceeds.grandTotal", "fulfillment",
    "fulfillment.fulfilledBy", "fulfillment.shipByWindow", "orderItems", "orderItems.0", "orderItems.0.product",
    "orderItems.0.product.title", "orderItems.0.product.price", "orderItems.0.proceeds", "orderItems.0.fulfillment",
    "packages", "programs",
]  # fmt: skip


@given(st.sampled_from(PATHS), json_values)
def test_any_value_anywhere_is_read_or_refused_in_words_that_name_no_buyer(path, value):
    data = record() | {"orderItems": [value]} if path == "orderItems.0" else changed(path, value)
    kept = json.dumps(without_personal(data))
    try:
        order = said_in(data)
    except Unread as fault:
        said = fault.words
        assert words(data | {"newThing": "\ud800"}) == said
    else:
        said = order.order_id
        assert said_in(data | {"newThing": "\ud800"}) == order
        assert len(order.channel_said) <= Order._meta.get_field("channel_said").max_length
    assert not any(private in said or private in kept for private in PRIVATE)


def test_the_hash_is_of_what_is_kept_not_of_how_it_was_said():
    content = content_of(said_in(record()))
    link = {"customizedUrl": "https://example.com/signed?token=2"}
    for same in (
        dict(reversed(record().items())),
        record(newThing={"who": "knows"}, programs=["PRIME", "NEW"]),
        changed("orderItems.0.product.customization", link),
        changed("proceeds.grandTotal", money("24.990")),
        changed("createdTime", "2026-11-20T11:00:00.000+01:00"),
    ):
        assert content_of(said_in(same)) == content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fulfillment.fulfillmentStatus", "SHIPPED"),
        ("fulfillment.fulfilledBy", "AMAZON"),
        ("lastUpdatedTime", "2026-11-20T11:00:00Z"),
        ("proceeds.grandTotal", money("24.98")),
        ("buyer.buyerEmail", "other@marketplace.example"),
        ("recipient.deliveryAddress.postalCode", "LS1 4DZ"),
        ("orderItems.0.product.sellerSku", "LAMP-DE"),
        ("orderItems.0.fulfillment.quantityFulfilled", 1),
    ],
)
def test_the_hash_changes_with_what_is_kept(path, value):
    assert content_of(said_in(changed(path, value))) != content_of(said_in(record()))


def test_what_is_kept_raw_has_its_fields_but_no_buyer():
    kept = without_personal(record() | {"newThing": {"who": BUYER}})
    said = json.dumps(kept)
    assert not any(private in said for private in PRIVATE)
    assert (kept["orderId"], kept["buyer"], kept["newThing"]) == ("202-1234567-0000001", NOT_KEPT, NOT_KEPT)
    assert kept["orderItems"][0]["product"]["sellerSku"] == "LAMP-UK"
    assert without_personal(BUYER) == NOT_KEPT


def test_a_masked_buyer_shows_initials_and_an_area():
    assert initials(BUYER) == "A. M. S."
    assert area({"postalCode": "LS1 4DY", "countryCode": "GB"}) == "LS1 ***, GB"
    assert area({"postalCode": "10115"}) == "10 ***"
    assert (area({}), initials("")) == ("", "")
