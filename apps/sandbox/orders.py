"""Orders 2026-01-01: searchOrders, getOrder."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from apps.sandbox.catalogue import BY_ID
from apps.sandbox.clock import written
from apps.sandbox.lives import AMAZON, Line, Order, Phase
from apps.sandbox.paging import moment_of, page_size, read_token, token_of
from apps.sandbox.wire import Answer, Refused, Request, invalid
from apps.sandbox.world import World

STATUSES = frozenset((
    "PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED", "UNFULFILLABLE",
))  # fmt: skip
DATASETS = frozenset((
    "BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES", "TAX", "PAYMENT",
    "FULFILLMENT_ORDERS",
))  # fmt: skip
SETTLED = timedelta(minutes=2)  # Amazon answers about what was so two minutes ago
KEPT = timedelta(hours=24)  # how long a pagination token is good
CENT = Decimal("0.01")
MAY_COME_AGAIN = {"paginationToken", "includedData", "maxResultsPerPage"}  # with a token, and say nothing then


@dataclass(frozen=True)
class Search:
    """A searchOrders without its page. `by`: created or lastUpdated."""

    by: str
    after: datetime
    before: datetime | None
    statuses: tuple[str, ...]
    marketplaces: tuple[str, ...]
    fulfilled_by: tuple[str, ...]
    included: frozenset[str]
    size: int


class Orders:
    def __init__(self, world: World):
        self.world = world
        self.by_id = {order.id: order for order in world.orders}
        self.rendered: dict[tuple[str, int, frozenset[str]], bytes] = {}
        self.found = lru_cache(maxsize=8)(self._found)

    def search(self, request: Request, now: datetime) -> Answer:
        at, first, query = now - SETTLED, 0, request.query
        if token := request.one("paginationToken"):
            data = read_token("searchOrders", token)
            at, first, query = moment_of(data), data["from"], data["query"]
            if now - at > KEPT:
                raise invalid("The paginationToken has expired.")
        search = _search(replace(request, query=query), now)
        if token and request.beside - MAY_COME_AGAIN and _search(request, now) != search:
            raise invalid("The paginationToken belongs to another search.")
        found = self.found(search, at)
        size = page_size(search.size, len(found))
        page = [self._bytes(order, phase, search.included) for order, phase in found[first : first + size]]
        rest: dict[str, Any] = {f"{search.by}Before": written(search.before or at)}
        if first + size < len(found):
            token = {"query": dict(query), "at": at.isoformat(), "from": first + size}
            rest["pagination"] = {"nextToken": token_of("searchOrders", token)}
        return Answer(status=200, body=b'{"orders":[' + b",".join(page) + b"]," + json.dumps(rest).encode()[1:])

    def get(self, request: Request, now: datetime, order_id: str) -> Answer:
        order = self.by_id.get(order_id)
        included = frozenset(request.many("includedData", DATASETS))
        phase = order.phase_at(now - SETTLED) if order else -1
        if order is None or phase < 0:
            raise Refused(404, "NotFound", "The requested order was not found.")
        return Answer(status=200, body=b'{"order":' + self._bytes(order, phase, included) + b"}")

    def _found(self, search: Search, at: datetime) -> list[tuple[Order, int]]:
        """The orders as they were at that instant, the oldest first."""
        before = min(at, search.before or at)
        found = []
        for order in self.world.orders:
            number = order.phase_at(at)
            if number < 0:
                break  # the rest came later
            phase = order.phases[number]
            moment = phase.at if search.by == "lastUpdated" else order.created
            if (
                search.after <= moment <= before
                and (not search.statuses or phase.status in search.statuses)
                and (not search.marketplaces or order.market.id in search.marketplaces)
                and (not search.fulfilled_by or phase.by in search.fulfilled_by)
            ):
                found.append((moment, order, number))
        found.sort(key=lambda each: (each[0], each[1].id))
        return [(order, number) for _, order, number in found]

    def _bytes(self, order: Order, number: int, included: frozenset[str]) -> bytes:
        key = (order.id, number, included)
        if key not in self.rendered:
            self.rendered[key] = json.dumps(record(order, order.phases[number], included)).encode()
        return self.rendered[key]


def _search(request: Request, now: datetime) -> Search:
    """Refuses what Amazon refuses."""
    given = [name for name in ("created", "lastUpdated") if request.one(f"{name}After")]
    if len(given) != 1:
        raise invalid("Provide exactly one of 'createdAfter' and 'lastUpdatedAfter'.")
    (by,) = given
    other = "lastUpdated" if by == "created" else "created"
    if request.one(f"{other}Before"):
        raise invalid(f"'{other}Before' goes with '{other}After' alone.")
    after, before = request.moment(f"{by}After"), request.moment(f"{by}Before")
    if before and (before < after or before > now - SETTLED):
        raise invalid(f"'{by}Before' must not lie before '{by}After', and at least two minutes before now.")
    return Search(
        by=by,
        after=after,
        before=before,
        statuses=request.many("fulfillmentStatuses", STATUSES),
        marketplaces=request.many("marketplaceIds", frozenset(BY_ID), most=50),
        fulfilled_by=request.many("fulfilledBy", frozenset(("MERCHANT", "AMAZON"))),
        included=frozenset(request.many("includedData", DATASETS)),
        size=request.count("maxResultsPerPage", 100, 100),
    )


def record(order: Order, phase: Phase, included: frozenset[str]) -> dict[str, Any]:
    """An order in the words of the model, with the datasets that were asked for."""
    channel = {"channelName": "AMAZON", "marketplaceId": order.market.id, "marketplaceName": order.market.name}
    if not order.on_amazon:
        channel |= {
            "channelName": "NON_AMAZON",
            "marketplaceName": f"Non-Amazon {order.market.country.replace('GB', 'UK')}",
        }
    known = order.on_amazon and not phase.status.startswith("PENDING")  # what it costs and who bought it
    data: dict[str, Any] = {
        "orderId": order.id,
        "createdTime": written(order.created),
        "lastUpdatedTime": written(phase.at),
        "programs": list(order.programs),
        "salesChannel": channel,
        "orderItems": [_item(order, phase, place, known, included) for place in range(len(order.lines))],
    }
    if known and "BUYER" in included and order.buyer:
        data["buyer"] = {"buyerName": order.buyer.name, "buyerEmail": order.buyer.email}
        if order.buyer.company:
            data["buyer"]["buyerCompanyName"] = order.buyer.company
    if known and "RECIPIENT" in included and order.buyer:
        data["recipient"] = {"deliveryAddress": _address(order, phase)}
    if known and "PROCEEDS" in included:
        parts = [amounts(line, order) for line in order.lines]
        sums = {kind: sum(part[kind] for part in parts if kind in part) for kind in ("ITEM", "TAX", "DISCOUNT")}
        total = order.amount or f"{sum(sums.values()):.2f}"
        data["proceeds"] = {
            "grandTotal": {"amount": total, "currencyCode": order.market.currency},
            "breakdowns": _breakdowns({kind: amount for kind, amount in sums.items() if amount}, order),
        }
    if "FULFILLMENT" in included:
        data["fulfillment"] = _fulfillment(order, phase)
    if "PACKAGES" in included and any(phase.shipped):
        data["packages"] = [_package(order, phase)]
    return data


def amounts(line: Line, order: Order) -> dict[str, Decimal]:
    """What a line brings, by kind: without VAT, the VAT, what was taken off."""
    whole = line.product.price_in(order.market) * line.quantity
    net = (whole / (1 + order.market.vat)).quantize(CENT, ROUND_HALF_UP)
    off = {"DISCOUNT": -(net / 10).quantize(CENT, ROUND_HALF_UP)} if line.discount else {}
    return {"ITEM": net, "TAX": whole - net} | off


def _item(order: Order, phase: Phase, place: int, known: bool, included: frozenset[str]) -> dict[str, Any]:
    line = order.lines[place]
    money = {"amount": f"{line.product.price_in(order.market):.2f}", "currencyCode": order.market.currency}
    product: dict[str, Any] = {
        "asin": line.product.asin,
        "title": line.product.title,
        "sellerSku": line.product.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
    }
    data: dict[str, Any] = {"orderItemId": line.item_id, "quantityOrdered": line.quantity, "product": product}
    if known:
        product["price"] = {"unitPrice": money}
    if known and "PROCEEDS" in included:
        parts = amounts(line, order)
        total = {"amount": f"{sum(parts.values()):.2f}", "currencyCode": order.market.currency}
        data["proceeds"] = {"proceedsTotal": total, "breakdowns": _breakdowns(parts, order)}
    if "PROMOTION" in included and line.discount:
        data["promotion"] = {"breakdowns": [{"promotionId": "AUTUMN-10"}]}
    if "CANCELLATION" in included and phase.status == "CANCELLED":
        data["cancellation"] = {
            "cancellationRequest": {"requester": "BUYER", "cancelReason": "Ordered by mistake"},
            "cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": "Ordered by mistake"},
        }
    if "FULFILLMENT" in included:
        shipped = phase.shipped[place]
        left = 0 if phase.status == "CANCELLED" else line.quantity - shipped
        data["fulfillment"] = {"quantityFulfilled": shipped, "quantityUnfulfilled": left}
    return data


def _breakdowns(parts: dict[str, Decimal], order: Order) -> list[dict[str, Any]]:
    money = {kind: {"amount": f"{amount:.2f}", "currencyCode": order.market.currency} for kind, amount in parts.items()}
    return [{"type": kind, "subtotal": subtotal} for kind, subtotal in money.items()]


def _address(order: Order, phase: Phase) -> dict[str, str]:
    """Whole for the merchant who ships it; of Amazon's own orders only the town."""
    buyer = order.buyer
    town = {"city": buyer.town, "countryCode": buyer.country}
    if order.has_post_code:
        town["postalCode"] = buyer.post_code
    if phase.by == AMAZON:
        return town
    return {"name": buyer.name, "addressLine1": buyer.line, **town, "phone": buyer.phone, "addressType": "RESIDENTIAL"}


def _fulfillment(order: Order, phase: Phase) -> dict[str, Any]:
    by = {} if phase.by is None else {"fulfilledBy": phase.by}
    return {
        "fulfillmentStatus": phase.status,
        **by,
        "fulfillmentServiceLevel": "STANDARD",
        "shipByWindow": {"earliestDateTime": written(order.created), "latestDateTime": written(order.ship_by)},
        "deliverByWindow": {
            "earliestDateTime": written(order.ship_by + timedelta(days=1)),
            "latestDateTime": written(order.ship_by + timedelta(days=3)),
        },
    }


def _package(order: Order, phase: Phase) -> dict[str, Any]:
    packed = zip(order.lines, phase.shipped, strict=True)
    return {
        "packageReferenceId": "1",
        "packageStatus": {"status": "DELIVERED" if phase.delivered else "SHIPPED"},
        "carrier": "Amazon Logistics" if phase.by == AMAZON else "Northbay Parcel",
        "trackingNumber": f"NB{order.lines[0].item_id}",
        "packageItems": [{"orderItemId": line.item_id, "quantity": units} for line, units in packed if units],
    }
