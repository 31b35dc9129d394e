"""The sandbox's answers against Amazon's official models, and the models' own examples against them."""

import pytest

from tests.sandbox.asking import DOCUMENTS, GB, LONG_AGO, ORDERS, REPORTS, SETTLEMENT, STOCK
from tests.sandbox.models import OURS, check_request, examples, operations


def test_every_official_example_of_these_operations_fits_its_model():
    """None of them is among the few official examples that do not (amazon-api.md 3: all of other operations)."""
    wrong = {
        name: faults for name, operation, status, answer in examples() if (faults := operation.faults(status, answer))
    }
    assert not wrong
    assert {operation.name for _, operation, _, _ in examples()} == set(OURS) - {"getInventorySummaries"}


def fits(operation: str, answers: list, status: int = 200) -> None:
    said = operations()[operation]
    faults = {place: found for place, each in enumerate(answers) if (found := said.faults(status, each, strict=True))}
    assert answers
    assert not faults


@pytest.mark.parametrize("hours", [0, 3.5, 24, 24 * 6])
def test_orders_fit_whenever_they_are_read(ask, sandbox, hours):
    sandbox.advance(hours * 3600)
    fits("searchOrders", list(ask.order_pages(createdAfter=LONG_AGO)))
    every = (
        "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
    )
    fits("searchOrders", list(ask.order_pages(lastUpdatedAfter=LONG_AGO, includedData=every)))
    special = sandbox.world()["special"].values()
    fits("getOrder", [ask.good(f"{ORDERS}/{each}", includedData=every) for each in special])


@pytest.mark.parametrize("details", ["true", "false"])
def test_stock_fits(ask, details):
    fits("getInventorySummaries", list(ask.stock_pages(details=details)))


def test_reports_and_their_documents_fit(ask):
    fits("getReports", list(ask.report_pages()))
    fits("getReport", [ask.good(f"{REPORTS}/{each['reportId']}") for each in ask.reports()])
    fits("getReportDocument", [ask.good(f"{DOCUMENTS}/{each['reportDocumentId']}") for each in ask.reports()])


def test_listings_fit(ask):
    fits("searchListingsItems", list(ask.listing_pages()))
    fits("searchListingsItems", list(ask.listing_pages(includedData="summaries", sortBy="sku", sortOrder="ASC")))


def test_refusals_fit(ask, sandbox):
    fits("searchOrders", [ask(ORDERS).json()], 400)
    fits("getOrder", [ask(f"{ORDERS}/200-0000000-0000000").json()], 404)
    fits("getInventorySummaries", [ask(STOCK).json()], 400)
    fits("getReports", [ask(REPORTS).json()], 400)
    fits("getReport", [ask(f"{REPORTS}/none").json()], 404)
    fits("getReportDocument", [ask(f"{DOCUMENTS}/none").json()], 404)
    fits("searchListingsItems", [ask(f"/listings/2021-08-01/items/{sandbox.account}").json()], 400)
    for mode, status in (("429", 429), ("revoked", 403)):
        sandbox.fault("*", mode)
        fits("searchOrders", [ask(ORDERS, createdAfter=LONG_AGO).json()], status)
        fits("getInventorySummaries", [ask(STOCK).json()], status)
        fits("getReports", [ask(REPORTS, reportTypes=SETTLEMENT).json()], status)
        sandbox.clear()


def test_the_log_holds_requests_as_the_models_can_judge_them(ask, sandbox):
    ask.orders(marketplaceIds=GB, fulfilledBy="MERCHANT", fulfillmentStatuses="UNSHIPPED,PARTIALLY_SHIPPED")
    ask.stock(startDateTime=sandbox.world()["start"])
    ask.reports(pageSize=50, processingStatuses="DONE")
    ask.listings()
    lines = [line for line in sandbox.log() if line["operation"] in OURS]
    assert {line["operation"] for line in lines} == {
        "searchOrders", "getInventorySummaries", "getReports", "searchListingsItems",
    }  # fmt: skip
    for line in lines:
        judged = check_request(line["method"], line["path"], line["params"])
        assert (judged.operation, judged.right, judged.unknown) == (line["operation"], True, []), judged


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        (ORDERS, {"createdAfter": ["yesterday"]}, "wrong"),
        (ORDERS, {"fulfilledBy": ["AFN"]}, "wrong"),
        (ORDERS, {"includedData": ["BUYER,EVERYTHING"]}, "wrong"),
        (ORDERS, {"maxResultsPerPage": ["many"]}, "wrong"),
        (ORDERS, {"NextToken": ["x"]}, "unknown"),
        (STOCK, {"granularityType": ["Marketplace"], "granularityId": [GB]}, "missing"),
        (
            STOCK,
            {
                "granularityType": ["Marketplace"],
                "granularityId": [GB],
                "marketplaceIds": [f"{GB},{GB}"],
                "details": ["yes"],
            },
            "wrong",
        ),
        (REPORTS, {"reportTypes": [SETTLEMENT], "pageSize": ["1000"]}, "wrong"),
        ("/listings/2021-08-01/items/SELLER", {"pageSize": ["20"]}, "missing"),
    ],
)
def test_a_request_that_the_model_does_not_know_is_told(path, query, said):
    assert getattr(check_request("GET", path, query), said)


def test_a_path_that_no_model_knows_is_told():
    with pytest.raises(LookupError, match="no operation"):
        check_request("POST", ORDERS, {})
