"""Orders 2026-01-01: searchOrders, getOrder."""

import json
from dataclasses import asdict, dataclass
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

STATUSES = frozenset(
    "PENDING_AVAILABILITY PENDING UNSHIPPED PARTIALLY_SHIPPED SHIPPED CANCELLED UNFULFILLABLE".split()  # noqa: SIM905
)
DATASETS = frozenset(
    "BUYER RECIPIENT PROCEEDS EXPENSE PROMOTION CANCELLATION FULFILLMENT PACKAGES TAX PAYMENT FULFILLMENT_ORDERS".split()  # noqa: SIM905
)
SETTLED = timedelta(minutes=2)  # Amazon answers about what was so two minutes ago
KEPT = timedelta(hours=24)  # how long a pagination token is good
CENT = Decimal("0.01")
MAY_COME_AGAIN = {"paginationToken", "includedData", "maxResultsPerPage"}  # with a token, and say nothing then


@dataclass(frozen=True)
class Search:
    """A searchOrders without its page. `by`: created or updated."""

    by: str
    after: str
    before: str
    statuses: tuple[str, ...]
    marketplaces: tuple[str, ...]
    fulfilled_by: tuple[str, ...]
    included: tuple[str, ...]
    size: int


class Orders:
    def __init__(self, world: World):
        self.world = world
        self.by_id = {order.id: order for order in world.orders}
        self.rendered: dict[tuple[str, int, frozenset[str]], bytes] = {}
        self.found = lru_cache(maxsize=8)(self._found)

    def search(self, request: Request, now: datetime) -> Answer:
        if token := request.one("paginationToken"):
            data = read_token(token, "paginationToken")
            at, start = moment_of(data), data["from"]
            search = Search(
                **{name: tuple(said) if isinstance(said, list) else said for name, said in data["search"].items()}
            )
            if now - at > KEPT:
                raise invalid("The paginationToken has expired.")
            if request.beside - MAY_COME_AGAIN and _search(request, now) != search:
                raise invalid("The paginationToken belongs to another search.")
        else:
            search, at, start = _search(request, now), now - SETTLED, 0
        found = self.found(search, at)
        size = page_size(search.size, len(found))
        included = frozenset(search.included)
        page = [self._bytes(order, phase, included) for order, phase in found[start : start + size]]
        rest: dict[str, Any] = {
            f"{'lastUpdated' if search.by == 'updated' else 'created'}Before": search.before or written(at)
        }
        if start + size < len(found):
            token = token_of({"search": asdict(search), "at": at.isoformat(), "from": start + size})
            rest["pagination"] = {"nextToken": token}
        return Answer(status=200, body=b'{"orders":[' + b",".join(page) + b"]," + json.dumps(rest).encode()[1:])

    def get(self, request: Request, now: datetime, order_id: str) -> Answer:
        order = self.by_id.get(order_id)
        included = request.many("includedData", DATASETS)
        phase = order.phase_at(now - SETTLED) if order else -1
        if order is None or phase < 0:
            raise Refused(404, "NotFound", "The requested order was not found.")
        return Answer(status=200, body=b'{"order":' + self._bytes(order, phase, frozenset(included)) + b"}")

    def _found(self, search: Search, at: datetime) -> list[tuple[Order, int]]:
        """The orders as they were at that instant, the oldest first."""
        after = datetime.fromisoformat(search.after)
        before = min(at, datetime.fromisoformat(search.before)) if search.before else at
        found = []
        for order in self.world.orders:
            number = order.phase_at(at)
            if number < 0:
                break  # the rest came later
            phase = order.phases[number]
            moment = phase.at if search.by == "updated" else order.created
            if (
                after <= moment <= before
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
    created, updated = request.moment("createdAfter"), request.moment("lastUpdatedAfter")
    if (created is None) == (updated is None):
        raise invalid("Provide exactly one of 'createdAfter' and 'lastUpdatedAfter'.")
    by, other = ("updated", "created") if created is None else ("created", "lastUpdated")
    if request.one(f"{other}Before"):
        raise invalid(f"'{other}Before' goes with '{other}After' alone.")
    after = created or updated
    before = request.moment("createdBefore" if by == "created" else "lastUpdatedBefore")
    if before and (before < after or before > now - SETTLED):
        raise invalid("The end must not lie before the beginning, and at least two minutes before now.")
    marketplaces = request.many("marketplaceIds", most=50)
    if unknown := set(marketplaces) - set(BY_ID):
        raise invalid(f"'{sorted(unknown)[0]}' is no marketplace of this seller.")
    return Search(
        by=by,
        after=after.isoformat(),
        before=before.isoformat() if before else "",
        statuses=request.many("fulfillmentStatuses", STATUSES),
        marketplaces=marketplaces,
        fulfilled_by=request.many("fulfilledBy", frozenset(("MERCHANT", "AMAZON"))),
        included=request.many("includedData", DATASETS),
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
