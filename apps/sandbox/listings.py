"""Listings items 2021-08-01: searchListingsItems."""

from datetime import datetime
from random import Random
from typing import Any

from apps.sandbox.catalogue import AFN, BY_ID, Market, Product
from apps.sandbox.clock import written
from apps.sandbox.paging import moment_of, page_size, read_token, token_of
from apps.sandbox.wire import Answer, Refused, Request, as_json, invalid
from apps.sandbox.world import ACCOUNT, World

DATASETS = frozenset((
    "summaries", "attributes", "issues", "offers", "fulfillmentAvailability", "procurement", "relationships", "productTypes",
))  # fmt: skip
IDENTIFIERS = {"ASIN": "asin", "EAN": "ean", "FNSKU": "fnsku", "SKU": "sku"}
TIMES = ("createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore")
SORTS = ("sku", "createdDate", "lastUpdatedDate")
SEARCHED = ("marketplaceIds", "identifiersType", "identifiers", "sortBy", "sortOrder", *TIMES)
MOST = 20


class Listings:
    def __init__(self, world: World):
        self.world = world

    def search(self, request: Request, now: datetime, seller_id: str) -> Answer:
        if seller_id != ACCOUNT:
            raise Refused(404, "NOT_FOUND", "Seller not found.")
        included = request.many("includedData", DATASETS) or ("summaries",)
        markets = [BY_ID[each] for each in request.many("marketplaceIds", frozenset(BY_ID))]
        if not markets:
            raise invalid("Missing required parameter 'marketplaceIds'.")
        again = {name: request.one(name) for name in SEARCHED}
        at, first = now, 0
        if token := request.one("pageToken"):
            data = read_token("searchListingsItems", token)
            if data["again"] != again:
                raise invalid("The pageToken belongs to another search.")
            at, first = moment_of(data), data["from"]
        found = self._found(request, markets, at)
        size = page_size(request.count("pageSize", MOST, 10), len(found))
        items = [self._item(product, markets, included, at) for product in found[first : first + size]]
        pagination = {
            name: token_of("searchListingsItems", {"again": again, "at": at.isoformat(), "from": place})
            for name, place in (("nextToken", first + size), ("previousToken", first - size))
            if 0 <= place < len(found)
        }
        answer: dict[str, Any] = {"numberOfResults": len(found), "items": items}
        return as_json(answer | ({"pagination": pagination} if pagination else {}))

    def _found(self, request: Request, markets: list[Market], at: datetime) -> list[Product]:
        kind, wanted = request.one("identifiersType"), request.many("identifiers")
        if bool(kind) != bool(wanted) or (kind and kind not in IDENTIFIERS):
            raise invalid("'identifiers' and 'identifiersType' go together.")
        times = [request.moment(name) for name in TIMES]
        found = [
            product
            for product in self.world.products.values()
            if self.world.listed_at(product) <= at
            and set(markets) & set(product.markets)
            and (not kind or getattr(product, IDENTIFIERS[kind]) in wanted)
            and _within(times, self.world.listed_at(product), self.world.listing_changed(product, at))
        ]
        by, order = request.one("sortBy") or "lastUpdatedDate", request.one("sortOrder") or "DESC"
        if by not in SORTS or order not in ("ASC", "DESC"):
            raise invalid("'sortBy' or 'sortOrder' is not valid.")
        keys = {
            "sku": lambda product: product.sku,
            "createdDate": lambda product: (self.world.listed_at(product), product.sku),
            "lastUpdatedDate": lambda product: (self.world.listing_changed(product, at), product.sku),
        }
        return sorted(found, key=keys[by], reverse=order == "DESC")

    def _item(self, product: Product, markets: list[Market], included: tuple[str, ...], at: datetime) -> dict[str, Any]:
        there = [market for market in markets if market in product.markets]
        amazons = self.world.channel_of(product, at) == AFN
        parts = {
            "summaries": lambda: [self._summary(product, market, amazons, at) for market in there],
            "attributes": lambda: _attributes(product, there),
            "issues": lambda: [],
            "offers": lambda: [_offer(product, market) for market in there],
            "fulfillmentAvailability": lambda: [self._availability(product, amazons)],
            "procurement": lambda: [],
            "relationships": lambda: [{"marketplaceId": market.id, "relationships": []} for market in there],
            "productTypes": lambda: [{"marketplaceId": market.id, "productType": product.kind} for market in there],
        }
        return {"sku": product.sku} | {name: parts[name]() for name in included}

    def _summary(self, product: Product, market: Market, amazons: bool, at: datetime) -> dict[str, Any]:
        return {
            "marketplaceId": market.id,
            "asin": product.asin,
            "productType": product.kind,
            "conditionType": "new_new",
            "status": ["BUYABLE", "DISCOVERABLE"],
            **({"fnSku": product.fnsku} if amazons else {}),
            "itemName": product.title,
            "createdDate": written(self.world.listed_at(product)),
            "lastUpdatedDate": written(self.world.listing_changed(product, at)),
            "mainImage": {"link": f"https://images.example/{product.asin}.jpg", "height": 500, "width": 500},
        }

    def _availability(self, product: Product, amazons: bool) -> dict[str, Any]:
        if amazons:
            return {"fulfillmentChannelCode": "AMAZON_EU"}
        quantity = Random(f"offered {self.world.seed} {product.sku}").randrange(5, 200)
        return {"fulfillmentChannelCode": "DEFAULT", "quantity": quantity}


def _within(times: list[datetime | None], created: datetime, changed: datetime) -> bool:
    """`times` as in TIMES, None where it was not given."""
    created_after, created_before, changed_after, changed_before = times
    wanted = (created_after or created) <= created <= (created_before or created)
    return wanted and (changed_after or changed) <= changed <= (changed_before or changed)


def _attributes(product: Product, markets: list[Market]) -> dict[str, Any]:
    return {
        "item_name": [
            {"value": product.title, "language_tag": each.language, "marketplace_id": each.id} for each in markets
        ],
        "externally_assigned_product_identifier": [
            {"type": "ean", "value": product.ean, "marketplace_id": market.id} for market in markets
        ],
    }


def _offer(product: Product, market: Market) -> dict[str, Any]:
    price = {"currencyCode": market.currency, "amount": f"{product.price_in(market):.2f}"}
    return {"marketplaceId": market.id, "offerType": "B2C", "price": price}
