"""What one record of Orders 2026-01-01 says, or in words which field of it cannot be read (amazon-api.md 2.3). Pure.

The structs below `Sent` name the fields that are read, with their types and the words for what was expected. A field that
they do not name is never looked at; one that is `Any` cannot be wrong. msgspec checks types, lengths and bounds as it decodes;
characters are checked here after it, several times faster than by its patterns.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, ValidationError, inspect

from apps.core.money import exponent

STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)
WITHOUT_LINES = ("PENDING_AVAILABILITY", "PENDING", "CANCELLED")
CHANNELS = {"AMAZON": "AFN", "MERCHANT": "MFN", "AFN": "AFN", "MFN": "MFN"}  # of 2026-01-01, and of v0 before it
ON_AMAZON = {"AMAZON": True, "NON_AMAZON": False}
AMOUNT = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,10})?")
CURRENCY = re.compile(r"[A-Z]{3}")
CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")
UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")  # JSON has them, PostgreSQL's text does not
HALF = re.compile("[\ud800-\udfff]")
MOST_UNITS = 1_000_000
MOST_MONEY = 10**14
SAID = 60
SHOWN = 40
ADDRESS_PARTS = (
    "companyName",
    "addressLine1",
    "addressLine2",
    "addressLine3",
    "city",
    "districtOrCounty",
    "stateOrRegion",
    "municipality",
    "postalCode",
    "countryCode",
)


class Unread(Exception):
    """`words` name the field, what it holds and what was expected. They hold no buyer's data."""

    def __init__(self, path: str, expected: str, found: Any = None):
        self.words = f"{path}: {expected}" if found is None else f"{path}: found {_shown(found)}, {expected}"
        super().__init__(self.words)


def _expected(words: str, **limits: Any) -> Meta:
    return Meta(extra={"expected": words}, **limits)


def _id(longest: int) -> Any:
    """An id as the channel writes it."""
    return Annotated[str, _expected(f"an id of at most {longest} characters", min_length=1, max_length=longest)]


Instant = Annotated[datetime, _expected("an instant such as 2026-11-20T10:00:00Z", tz=True)]
Units = Annotated[int, _expected("a whole number of units", ge=0, le=MOST_UNITS)]


class Sent(Struct, rename="camel", gc=False):
    """A part of the record as Amazon sends it."""


class Sum(Sent, frozen=True):
    currency_code: Annotated[str, _expected("a currency such as GBP")]
    amount: Annotated[int | str, _expected("a decimal such as 12.30")]


Money = Annotated[Sum, _expected("an amount and its currencyCode")]


class UnitPrice(Sent):
    unit_price: Money | None = None


class Product(Sent):
    seller_sku: _id(120)
    asin: Any = None
    title: Any = None
    price: UnitPrice | None = None


class Part(Sent):
    type: Any = None
    subtotal: Money | None = None


class Parts(Sent):
    breakdowns: list[Part] | None = None


class Fulfilled(Sent):
    quantity_fulfilled: Units | None = None


class Item(Sent):
    order_item_id: _id(50)
    quantity_ordered: Units
    product: Product
    proceeds: Parts | None = None
    fulfillment: Fulfilled | None = None


class SalesChannel(Sent):
    channel_name: Annotated[Literal[*ON_AMAZON], _expected(", ".join(ON_AMAZON))]
    marketplace_id: _id(20) | None = None


class Window(Sent):
    latest_date_time: Instant | None = None


class Fulfillment(Sent):
    fulfillment_status: Annotated[Literal[STATUSES], _expected(", ".join(STATUSES))]
    fulfilled_by: Any = None
    ship_by_window: Window | None = None


class Proceeds(Sent):
    grand_total: Money | None = None


class Record(Sent):
    order_id: _id(50)
    created_time: Instant
    last_updated_time: Instant
    sales_channel: SalesChannel
    fulfillment: Fulfillment
    order_items: list[Annotated[Item, _expected("a line with its fields")]]
    proceeds: Proceeds | None = None
    buyer: Any = None
    recipient: Any = None
    packages: Any = None


ORDER = Annotated[Record, _expected("one order with its fields")]
DECODER = msgspec.json.Decoder(ORDER)
SHAPE = inspect.type_info(ORDER)
WHOLE = (inspect.StructType, inspect.ListType)


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """`price` is of all units in the order's currency; None where it is not known yet."""

    item_id: str
    sku: str
    asin: str
    title: str
    quantity: int
    shipped: int
    price: Decimal | None


class BuyerSaid(Struct, frozen=True, kw_only=True, gc=False):
    """Who bought, as far as it is kept: see apps.orders.personal."""

    name: str
    email: str
    phone: str
    address: Mapping[str, str]


