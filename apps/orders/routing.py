"""Sending orders where they go: holds, routes and the commands of what is freed (domain.md 2.5).

Who settles orders of a company takes turns with everybody else who does: `take_turn`. A page that is being stored and a
mapping that is being released therefore never miss each other, and nothing is released twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from msgspec import Struct

from apps.catalog.listings import Key
from apps.catalog.models import Listing
from apps.core.locks import wait_for
from apps.core.models import Entity, User
from apps.core.prepared import PreparedCursor, prepared
from apps.exceptions.operations import sweep_soon
from apps.integrations import jobs
from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from apps.orders import statements
from apps.orders.models import Route
from apps.orders.records import OrderSaid, as_json
from apps.orders.rules import MFN, Routing, decide

RELEASE = "orders.release"
BATCH = 2_500  # orders: about a tenth of a second
RELEASED = (Route.SHIP, Route.RECORD)
CALLED_BACK = {
    Route.ENDED: "The order was cancelled before this was sent.",
    Route.HELD: "The order was held again before this was sent.",
}


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of some orders: commands written now for the warehouse and for the ERP, and orders that stay held."""

    released: int = 0
    recorded: int = 0
    held: int = 0

    def __add__(self, other: "Settled") -> "Settled":
        return Settled(
            released=self.released + other.released,
            recorded=self.recorded + other.recorded,
            held=self.held + other.held,
        )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits for a listing's mapping, and what the mapping would do to it.

    `value` is what buyers pay, by currency; `unpriced` orders have no total yet. Of the orders, `ships` would go to the
    warehouse, `records` to the ERP alone, and `still_held` wait for another SKU or for who ships them; each
    with its part of the value.
    """

    orders: int = 0
    lines: int = 0
    value: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0
    ships: int = 0
    records: int = 0
    still_held: int = 0
    ship_value: dict[str, Decimal] = field(default_factory=dict)
    record_value: dict[str, Decimal] = field(default_factory=dict)
    held_value: dict[str, Decimal] = field(default_factory=dict)
    oldest: datetime | None = None
    ship_by: datetime | None = None


def take_turn(entity: Entity) -> None:
    """Wait until nobody else writes orders of this company; held to the end of the transaction. Before writing any."""
    wait_for(f"orders of {entity.pk}")


def settle_orders(entity: Entity, *, orders: Collection[int]) -> Settled:
    """Route these orders as they are now, in the caller's transaction.

    Writes the commands of what is freed, each order's once ever, and takes back those that have not left of orders that
    were cancelled or are held again. Orders that stand right already are not written.
    """
    take_turn(entity)
    with prepared() as cursor:
        cursor.execute(statements.KEEP_MAPPINGS_OF, {"orders": _array(orders)})
    decided = [(fact, fact.decided()) for fact in facts_of(entity, orders)]
    held = sum(now.route == Route.HELD for _, now in decided)
    moves = [(fact, now) for fact, now in decided if (now.route, list(now.holds)) != (fact.was, fact.holds)]
    if not moves:
        return Settled(held=held)
    alike: dict[Routing, list[int]] = defaultdict(list)
    for fact, now in moves:
        alike[now].append(fact.order)
    rows = [{"route": now.route, "holds": now.holds, "orders": ids} for now, ids in alike.items()]
    with prepared() as cursor:
        cursor.execute(statements.ROUTE, {"decided": as_json(rows)})
        for route, words in CALLED_BACK.items():
            if back := [fact.order for fact, now in moves if now.route == route]:
                keys = [f"{released}:{order}" for released in RELEASED for order in back]
                cursor.execute(statements.CALL_BACK, {"entity": entity.pk, "keys": keys, "words": words})
        written = release(cursor, [fact.order for fact, now in moves if now.route in RELEASED])
    return Settled(released=written.get("warehouse", 0), recorded=written.get("erp", 0), held=held)


def not_mapped(
    entity: Entity, orders: Sequence[OrderSaid], listings: Mapping[Key, int]
) -> set[tuple[str, int]]:
    """Which lines of orders that are not stored yet have no item, as (order id, listing). It stays so until the commit."""
    lines = [
        {"order_id": order.order_id, "listing_id": listings[order.marketplace, line.sku], "purchased_at": order.purchased_at}
        for order in orders
        for line in order.lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(statements.KEEP_MAPPINGS, {"listings": _array(listings.values())})
        cursor.execute(statements.NOT_MAPPED, {"entity": entity.pk, "lines": as_json(lines)})
        return set(cursor.fetchall())


def first_route(order: OrderSaid, *, unmapped: bool) -> Routing:
    """Where an order goes that was never seen before. Its command is written by `release`, once it is stored."""
    return decide(
        on_amazon=order.on_amazon,
        channel=order.channel,
        status=order.status,
        unmapped=unmapped,
        wanted=any(line.quantity > (line.shipped if order.channel == MFN else 0) for line in order.lines),
    )


def release(cursor: PreparedCursor, orders: Sequence[int]) -> dict[str, int]:
    """Write the commands of orders that were routed to the warehouse or the ERP: how many were written now, by target."""
    if not orders:
        return {}
    cursor.execute(statements.COMMAND, {"orders": _array(orders)})
    return dict(cursor.fetchall())


class Fact(Struct, gc=False):
    """What decides where an order goes, and what it is worth. `ordered`, `unshipped`: it has units at all, and left to ship."""

    order: int
    on_amazon: bool
    channel: str
    status: str
    was: str
    holds: list[str]
    unmapped: bool
    ordered: bool
    unshipped: bool
    sent: bool
    currency: str
    total: Decimal | None

    def decided(self, channel: str | None = None) -> Routing:
        """Where it goes now, or would go if this channel shipped it."""
        channel = self.channel if channel is None else channel
        return decide(
            on_amazon=self.on_amazon,
            channel=channel,
            status=self.status,
            unmapped=self.unmapped,
            wanted=self.unshipped if channel == MFN else self.ordered,
            was=self.was,
            sent=self.sent,
        )


def facts_of(entity: Entity, orders: Collection[int]) -> list[Fact]:
    with transaction.atomic(), prepared() as cursor:
        cursor.execute(statements.FACTS, {"entity": entity.pk, "orders": _array(orders)})
        return [Fact(*row) for row in cursor.fetchall()]


def _array(ids: Iterable[int]) -> str:
    """As PostgreSQL writes it: of thousands, several times faster than one after the other through the driver."""
    return f"{{{','.join(map(str, ids))}}}"


def _waiting_orders(entity: Entity, listings: Collection[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statements.WAITING_ORDERS, {"entity": entity.pk, "listings": list(listings)})
        return [order for (order,) in cursor.fetchall()]


def waiting_for(listing: Listing, *, since: date | None = None, until: date | None = None) -> Waiting:
    """What a mapping of the listing on these days would free, `until` left out; without days, all that waits for it."""
    with connection.cursor() as cursor:
        cursor.execute(statements.WAITING, {"listing": listing.pk, "since": since, "until": until})
        rows = cursor.fetchall()
    if not rows:
        return Waiting()
    currencies, orders, lines, totals, unpriced, ships, records, still_held, *values, oldest, ship_by = zip(
        *rows, strict=True
    )
    ship_value, record_value, held_value = (_by_currency(currencies, each) for each in values)
    return Waiting(
        orders=sum(orders),
        lines=sum(lines),
        value=_by_currency(currencies, totals),
        unpriced=sum(unpriced),
        ships=sum(ships),
        records=sum(records),
        still_held=sum(still_held),
        ship_value=ship_value,
        record_value=record_value,
        held_value=held_value,
        oldest=min(oldest),
        ship_by=min((instant for instant in ship_by if instant), default=None),
    )


def _by_currency(currencies: Iterable[str], totals: Iterable[Decimal | None]) -> dict[str, Decimal]:
    return {currency: total for currency, total in zip(currencies, totals, strict=True) if total is not None}


def free(listing_ids: Iterable[int], *, entity: Entity, actor: User | None) -> Job:
    """After the commit of a mapping, settle in the background what waits for these listings."""
    return jobs.enqueue(kind=RELEASE, entity=entity, args={"listings": sorted(set(listing_ids))}, actor=actor)


def free_waiting(job: Job, progress: Progress) -> dict[str, Any]:
    """Settle what waits for the job's listings, in batches. What an earlier try has released does not wait any more."""
    progress.say("Counting what waits")
    with transaction.atomic():
        take_turn(job.entity)  # a page that was read before the mapping is stored now, so its orders are seen
        waiting = _waiting_orders(job.entity, job.args["listings"])
    done, settled = 0, Settled()
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        with transaction.atomic():
            settled += settle_orders(job.entity, orders=batch)
            hold(job)
        done += len(batch)
        progress.say(_words(settled, len(waiting)), done, len(waiting))
    progress.say(_words(settled, len(waiting)), done, len(waiting))
    sweep_soon(job.entity_id)
    return {
        "orders": len(waiting),
        "released": settled.released,
        "recorded": settled.recorded,
        "held": settled.held,
        "words": _words(settled, len(waiting)),
    }


def _words(settled: Settled, total: int) -> str:
    stay = f"; {settled.held:,} still wait for something else" if settled.held else ""
    return f"{settled.released + settled.recorded:,} of {total:,} released{stay}"


register_kind(JobKind(name=RELEASE, queue="bulk", run=free_waiting, title="Release the orders that waited for a mapping"))
