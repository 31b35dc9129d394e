"""What the stand-in answers, and when: tokens, pages, what is refused, usage plans."""

import gzip

import httpx
import pytest

from tests.sandbox.asking import DE, DOCUMENTS, EVERYTHING, GB, LONG_AGO, ORDERS, REPORTS, SETTLEMENT, STOCK, token
from tests.sandbox.running import ORDERS as HOW_MANY

ADDED_BY_THE_LIBRARY = {name: GB for name in ("MarketplaceId", "MarketplaceIds", "marketplace_ids", "marketplaceIds")}


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
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 200
    sandbox.expire_tokens()
    answer = ask(ORDERS, createdAfter=LONG_AGO)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "Unauthorized"
    assert "expired" in answer.json()["errors"][0]["details"]
    assert httpx.get(f"{sandbox.url}{ORDERS}").status_code == 403


def test_everything_comes_in_two_pages_or_more_each_record_once(ask):
    for pages, records, key in (
        (ask.order_pages(createdAfter=LONG_AGO), lambda page: page["orders"], "orderId"),
        (ask.stock_pages(), lambda page: page["payload"]["inventorySummaries"], "sellerSku"),
        (ask.report_pages(), lambda page: page["reports"], "reportId"),
        (ask.listing_pages(), lambda page: page["items"], "sku"),
    ):
        keys = [[record[key] for record in records(page)] for page in pages]
        flat = [each for page in keys for each in page]
        assert len(keys) >= 2
        assert all(keys)
        assert len(flat) == len(set(flat))


def test_all_orders_of_the_start_are_there(ask):
    assert len(ask.orders()) == HOW_MANY
    assert len(ask.orders(lastUpdatedAfter=LONG_AGO, createdAfter="")) == HOW_MANY


def test_two_records_are_two_pages_too(ask, sandbox):
    late = [sandbox.world()["special"][name] for name in ("late-1", "late-2")]
    orders = ask.orders()
    first, last = sorted(orders[each]["createdTime"] for each in late)
    found = list(ask.order_pages(createdAfter=last, createdBefore=last))
    assert [len(page["orders"]) for page in found] == [1]
    found = list(ask.order_pages(createdAfter=first, createdBefore=last))
    assert len(found) >= 2


def test_a_page_holds_no_more_than_was_asked_for(ask):
    assert len(ask.good(ORDERS, createdAfter=LONG_AGO, maxResultsPerPage=7)["orders"]) == 7


def test_a_page_token_goes_alone_or_with_its_own_search(ask):
    search = {"createdAfter": LONG_AGO, "includedData": EVERYTHING}
    more = ask.good(ORDERS, **search)["pagination"]["nextToken"]
    alone = ask.good(ORDERS, paginationToken=more)
    assert "fulfillment" in alone["orders"][0]
    assert ask.good(ORDERS, paginationToken=more, **search) == alone
    assert ask.good(ORDERS, paginationToken=more, **ADDED_BY_THE_LIBRARY) == alone
    assert ask(ORDERS, paginationToken=more, createdAfter="2026-01-01T00:00:00Z").status_code == 400
    assert ask(ORDERS, paginationToken="made-up").status_code == 400
    assert ask(ORDERS, paginationToken=ask.good(REPORTS, reportTypes=SETTLEMENT)["nextToken"]).status_code == 400


def test_a_page_token_of_orders_is_good_for_a_day(ask, sandbox):
    more = ask.good(ORDERS, createdAfter=LONG_AGO)["pagination"]["nextToken"]
    sandbox.advance(23 * 3600)
    assert ask(ORDERS, paginationToken=more).status_code == 200
    sandbox.advance(3600)
    assert ask(ORDERS, paginationToken=more).status_code == 400


def test_pages_show_the_orders_as_they_were_when_the_first_was_asked_for(ask, sandbox):
    before = ask.orders()
    page = ask.good(ORDERS, createdAfter=LONG_AGO, includedData=EVERYTHING)
    read = {order["orderId"]: order for order in page["orders"]}
    sandbox.advance(6 * 3600)
    while more := page.get("pagination"):
        page = ask.good(ORDERS, paginationToken=more["nextToken"])
        read |= {order["orderId"]: order for order in page["orders"]}
    assert read == before
    assert ask.orders() != before


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"createdAfter": LONG_AGO, "lastUpdatedAfter": LONG_AGO},
        {"createdAfter": LONG_AGO, "lastUpdatedBefore": "2026-01-01T00:00:00Z"},
        {"createdAfter": "yesterday"},
        {"createdAfter": LONG_AGO, "createdBefore": "2019-01-01T00:00:00Z"},
        {"createdAfter": LONG_AGO, "createdBefore": "2999-01-01T00:00:00Z"},
        {"createdAfter": LONG_AGO, "fulfilledBy": "AFN"},
        {"createdAfter": LONG_AGO, "fulfillmentStatuses": "Canceled"},
        {"createdAfter": LONG_AGO, "includedData": "EVERYTHING"},
        {"createdAfter": LONG_AGO, "marketplaceIds": "ATVPDKIKX0DER"},
        {"createdAfter": LONG_AGO, "maxResultsPerPage": 101},
    ],
)
def test_a_search_for_orders_that_amazon_refuses(ask, query):
    answer = ask(ORDERS, **query)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "InvalidInput")


