"""What one record of Orders 2026-01-01 says, or in words which field of it cannot be read (amazon-api.md 2.3). Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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
AMOUNT = re.compile(r"-?\d{1,14}(\.\d{1,10})?")
CURRENCY = re.compile(r"[A-Z]{3}")
CODE = re.compile(r"(?! )[^\x00-\x1f\ud800-\udfff]+(?<! )")
UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")  # JSON has them, PostgreSQL's text does not
MOST_UNITS = 1_000_000
MOST_MONEY = Decimal(10) ** 14
SAID = 60
SHOWN = 40


class Unread(Exception):
    """`words` name the field, what it holds and what was expected. They hold no buyer's data."""

    def __init__(self, path: str, expected: str, found: Any = None):
        self.words = f"{path}: {expected}" if found is None else f"{path}: found {_shown(found)}, {expected}"
        super().__init__(self.words)


@dataclass(frozen=True, kw_only=True)
class Line:
    """`price` is of all units in the order's currency; None where it is not known yet."""

    item_id: str
    sku: str
    asin: str
    title: str
    quantity: int
    shipped: int
    price: Decimal | None


@dataclass(frozen=True, kw_only=True)
class BuyerSaid:
    """Who bought, as far as it is kept: see apps.orders.personal."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OrderSaid:
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
    content: str


def content_of(record: Any) -> str:
    """The hash of what the record says, however its fields are ordered and without links that differ at each call."""
    return hashlib.sha256(json.dumps(_lasting(record), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _lasting(record: Any) -> Any:
    if not isinstance(record, dict) or not isinstance(record.get("orderItems"), list):
        return record
    return record | {"orderItems": [_without_link(line) for line in record["orderItems"]]}


def _without_link(line: Any) -> Any:
    product = line.get("product") if isinstance(line, dict) else None
    if not isinstance(product, dict) or "customization" not in product:
        return line
    return line | {"product": {name: value for name, value in product.items() if name != "customization"}}


def read(record: Any, content: str = "") -> OrderSaid:
    """What the record says; `content` is its hash, if that is known. Raises Unread at the first field that cannot be read."""
    if not isinstance(record, dict):
        raise Unread("record", "expected one order with its fields", type(record).__name__)
    status = _word(record, "fulfillment.fulfillmentStatus", STATUSES)
    said = _at(record, "fulfillment.fulfilledBy")
    currency, total = _money(record, "proceeds.grandTotal")
    changed_at = _instant(record, "lastUpdatedTime")
    lines, currency = _lines(record, status, currency)
    return OrderSaid(
        order_id=_code(record, "orderId", 50),
        marketplace=_code(record, "salesChannel.marketplaceId", 20, required=False),
        on_amazon=ON_AMAZON[_word(record, "salesChannel.channelName", ON_AMAZON)],
        channel=CHANNELS.get(said, "") if isinstance(said, str) else "",
        channel_said="" if said is None else _kept(str(said), SAID),
        status=status,
        purchased_at=_instant(record, "createdTime"),
        changed_at=changed_at,
        ship_by=_instant(record, "fulfillment.shipByWindow.latestDateTime", required=False),
        delivered_at=changed_at if status == "SHIPPED" and _all_delivered(record) else None,
        currency=currency,
        total=total,
        lines=lines,
        buyer=_buyer(record),
        content=content or content_of(record),
    )


def _lines(record: dict, status: str, currency: str) -> tuple[tuple[Line, ...], str]:
    """The lines, and the currency that they and the order are in."""
    rows = record.get("orderItems")
    if not isinstance(rows, list):
        raise Unread("orderItems", "is missing" if rows is None else "expected a list")
    if not rows and status not in WITHOUT_LINES:
        raise Unread("orderItems", f"expected at least one line of an order that is {status}")
    lines = []
    for place, row in enumerate(rows):
        at = f"orderItems[{place}]"
        if not isinstance(row, dict):
            raise Unread(at, "expected a line with its fields", type(row).__name__)
        in_currency, line = _line(row, at)
        if in_currency and currency and in_currency != currency:
            raise Unread(f"{at} currencyCode", f"expected {currency} like the rest of the order", in_currency)
        currency = currency or in_currency
        lines.append(line)
    if twice := {line.item_id for line in lines if sum(line.item_id == other.item_id for other in lines) > 1}:
        raise Unread("orderItems", f"orderItemId {min(twice)} comes twice")
    return tuple(lines), currency


def _line(row: dict, at: str) -> tuple[str, Line]:
    quantity = _units(row, "quantityOrdered", at)
    currency, price = _price(row, quantity, at)
    return currency, Line(
        item_id=_code(row, "orderItemId", 50, at=at),
        sku=_code(row, "product.sellerSku", 120, at=at),
        asin=_free(row, "product.asin", 10),
        title=_free(row, "product.title", 500),
        quantity=quantity,
        shipped=_units(row, "fulfillment.quantityFulfilled", at, required=False),
        price=price,
    )


def _price(row: dict, quantity: int, at: str) -> tuple[str, Decimal | None]:
    """What the buyer pays for the goods: the sum of the line's ITEM, or else units times their price."""
    parts = _at(row, "proceeds.breakdowns")
    if isinstance(parts, list):
        for place, part in enumerate(parts):
            if isinstance(part, dict) and part.get("type") == "ITEM":
                return _money(part, "subtotal", at=f"{at}.proceeds.breakdowns[{place}]")
    currency, unit = _money(row, "product.price.unitPrice", at=at)
    price = None if unit is None else unit * quantity
    if price is not None and abs(price) >= MOST_MONEY:
        raise Unread(f"{at}.product.price.unitPrice", "expected less for all units", str(price))
    return currency, price


