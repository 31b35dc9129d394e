"""A bare client of the sandbox: it asks as the models say and trusts nothing."""

from collections.abc import Iterator
from typing import Any

import httpx

from tests.sandbox.running import Running

ORDERS = "/orders/2026-01-01/orders"
STOCK = "/fba/inventory/v1/summaries"
REPORTS = "/reports/2021-06-30/reports"
DOCUMENTS = "/reports/2021-06-30/documents"
SETTLEMENT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
EVERYTHING = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"
LONG_AGO = "2020-01-01T00:00:00Z"
GB, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"


def token(sandbox: Running, **instead: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", **sandbox.credentials, **instead}
    return httpx.post(f"{sandbox.url}/auth/o2/token", data=form)


class Asker:
    def __init__(self, sandbox: Running, client: httpx.Client):
        self.sandbox, self.client = sandbox, client
        client.headers["x-amz-access-token"] = token(sandbox).json()["access_token"]

    def __call__(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params)

    def good(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order_pages(self, **params: Any) -> Iterator[dict[str, Any]]:
        page = self.good(ORDERS, **params)
        yield page
        while more := page.get("pagination"):
            page = self.good(ORDERS, paginationToken=more["nextToken"])
            yield page

    def orders(self, **params: Any) -> dict[str, dict[str, Any]]:
        """All orders by their id, with everything that may be asked for."""
        params = {"createdAfter": LONG_AGO, "includedData": EVERYTHING} | params
        return {order["orderId"]: order for page in self.order_pages(**params) for order in page["orders"]}

    def stock_pages(self, market: str = GB, **params: Any) -> Iterator[dict[str, Any]]:
        params = {
            "granularityType": "Marketplace",
            "granularityId": market,
            "marketplaceIds": market,
            "details": "true",
        } | params
        page = self.good(STOCK, **params)
        yield page
        while more := page.get("pagination"):
            page = self.good(STOCK, **params, nextToken=more["nextToken"])
            yield page

    def stock(self, market: str = GB, **params: Any) -> dict[str, dict[str, Any]]:
        pages = self.stock_pages(market, **params)
        return {each["sellerSku"]: each for page in pages for each in page["payload"]["inventorySummaries"]}

    def report_pages(self, **params: Any) -> Iterator[dict[str, Any]]:
        page = self.good(REPORTS, **({"reportTypes": SETTLEMENT} | params))
        yield page
        while more := page.get("nextToken"):
            page = self.good(REPORTS, nextToken=more)
            yield page

    def reports(self, **params: Any) -> list[dict[str, Any]]:
        return [report for page in self.report_pages(**params) for report in page["reports"]]

    def listing_pages(self, **params: Any) -> Iterator[dict[str, Any]]:
        path = f"/listings/2021-08-01/items/{self.sandbox.account}"
        included = "summaries,attributes,issues,offers,fulfillmentAvailability,relationships,productTypes"
        params = {"marketplaceIds": f"{GB},{DE}", "includedData": included, "pageSize": 20} | params
        page = self.good(path, **params)
        yield page
        while more := page.get("pagination", {}).get("nextToken"):
            page = self.good(path, **params, pageToken=more)
            yield page

    def listings(self, **params: Any) -> dict[str, dict[str, Any]]:
        return {item["sku"]: item for page in self.listing_pages(**params) for item in page["items"]}