def test_orders_can_be_narrowed(ask):
    orders = ask.orders()
    german = ask.orders(marketplaceIds=DE)
    assert set(german) == {key for key, order in orders.items() if order["salesChannel"]["marketplaceId"] == DE}
    ours = ask.orders(fulfilledBy="MERCHANT", fulfillmentStatuses="UNSHIPPED,PARTIALLY_SHIPPED")
    for order in ours.values():
        assert order["fulfillment"]["fulfilledBy"] == "MERCHANT"
        assert order["fulfillment"]["fulfillmentStatus"] in ("UNSHIPPED", "PARTIALLY_SHIPPED")
    assert 0 < len(ours) < len(orders)


@pytest.mark.parametrize(
    ("dataset", "of_order", "of_item"),
    [
        ("BUYER", "buyer", None),
        ("RECIPIENT", "recipient", None),
        ("PROCEEDS", "proceeds", "proceeds"),
        ("FULFILLMENT", "fulfillment", "fulfillment"),
        ("PACKAGES", "packages", None),
        ("PROMOTION", None, "promotion"),
        ("CANCELLATION", None, "cancellation"),
    ],
)
def test_a_dataset_comes_only_where_it_was_asked_for(ask, dataset, of_order, of_item):
    def holds(included: str) -> tuple[bool, bool]:
        orders = ask.orders(includedData=included).values()
        items = [item for order in orders for item in order["orderItems"]]
        return any(of_order in order for order in orders), any(of_item in item for item in items)

    assert holds(dataset) == (of_order is not None, of_item is not None)
    others = ",".join(each for each in EVERYTHING.split(",") if each != dataset)
    assert holds(others) == (False, False)


def test_one_order_can_be_asked_for(ask, sandbox):
    wanted = sandbox.world()["special"]["partly-shipped"]
    order = ask.good(f"{ORDERS}/{wanted}", includedData=EVERYTHING)["order"]
    assert order == ask.orders()[wanted]
    assert ask(f"{ORDERS}/200-0000000-0000000").status_code == 404


def test_quantities_come_only_with_details(ask):
    for each in ask.stock(details="false").values():
        assert "inventoryDetails" not in each
        assert each["totalQuantity"] == 0


