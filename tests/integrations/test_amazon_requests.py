"""What we ask Amazon, as the sandbox's log has it, against Amazon's own models."""

import pytest

from apps.integrations.connectors import connector_of
from tests.sandbox.models import check_request

pytestmark = pytest.mark.django_db
FEEDS = ("amazon.orders", "amazon.fba-inventory", "amazon.settlements", "amazon.listings")


def test_every_request_of_ours_is_right_by_the_models_and_says_nothing_they_do_not_know(sandbox, seller):
    connector = connector_of(seller)
    connector.check()
    for feed in FEEDS:
        first = list(connector.pull(feed, {}))
        list(connector.pull(feed, first[-1].cursor))
    lines = [line for line in sandbox.log() if line["operation"] not in ("token", "document")]
    assert {line["operation"] for line in lines} == {
        "searchOrders", "getInventorySummaries", "getReports", "getReportDocument", "searchListingsItems",
    }  # fmt: skip
    for line in lines:
        judged = check_request(line["method"], line["path"], line["params"])
        assert (judged.operation, judged.missing, judged.wrong, judged.unknown) == (line["operation"], [], [], [])
        assert (line["method"], line["status"]) == ("GET", 200), line
