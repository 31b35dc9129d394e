"""One record of Orders 2026-01-01 as Amazon sends it, or in words which field of it cannot be read (amazon-api.md 2.3). Pure.

The structs below `Sent` name the fields that are read, with their types and the words for what was expected. A field that
they do not name is never looked at; one that is `Any` cannot be wrong. msgspec checks types, lengths and bounds as it decodes.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, ValidationError, inspect

STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)
ON_AMAZON = {"AMAZON": True, "NON_AMAZON": False}
UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")  # JSON has them, PostgreSQL's text does not
HALF = re.compile("[\ud800-\udfff]")
MOST_UNITS = 1_000_000
SHOWN = 40


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


def decode(raw: bytes | memoryview | Raw) -> Record:
    """The record from its JSON. Raises Unread at the first field whose type cannot be read."""
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
        raise unread(".".join(filter(None, (path, missing))), None if missing else found) from fault


FAULT = re.compile(r"(?:\AObject missing required field `(?P<missing>\w+)`)?(?: - at `\$\.(?P<path>[\w.[\]]+)`)?\Z")


def unread(path: str, found: Any) -> Unread:
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


def kept(text: str, longest: int) -> str:
    return (text if text.isprintable() else UNKEEPABLE.sub("", text)).strip()[:longest]


def _shown(found: Any) -> str:
    """A short form of what was found, without what nobody can print."""
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    return f"“{kept(str(found), SHOWN)}”" if found != "" else "nothing"