def _buyer(record: dict) -> BuyerSaid | None:
    """Free text, so nothing about it can be wrong; None where the record names nobody."""
    address = _at(record, "recipient.deliveryAddress")
    address = address if isinstance(address, dict) else {}
    said = BuyerSaid(
        name=_free(address, "name", 200) or _free(record, "buyer.buyerName", 200),
        email=_free(record, "buyer.buyerEmail", 254),
        phone=_free(address, "phone", 60),
        address={
            name: _kept(value, 500)
            for name, value in sorted(address.items())
            if name in ADDRESS_PARTS and isinstance(value, str) and value.strip()
        },
    )
    return None if said == BuyerSaid() else said


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


def _all_delivered(record: dict) -> bool:
    packages = record.get("packages")
    if not isinstance(packages, list) or not packages:
        return False
    return all(isinstance(each, dict) and _at(each, "packageStatus.status") == "DELIVERED" for each in packages)


def _at(record: dict, path: str) -> Any:
    """The value at the dotted path; None where it is absent, or something on the way is no object."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _word(record: dict, path: str, known: Any) -> str:
    value = _at(record, path)
    if value is None:
        raise Unread(path, "is missing")
    if not isinstance(value, str) or value not in known:
        raise Unread(path, f"expected {', '.join(known)}", value)
    return value


def _code(record: dict, path: str, longest: int, *, at: str = "", required: bool = True) -> str:
    """An id as the channel writes it."""
    value, path = _at(record, path), f"{at}.{path}" if at else path
    if value is None and not required:
        return ""
    if value is None or value == "":
        raise Unread(path, "is missing")
    if not isinstance(value, str) or len(value) > longest or not CODE.fullmatch(value):
        raise Unread(path, f"expected an id of at most {longest} characters", value)
    return value


def _free(record: dict, path: str, longest: int) -> str:
    value = _at(record, path)
    return _kept(value, longest) if isinstance(value, str) else ""


def _kept(text: str, longest: int) -> str:
    return (UNKEEPABLE.sub("", text) if UNKEEPABLE.search(text) else text).strip()[:longest]


def _units(record: dict, path: str, at: str, *, required: bool = True) -> int:
    value, path = _at(record, path), f"{at}.{path}"
    if value is None and not required:
        return 0
    if value is None:
        raise Unread(path, "is missing")
    if type(value) is not int or not 0 <= value <= MOST_UNITS:
        raise Unread(path, "expected a whole number of units", value)
    return value


def _money(record: dict, path: str, *, at: str = "") -> tuple[str, Decimal | None]:
    """(currency, amount); ("", None) where there is none."""
    value, path = _at(record, path), f"{at}.{path}" if at else path
    if value is None:
        return "", None
    if not isinstance(value, dict):
        raise Unread(path, "expected an amount and its currencyCode")
    currency, amount = value.get("currencyCode"), value.get("amount")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise Unread(f"{path}.currencyCode", "expected a currency such as GBP", currency)
    if type(amount) is int:
        amount = str(amount)
    if not isinstance(amount, str) or not AMOUNT.fullmatch(amount):
        raise Unread(f"{path}.amount", "expected a decimal such as 12.30", amount)
    exact = Decimal(amount)
    if exact != round(exact, exponent(currency)):
        raise Unread(f"{path}.amount", f"{currency} has {exponent(currency)} decimals", amount)
    return currency, exact


def _instant(record: dict, path: str, *, required: bool = True) -> datetime | None:
    value = _at(record, path)
    if value is None and not required:
        return None
    if value is None:
        raise Unread(path, "is missing")
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError("no zone")
        return instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unread(path, "expected an instant such as 2026-11-20T10:00:00Z", value) from error


def _shown(found: Any) -> str:
    """A short form of what was found, without what nobody can print."""
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    return f"“{_kept(str(found), SHOWN)}”" if found != "" else "nothing"
