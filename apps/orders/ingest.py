"""Orders as Amazon sends them, a page at a time (amazon-api.md 2.3, architecture.md section 4)."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from msgspec.structs import asdict

from apps.catalog.listings import listings_for
from apps.exceptions.operations import sweep_soon
from apps.integrations.contract import Page, Record
from apps.integrations.feeds import Feed, Stored, Unreadable, register_feed
from apps.integrations.models import Connection, Source, StoredFile
from apps.orders import statements
from apps.orders.models import PURGE_AFTER
from apps.orders.personal import without_personal
from apps.orders.records import OrderSaid, Unread, content_of, read
from apps.orders.routing import settle_orders, take_turn

COLUMNS = [name for name in OrderSaid.__struct_fields__ if name not in ("lines", "buyer")]

Known = dict[str, tuple[str, datetime]]
"""Order id -> hash of its newest record, and when the channel changed it."""


def store(source: Source, page: Page, files: Sequence[StoredFile]) -> Stored:
    """Write what is new on the page and route it. An older record of an order than the one we have changes nothing."""
    place = source.connection
    take_turn(place.entity)
    newest = _known(place, page.records)
    known, fresh, stored = set(newest), {}, Stored()
    for record in page.records:
        try:
            order = read(json.dumps(record.data).encode())
        except Unread as fault:
            raw = without_personal(record.data)
            stored.unreadable.append(Unreadable(key=record.key, raw=raw, words=fault.words))
            continue
        content = content_of(order)
        if newest.get(order.order_id, ("", None))[0] == content:
            stored.unchanged += 1
            continue
        if order.order_id not in newest:
            stored.added += 1
        elif order.changed_at >= newest[order.order_id][1]:
            stored.changed += 1
        else:
            stored.unchanged += 1
            continue
        newest[order.order_id] = (content, order.changed_at)
        fresh[order.order_id] = order
    if fresh:
        ids = _write(place, list(fresh.values()), newest, known)
        settle_orders(place.entity, orders=ids)
    return stored


def _order_id(record: Record) -> str:
    said = record.data.get("orderId") if isinstance(record.data, dict) else None
    return said if isinstance(said, str) else ""


def _known(place: Connection, records: Sequence[Record]) -> Known:
    asked = {"connection": place.pk, "orders": [_order_id(record).replace("\x00", "") for record in records]}
    with database.cursor() as cursor:
        cursor.execute(statements.KNOWN, asked)
        return {order: (content, changed_at) for order, content, changed_at in cursor.fetchall()}


def _write(place: Connection, orders: list[OrderSaid], newest: Known, known: set[str]) -> list[int]:
    """The orders with their lines and buyers; their ids here. Each order is new or newer than the one we have.

    A buyer who is due to be purged is not written again with a later change of the order.
    """
    named = [(order.marketplace, line.sku, line.asin, line.title) for order in orders for line in order.lines]
    listings = listings_for(place, named)
    said = _rows(
        {name: getattr(order, name) for name in COLUMNS} | {"content": newest[order.order_id][0]} for order in orders
    )
    asked = {"entity": place.entity_id, "connection": place.pk, "orders": said, "purge_after": PURGE_AFTER}
    with database.cursor() as cursor:
        cursor.execute(statements.STORE, asked)
        stored = {order: (pk, past) for order, pk, past in cursor.fetchall()}
        ids = {order: pk for order, (pk, _) in stored.items()}
        lines = _rows(
            asdict(line) | {"order_id": ids[order.order_id], "listing_id": listings[order.marketplace, line.sku]}
            for order in orders
            for line in order.lines
        )
        if changed := [ids[order.order_id] for order in orders if order.order_id in known]:
            cursor.execute(statements.DROP_LINES, {"orders": changed, "lines": lines})
        cursor.execute(statements.STORE_LINES, {"lines": lines})
        buyers = [order for order in orders if order.buyer and not stored[order.order_id][1]]
        if buyers:
            rows = _rows({"order_id": ids[order.order_id], **asdict(order.buyer)} for order in buyers)
            cursor.execute(statements.STORE_BUYERS, {"buyers": rows})
    return sorted(ids.values())


def _rows(rows: Iterable[dict[str, Any]]) -> str:
    """As one JSON text: PostgreSQL reads a page of it several times faster than as arrays. Amounts and instants as text."""
    return json.dumps(list(rows), default=str)


ORDERS = register_feed(Feed(
    name="amazon.orders",
    title="Amazon orders",
    kind=Connection.Kind.AMAZON,
    every=timedelta(minutes=15),
    quiet_after=timedelta(hours=2),
    store=store,
    after=lambda source: sweep_soon(source.connection.entity_id),
    opens=("order.channel-unknown", "order.held", "order.late-ship", "order.misrouted-fba", "sku.unmapped"),
))  # fmt: skip