class OrderSaid(Struct, frozen=True, kw_only=True, gc=False):
    """One order as its channel says it is now. Instants in UTC; `channel` is empty where `channel_said` is no channel."""

    order_id: str
    marketplace: str
    on_amazon: bool
    channel: str
    channel_said: str
    status: str
    purchased_at: datetime
    changed_at: datetime
    ship_by: datetime | None
    delivered_at: datetime | None
    currency: str
    total: Decimal | None
    lines: tuple[Line, ...]
    buyer: BuyerSaid | None


def as_json(rows: list[dict[str, Any]]) -> str:
    """Rows for a statement, as one text: both sides read and write a page of it several times faster than as arrays."""
    return msgspec.json.encode(rows).decode()


def content_of(order: OrderSaid) -> str:
    """The hash of all that is kept of the record: the same until something changes that we keep."""
    return hashlib.sha256(msgspec.json.encode(order)).hexdigest()


def read(raw: bytes | memoryview | Raw) -> OrderSaid:
    """What the record says, from its JSON. Raises Unread at the first field that cannot be read."""
    record = _record(raw)
    shop, fulfillment = record.sales_channel, record.fulfillment
    status, said, window = fulfillment.fulfillment_status, fulfillment.fulfilled_by, fulfillment.ship_by_window
    currency, total = _money(record.proceeds and record.proceeds.grand_total, "proceeds.grandTotal")
    lines, currency = _lines(record.order_items, status, currency)
    changed_at = _utc(record.last_updated_time, "lastUpdatedTime")
    return OrderSaid(
        order_id=_code(record.order_id, "orderId"),
        marketplace=_code(shop.marketplace_id, "salesChannel.marketplaceId") if shop.marketplace_id else "",
        on_amazon=ON_AMAZON[shop.channel_name],
        channel=CHANNELS.get(said, "") if isinstance(said, str) else "",
        channel_said="" if said is None else _kept(str(said), SAID),
        status=status,
        purchased_at=_utc(record.created_time, "createdTime"),
        changed_at=changed_at,
        ship_by=_utc(window and window.latest_date_time, "fulfillment.shipByWindow.latestDateTime"),
        delivered_at=changed_at if status == "SHIPPED" and _all_delivered(record.packages) else None,
        currency=currency,
        total=total,
        lines=lines,
        buyer=_buyer(record),
    )


def _record(raw: bytes | memoryview | Raw) -> Record:
    try:
        return DECODER.decode(raw)
    except (ValueError, RecursionError):  # what only the standard library takes, or else a fault that it helps to name
        return _leniently(bytes(raw))


def _leniently(raw: bytes) -> Record:
    """As the standard library takes JSON. Half a character becomes a NUL, which no id may hold and no text keeps."""
    try:
        text = json.dumps(json.loads(raw), ensure_ascii=False)
        found = json.loads(HALF.sub(r"\\u0000", text))
    except (ValueError, RecursionError):
        raise Unread("record", "expected JSON") from None
    try:
        return msgspec.convert(found, ORDER)
    except ValidationError as fault:
        path, missing = FAULT.search(str(fault)).group("path", "missing")
        for step in re.findall(r"\w+", path or ""):
            found = found[int(step) if step.isdigit() else step]
        raise _unread(".".join(filter(None, (path, missing))), None if missing else found) from fault


FAULT = re.compile(r"(?:\AObject missing required field `(?P<missing>\w+)`)?(?: - at `\$\.(?P<path>[\w.[\]]+)`)?\Z")


def _unread(path: str, found: Any) -> Unread:
    """What was found at the path, against the words at the type of its field."""
    if path and found in (None, ""):
        return Unread(path, "is missing")
    kind = SHAPE
    for step in re.findall(r"\w+", path):
        kind = _below(kind, step)
    layers = list(_layers(kind))
    words = next((each.extra["expected"] for each in layers if isinstance(each, inspect.Metadata) and each.extra), "")
    if any(isinstance(each, WHOLE) for each in layers):
        found = type(found).__name__
        words = words or ("a list" if any(isinstance(each, inspect.ListType) for each in layers) else "an object")
    return Unread(path or "record", f"expected {words}", found)


def _below(kind: inspect.Type, step: str) -> inspect.Type:
    """The type of a field, or of each in a list."""
    whole = next(each for each in _layers(kind) if isinstance(each, WHOLE))
    if isinstance(whole, inspect.ListType):
        return whole.item_type
    return next(field.type for field in whole.fields if field.encode_name == step)


