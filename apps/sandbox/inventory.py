"""FBA inventory v1: getInventorySummaries. Quantities move every few hours; the identities hold but for one SKU."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from apps.sandbox.catalogue import BY_ID, Market, Product
from apps.sandbox.clock import written
from apps.sandbox.paging import moment_of, page_size, read_token, token_of
from apps.sandbox.wire import Answer, Request, as_json, invalid
from apps.sandbox.world import World

KEPT = timedelta(seconds=30)
LONGEST_AGO = timedelta(days=548)
PAGE = 50
BROKEN = "BF-CANDLE-OUD-220"  # its reserved total is three more than the parts
BARE = "BF-BASKET-SEAGRASS-M"  # comes without inventoryDetails, even when they were asked for
FIRST = "BF-LINEN-KG-SAGE"
DAMAGES = ("customerDamaged", "warehouseDamaged", "distributorDamaged", "carrierDamaged", "defective", "expired")


@dataclass(frozen=True, kw_only=True)
class Units:
    """What Amazon has of a SKU, by state."""

    fulfillable: int
    pending: int
    moving: int
    processing: int
    researching: tuple[int, int, int]
    damaged: tuple[int, ...]
    inbound: tuple[int, int, int]

    @property
    def reserved(self) -> int:
        return self.pending + self.moving + self.processing

    @property
    def total(self) -> int:
        return self.fulfillable + self.reserved + sum(self.damaged) + sum(self.inbound)


class Inventory:
    def __init__(self, world: World):
        self.world = world

    def summaries(self, request: Request, now: datetime) -> Answer:
        market, since, skus = _asked(request, now)
        again = [market.id, since.isoformat() if since else "", sorted(skus)]
        at, first = now, 0
        if token := request.one("nextToken"):
            data = read_token("getInventorySummaries", token)
            at, first = moment_of(data), data["from"]
            if now - datetime.fromisoformat(data["given"]) > KEPT:
                raise invalid("The nextToken has expired.")
            if data["again"] != again:
                raise invalid("The nextToken belongs to another request: send the same parameters again.")
        dated = ((product, self._changed(product, at)) for product in self.world.at_amazon(market, at))
        found = [
            (product, changed)
            for product, changed in dated
            if (not skus or product.sku in skus) and (not since or changed >= since)
        ]
        size, details = page_size(PAGE, len(found)), request.one("details") == "true"
        page = [self._summary(product, market, changed, details) for product, changed in found[first : first + size]]
        granularity = {"granularityType": "Marketplace", "granularityId": market.id}
        answer: dict[str, Any] = {"payload": {"granularity": granularity, "inventorySummaries": page}}
        if first + size < len(found):
            token = {"again": again, "at": at.isoformat(), "given": now.isoformat(), "from": first + size}
            answer["pagination"] = {"nextToken": token_of("getInventorySummaries", token)}
        return as_json(answer)

    def _every(self, product: Product) -> timedelta:
        """How often something happens to a SKU."""
        return timedelta(hours=3 + len(product.title) % 5)

    def _changed(self, product: Product, at: datetime) -> datetime:
        every = self._every(product)
        return self.world.start + (at - self.world.start) // every * every

    def units(self, product: Product, market: Market, changed: datetime) -> Units:
        """As they were after the change at that instant. The first of all holds, at the start, every state."""
        step = (changed - self.world.start) // self._every(product)
        chance = Random(f"stock {self.world.seed} {market.id} {product.fnsku} {step}")
        if product.sku == FIRST and market.country == "GB" and step == 0:
            return Units(
                fulfillable=236, pending=14, moving=31, processing=6, researching=(4, 2, 1), damaged=(7, 1, 1, 1, 2, 1),
                inbound=(40, 15, 10),
            )  # fmt: skip
        base = Random(f"stock {self.world.seed} {market.id} {product.fnsku}").randrange(0, 260)
        return Units(
            fulfillable=max(0, base - step % 40 * 2),
            pending=chance.randrange(0, 15),
            moving=chance.choice((0, 0, 6, 24)),
            processing=chance.randrange(0, 4),
            researching=(chance.choice((0, 0, 3)), 0, 0),
            damaged=(chance.choice((0, 0, 2)), 0, 0, 0, chance.choice((0, 1)), 0),
            inbound=(chance.choice((0, 60)), chance.choice((0, 0, 40)), 0),
        )

    def _summary(self, product: Product, market: Market, changed: datetime, details: bool) -> dict[str, Any]:
        data: dict[str, Any] = {
            "asin": product.asin,
            "fnSku": product.fnsku,
            "sellerSku": product.sku,
            "condition": "NewItem",
            "lastUpdatedTime": written(changed),
            "productName": product.title,
            "totalQuantity": 0,
            "stores": [],
        }
        if not details:
            return data
        units = self.units(product, market, changed)
        data["totalQuantity"] = units.total
        if product.sku != BARE:
            data["inventoryDetails"] = _details(units, broken=product.sku == BROKEN)
        return data


def _asked(request: Request, now: datetime) -> tuple[Market, datetime | None, tuple[str, ...]]:
    """(marketplace, changed since, SKUs); refuses what Amazon refuses."""
    if request.need("granularityType") != "Marketplace":
        raise invalid("'granularityType' must be 'Marketplace'.")
    request.need("marketplaceIds")
    (market_id,) = request.many("marketplaceIds", frozenset(BY_ID), most=1)
    if request.need("granularityId") != market_id:
        raise invalid("'granularityId' must be the marketplace of 'marketplaceIds'.")
    since = request.moment("startDateTime")
    if since and since < now - LONGEST_AGO:
        raise invalid("'startDateTime' must not be more than 18 months ago.")
    one = (request.one("sellerSku"),) if request.one("sellerSku") else ()
    return BY_ID[market_id], since, request.many("sellerSkus", most=50) + one


def _details(units: Units, broken: bool) -> dict[str, Any]:
    working, shipped, receiving = units.inbound
    spans = zip(("Short", "Mid", "Long"), units.researching, strict=True)
    return {
        "fulfillableQuantity": units.fulfillable,
        "inboundWorkingQuantity": working,
        "inboundShippedQuantity": shipped,
        "inboundReceivingQuantity": receiving,
        "reservedQuantity": {
            "totalReservedQuantity": units.reserved + (3 if broken else 0),
            "pendingCustomerOrderQuantity": units.pending,
            "pendingTransshipmentQuantity": units.moving,
            "fcProcessingQuantity": units.processing,
        },
        "researchingQuantity": {
            "totalResearchingQuantity": sum(units.researching),
            "researchingQuantityBreakdown": [
                {"name": f"researchingQuantityIn{span}Term", "quantity": quantity} for span, quantity in spans
            ],
        },
        "unfulfillableQuantity": {
            "totalUnfulfillableQuantity": sum(units.damaged),
            **{f"{name}Quantity": quantity for name, quantity in zip(DAMAGES, units.damaged, strict=True)},
        },
    }
