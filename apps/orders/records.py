"""What a record of Orders 2026-01-01 says of an order, its lines and its buyer (amazon-api.md 2.3). Pure.

Its shape and types are checked by apps.orders.sent as it is decoded; characters and amounts are checked here, several times
faster than by patterns of the decoder.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from apps.core.money import exponent
from apps.orders.sent import ON_AMAZON, Item, Record, Sum, Unread, decode, kept, unread

WITHOUT_LINES = ("PENDING_AVAILABILITY", "PENDING", "CANCELLED")
CHANNELS = {"AMAZON": "AFN", "MERCHANT": "MFN", "AFN": "AFN", "MFN": "MFN"}  # of 2026-01-01, and of v0 before it
AMOUNT = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,10})?")
CURRENCY = re.compile(r"[A-Z]{3}")
CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")
MOST_MONEY = 10**14
SAID = 60
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
    record = decode(raw)
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
        channel_said="" if said is None else kept(str(said), SAID),
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
    return kept(value, longest) if isinstance(value, str) else ""


def _code(said: str, at: str) -> str:
    """An id as the channel writes it."""
    if said[0] == " " or said[-1] == " " or (not said.isprintable() and CONTROL.search(said)):
        raise unread(at, said)
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
        raise unread(f"{at}.currencyCode", currency)
    if not AMOUNT.fullmatch(amount):
        raise unread(f"{at}.amount", amount)
    sent, decimals = Decimal(amount), exponent(currency)
    exact = round(sent, decimals)
    if exact != sent:
        raise Unread(f"{at}.amount", f"{currency} has {decimals} decimals", amount)
    return currency, exact


def _utc(said: datetime | None, at: str) -> datetime | None:
    try:
        return said and said.astimezone(UTC)
    except OverflowError as error:
        raise unread(at, said.isoformat()) from error