def _layers(kind: inspect.Type) -> Iterator[inspect.Type]:
    """The type with what it is made of, from outside in: its words, "or null", itself."""
    yield kind
    below = kind.types if isinstance(kind, inspect.UnionType) else [kind.type] if isinstance(kind, inspect.Metadata) else []
    for each in below:
        yield from _layers(each)


def _lines(items: list[Item], status: str, currency: str) -> tuple[tuple[Line, ...], str]:
    """The lines, and the currency that they and the order are in."""
    if not items and status not in WITHOUT_LINES:
        raise Unread("orderItems", f"expected at least one line of an order that is {status}")
    lines: dict[str, Line] = {}
    for place, item in enumerate(items):
        at = f"orderItems[{place}]"
        in_currency, price = _price(item, at)
        if in_currency and currency and in_currency != currency:
            raise Unread(f"{at} currencyCode", f"expected {currency} like the rest of the order", in_currency)
        currency = currency or in_currency
        item_id, product = _code(item.order_item_id, f"{at}.orderItemId"), item.product
        if item_id in lines:
            raise Unread("orderItems", f"orderItemId {item_id} comes twice")
        lines[item_id] = Line(
            item_id=item_id,
            sku=_code(product.seller_sku, f"{at}.product.sellerSku"),
            asin=_free(product.asin, 10),
            title=_free(product.title, 500),
            quantity=item.quantity_ordered,
            shipped=(item.fulfillment and item.fulfillment.quantity_fulfilled) or 0,
            price=price,
        )
    return tuple(lines.values()), currency


def _price(item: Item, at: str) -> tuple[str, Decimal | None]:
    """What the buyer pays for the goods: the sum of the line's ITEM, or else units times their price."""
    for place, part in enumerate((item.proceeds and item.proceeds.breakdowns) or ()):
        if part.type == "ITEM":
            return _money(part.subtotal, f"{at}.proceeds.breakdowns[{place}].subtotal")
    at = f"{at}.product.price.unitPrice"
    currency, unit = _money(item.product.price and item.product.price.unit_price, at)
    price = None if unit is None else unit * item.quantity_ordered
    if price is not None and abs(price) >= MOST_MONEY:
        raise Unread(at, "expected less for all units", str(price))
    return currency, price


def _buyer(record: Record) -> BuyerSaid | None:
    """Free text, so nothing about it can be wrong; None where the record names nobody."""
    buyer, address = _object(record.buyer), _object(_object(record.recipient).get("deliveryAddress"))
    name = _free(address.get("name"), 200) or _free(buyer.get("buyerName"), 200)
    email, phone = _free(buyer.get("buyerEmail"), 254), _free(address.get("phone"), 60)
    kept = {part: text for part in ADDRESS_PARTS if part in address and (text := _free(address[part], 500))}
    return BuyerSaid(name=name, email=email, phone=phone, address=kept) if name or email or phone or kept else None


def _all_delivered(packages: Any) -> bool:
    if not isinstance(packages, list) or not packages:
        return False
    return all(_object(_object(each).get("packageStatus")).get("status") == "DELIVERED" for each in packages)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _free(value: Any, longest: int) -> str:
    return _kept(value, longest) if isinstance(value, str) else ""


def _kept(text: str, longest: int) -> str:
    return (text if text.isprintable() else UNKEEPABLE.sub("", text)).strip()[:longest]


def _code(said: str, at: str) -> str:
    """An id as the channel writes it."""
    if said[0] == " " or said[-1] == " " or (not said.isprintable() and CONTROL.search(said)):
        raise _unread(at, said)
    return said


@lru_cache(maxsize=10_000)
def _money(said: Sum | None, at: str) -> tuple[str, Decimal | None]:
    """(currency, amount with all decimals of the currency, however many were sent); ("", None) where there is none.

    Cached, since prices come again and again.
    """
    if said is None:
        return "", None
    currency, amount = said.currency_code, str(said.amount)
    if not CURRENCY.fullmatch(currency):
        raise _unread(f"{at}.currencyCode", currency)
    if not AMOUNT.fullmatch(amount):
        raise _unread(f"{at}.amount", amount)
    sent, decimals = Decimal(amount), exponent(currency)
    exact = round(sent, decimals)
    if exact != sent:
        raise Unread(f"{at}.amount", f"{currency} has {decimals} decimals", amount)
    return currency, exact


def _utc(said: datetime | None, at: str) -> datetime | None:
    try:
        return said and said.astimezone(UTC)
    except OverflowError as error:
        raise _unread(at, said.isoformat()) from error


def _shown(found: Any) -> str:
    """A short form of what was found, without what nobody can print."""
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    return f"“{_kept(str(found), SHOWN)}”" if found != "" else "nothing"