def test_the_next_page_of_stock_must_be_asked_for_within_half_a_minute_and_the_same_way(ask, sandbox):
    since = sandbox.world()["start"]
    query = {"granularityType": "Marketplace", "granularityId": GB, "marketplaceIds": GB, "startDateTime": since}
    more = ask.good(STOCK, **query)["pagination"]["nextToken"]
    assert ask(STOCK, **query, nextToken=more).status_code == 200
    assert ask(STOCK, **{**query, "startDateTime": ""}, nextToken=more).status_code == 400
    sandbox.advance(31)
    answer = ask(STOCK, **query, nextToken=more)
    assert (answer.status_code, answer.json()["errors"][0]["details"]) == (400, "The nextToken has expired.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"granularityType": "Country"},
        {"granularityId": DE},
        {"marketplaceIds": f"{GB},{DE}"},
        {"startDateTime": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_request_for_stock_that_amazon_refuses(ask, wrong):
    query = {"granularityType": "Marketplace", "granularityId": GB, "marketplaceIds": GB} | wrong
    assert ask(STOCK, **query).status_code == 400


def test_the_next_page_of_reports_goes_alone(ask):
    more = ask.good(REPORTS, reportTypes=SETTLEMENT)["nextToken"]
    assert ask(REPORTS, nextToken=more, **ADDED_BY_THE_LIBRARY).status_code == 200
    assert ask(REPORTS, nextToken=more, reportTypes=SETTLEMENT).status_code == 400
    assert ask(REPORTS).status_code == 400
    assert ask.good(REPORTS, reportTypes="GET_MERCHANT_LISTINGS_ALL_DATA")["reports"] == []


def test_a_document_lies_zipped_at_an_address_that_is_good_for_five_minutes(ask, sandbox):
    charsets = set()
    for report in ask.reports():
        document = ask.good(f"{DOCUMENTS}/{report['reportDocumentId']}")
        assert (document["compressionAlgorithm"], document["url"].startswith(f"{sandbox.url}/")) == ("GZIP", True)
        answer = httpx.get(document["url"])
        text = gzip.decompress(answer.content).decode(answer.charset_encoding)
        assert text.startswith("settlement-id\t")
        charsets.add(answer.charset_encoding.lower())
    assert charsets == {"cp1252", "utf-8"}
    sandbox.advance(301)
    answer = httpx.get(document["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert httpx.get(document["url"].replace("Signature=", "Signature=0")).status_code == 403


def test_the_address_of_a_document_does_not_follow_a_mangled_host_header(ask, sandbox):
    document = f"{DOCUMENTS}/{ask.reports()[0]['reportDocumentId']}"
    ask.client.headers["host"] = sandbox.url[8:]
    assert ask.good(document)["url"].startswith(f"{sandbox.url}/")


def test_listings_tell_who_ships_and_what_they_are(ask):
    listings = ask.listings()
    assert listings["BF-LINEN-KG-SAGE"]["fulfillmentAvailability"] == [{"fulfillmentChannelCode": "AMAZON_EU"}]
    assert listings["BF-OAKTRAY-30"]["fulfillmentAvailability"][0]["fulfillmentChannelCode"] == "DEFAULT"
    assert [each["marketplaceId"] for each in listings["BF-OAKTRAY-30"]["summaries"]] == [GB, DE]
    (one,) = ask.listings(identifiers="BF-OAKTRAY-30", identifiersType="SKU").values()
    ean = one["attributes"]["externally_assigned_product_identifier"][0]["value"]
    assert list(ask.listings(identifiers=ean, identifiersType="EAN")) == ["BF-OAKTRAY-30"]
    assert ask("/listings/2021-08-01/items/SOMEBODY", marketplaceIds=GB).status_code == 404


def test_the_account_sells_in_two_marketplaces(ask, sandbox):
    told = ask.good("/sellers/v1/marketplaceParticipations")["payload"]
    assert [each["marketplace"]["id"] for each in told] == sandbox.marketplaces == [GB, DE]


def test_every_answer_has_a_request_id_that_the_log_knows(ask, sandbox):
    answers = [ask(ORDERS, createdAfter=LONG_AGO), ask(ORDERS), ask("/nowhere"), token(sandbox, client_id="wrong")]
    told = {line["request_id"]: line["status"] for line in sandbox.log()}
    assert [told[answer.headers["x-amzn-RequestId"]] for answer in answers] == [200, 400, 404, 401]
    assert answers[0].headers["x-amzn-RateLimit-Limit"] == "1000"
    sandbox.limits(True)
    assert ask(ORDERS, createdAfter=LONG_AGO).headers["x-amzn-RateLimit-Limit"] == "0.0056"


def test_the_log_tells_what_was_asked_and_holds_no_token_and_no_address_of_a_document(ask, sandbox):
    ask.orders(marketplaceIds=GB)
    httpx.get(ask.good(f"{DOCUMENTS}/{ask.reports()[0]['reportDocumentId']}")["url"])
    lines = sandbox.log("searchOrders")
    assert lines[0]["params"] == {"createdAfter": [LONG_AGO], "includedData": [EVERYTHING], "marketplaceIds": [GB]}
    assert sandbox.log()[0]["operation"] == "token"
    said = str(sandbox.log())
    assert not [secret for secret in (*sandbox.credentials.values(), "Atza|", "Signature") if secret in said]


def test_usage_plans_hold_when_they_are_on(ask, sandbox):
    sandbox.limits(True)
    statuses = [ask(ORDERS, createdAfter=LONG_AGO, maxResultsPerPage=1).status_code for _ in range(22)]
    assert statuses == [200] * 20 + [429] * 2
    assert ask(f"{ORDERS}/{sandbox.world()['special']['pending']}").status_code == 200  # a bucket of its own
    sandbox.advance(180)
    statuses = [ask(ORDERS, createdAfter=LONG_AGO, maxResultsPerPage=1).status_code for _ in range(2)]
    assert statuses == [200, 429]
    sandbox.limits(False)
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 200


def test_a_switch_that_is_not_understood_is_refused(sandbox):
    assert httpx.post(f"{sandbox.url}/control/fault", json={"operation": "*", "mode": "418"}).status_code == 400
    assert httpx.post(f"{sandbox.url}/control/fault", json={}).status_code == 400
    assert httpx.post(f"{sandbox.url}/control/nothing").status_code == 400
