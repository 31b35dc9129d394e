"""What the stand-in answers, and when."""

import httpx
import pytest

from tests.sandbox.running import ORDERS, Running

ALL = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"
LONG_AGO = "2020-01-01T00:00:00Z"
GB = "A1F83G8C2ARO7P"


def token(sandbox: Running, **instead: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", **sandbox.credentials, **instead}
    return httpx.post(f"{sandbox.url}/auth/o2/token", data=form)


@pytest.fixture
def ask(sandbox):
    with httpx.Client(base_url=sandbox.url, timeout=10) as client:
        client.headers["x-amz-access-token"] = token(sandbox).json()["access_token"]
        yield lambda path, **params: client.get(path, params=params)


@pytest.fixture
def orders_by_id(ask):
    """All orders with everything that may be asked for, read now."""

    def read(**params) -> dict[str, dict]:
        params = {"createdAfter": LONG_AGO, "includedData": ALL} | params
        return {order["orderId"]: order for page in pages(ask, **params) for order in page["orders"]}

    return read


def pages(ask, **params):
    page = ask("/orders/2026-01-01/orders", **params).raise_for_status().json()
    yield page
    while more := page.get("pagination"):
        page = ask("/orders/2026-01-01/orders", paginationToken=more["nextToken"]).raise_for_status().json()
        yield page


def test_a_good_refresh_token_is_worth_an_access_token_of_an_hour(sandbox):
    answer = token(sandbox).json()
    assert answer["access_token"].startswith("Atza|")
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)


@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        ({"refresh_token": "Atzr|other"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_are_refused(sandbox, wrong, status, error):
    answer = token(sandbox, **wrong)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_access_token_is_needed_and_runs_out(sandbox, ask):
    assert ask("/orders/2026-01-01/orders", createdAfter=LONG_AGO).status_code == 200
    sandbox.expire_tokens()
    answer = ask("/orders/2026-01-01/orders", createdAfter=LONG_AGO)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "Unauthorized"
    assert "expired" in answer.json()["errors"][0]["details"]
    assert httpx.get(f"{sandbox.url}/orders/2026-01-01/orders").status_code == 403


def test_all_orders_come_in_pages_each_once(ask):
    ids = [[order["orderId"] for order in page["orders"]] for page in pages(ask, createdAfter=LONG_AGO)]
    assert len(ids) == 2
    flat = [each for page in ids for each in page]
    assert len(flat) == len(set(flat)) == ORDERS


def test_what_was_not_asked_for_is_left_out(ask):
    page = ask("/orders/2026-01-01/orders", createdAfter=LONG_AGO).json()
    for order in page["orders"]:
        assert not {"fulfillment", "buyer", "recipient", "proceeds", "packages"} & set(order)
        assert not {"fulfillment", "proceeds"} & set(order["orderItems"][0])


def test_inventory_comes_in_two_pages_with_pagination_beside_the_payload(ask):
    query = {"granularityType": "Marketplace", "granularityId": GB, "marketplaceIds": GB, "details": "true"}
    first = ask("/fba/inventory/v1/summaries", **query).json()
    second = ask("/fba/inventory/v1/summaries", **query, nextToken=first["pagination"]["nextToken"]).json()
    assert "pagination" not in second
    skus = [each["sellerSku"] for page in (first, second) for each in page["payload"]["inventorySummaries"]]
    assert len(skus) == len(set(skus)) > 10
