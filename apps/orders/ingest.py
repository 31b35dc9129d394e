"""Orders as Amazon sends them, a page at a time (amazon-api.md 2.3, architecture.md section 4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from msgspec.structs import asdict

from apps.catalog.listings import Key, listings_for
from apps.core.prepared import prepared
from apps.exceptions.operations import sweep_soon
from apps.integrations.contract import Page
from apps.integrations.feeds import Feed, Stored, Unreadable, register_feed
from apps.integrations.models import Connection, Source, StoredFile
from apps.orders import statements
from apps.orders.models import PURGE_AFTER, Route
from apps.orders.personal import without_personal
from apps.orders.records import OrderSaid, as_json, content_of, read
from apps.orders.routing import RELEASED, first_route, not_mapped, release, settle_orders, take_turn
from apps.orders.rules import Routing
from apps.orders.sent import Unread

UNROUTED = Routing(Route.PENDING)


def store(source: Source, page: Page, files: Sequence[StoredFile]) -> Stored:
    """Write what is new on the page and route it. An older record of an order than the one we have changes nothing."""
    place = source.connection
    stored = Stored()
    said = []
    for record in page.records:
        try:
            said.append(read(record.raw))
        except Unread as fault:
            raw = without_personal(record.data)
            stored.unreadable.append(Unreadable(key=record.key, raw=raw, words=fault.words))
    contents = [content_of(order) for order in said]
    news = _news(place, said, contents)
    known: set[str] = set()
    fresh: dict[str, tuple[OrderSaid, str]] = {}
    for number, (order, content) in enumerate(zip(said, contents, strict=True)):
        before, its_content = fresh.get(order.order_id, (None, ""))
        if before is None and number not in news:
            stored.unchanged += 1
            continue
        newest_at = before.changed_at if before else news[number]
        if newest_at is None:
            stored.added += 1
        elif content != its_content and order.changed_at >= newest_at:
            stored.changed += 1
        else:
            stored.unchanged += 1
            continue
        if before is None and newest_at is not None:
            known.add(order.order_id)
        fresh[order.order_id] = (order, content)
    if fresh:
        _write(place, fresh, known)
    return stored


def _news(place: Connection, said: Sequence[OrderSaid], contents: Sequence[str]) -> dict[int, datetime | None]:
    """The places of what we do not have, each with when the order changed that we do have. Keeps the turn from now on."""
    rows = [
        {"place": number, "order_id": order.order_id, "content": content}
        for number, (order, content) in enumerate(zip(said, contents, strict=True))
    ]
    with database.cursor() as cursor, database.connection.pipeline():
        take_turn(place.entity)
        cursor.execute(statements.NEWS, {"connection": place.pk, "said": as_json(rows)})
        return dict(cursor.fetchall())


def _write(place: Connection, fresh: dict[str, tuple[OrderSaid, str]], known: set[str]) -> None:
    """The orders with their lines and buyers, and where they go. Each order is new or newer than the one we have.

    A new order is written with its route; where one goes that we know hangs on what became of it here. A buyer who is due
    to be purged is not written again with a later change of the order.
    """
    orders = [order for order, _ in fresh.values()]
    named = [(order.marketplace, line.sku, line.asin, line.title) for order in orders for line in order.lines]
    listings = listings_for(place, named)
    unmapped = not_mapped(place.entity, orders, listings)
    rows = [
        _row(order, content, listings, unmapped, order.order_id not in known) for order, content in fresh.values()
    ]
    asked = {"entity": place.entity_id, "connection": place.pk, "orders": as_json(rows), "purge_after": PURGE_AFTER}
    with prepared() as cursor:
        cursor.execute(statements.STORE, asked)
        ids = dict(cursor.fetchall())
        release(cursor, [ids[row["order_id"]] for row in rows if row["route"] in RELEASED])
    if older := [pk for order, pk in ids.items() if order in known]:
        settle_orders(place.entity, orders=older)


def _row(
    order: OrderSaid, content: str, listings: Mapping[Key, int], unmapped: set[tuple[str, int]], new: bool
) -> dict[str, Any]:
    lines = []
    for line in order.lines:
        listing = listings[order.marketplace, line.sku]
        lines.append(asdict(line) | {"listing_id": listing, "mapped": (order.order_id, listing) not in unmapped})
    waits = any(line["quantity"] > 0 and not line["mapped"] for line in lines)
    now = first_route(order, unmapped=waits) if new else UNROUTED
    return asdict(order) | {"content": content, "lines": lines, "route": now.route, "holds": now.holds}


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
