"""What a pull brings from Amazon, where it goes on, and that nothing is lost where it was cut off."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.errors import Refused
from apps.integrations.connectors import connector_of
from apps.integrations.contract import PermanentError, TransientError
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db
ORDERS, STOCK = "/orders/2026-01-01/orders", "/fba/inventory/v1/summaries"
GB, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"


def pull(connection, feed, cursor=None):
    return connector_of(connection).pull(feed, cursor or {})


def keys(pages) -> list[str]:
    return [record.key for page in pages for record in page.records]


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_orders_come_whole_and_say_up_to_when(sandbox, seller):
    pages = list(pull(seller, "amazon.orders"))
    assert len(pages) == 2
    assert len(keys(pages)) == len(set(keys(pages))) == sandbox.world()["orders"]
    up_to = read(sandbox.world()["now"]) - timedelta(minutes=2)
    assert [page.asked_at for page in pages] == [None, up_to]
    assert read(pages[-1].cursor["since"]) == up_to
    assert all("fulfillment" in record.data for page in pages for record in page.records)


def test_the_first_pull_of_orders_reaches_back_a_month_and_the_next_one_overlaps(sandbox, seller):
    pages = list(pull(seller, "amazon.orders"))
    list(pull(seller, "amazon.orders", pages[-1].cursor))
    asked = [read(line["params"]["lastUpdatedAfter"][0]) for line in sandbox.log("searchOrders")]
    assert timedelta(days=30) < datetime.now(UTC) - asked[0] < timedelta(days=30, minutes=10)
    assert asked[-1] == pages[-1].asked_at - timedelta(minutes=2)


def test_orders_that_change_later_come_with_the_next_pull(sandbox, seller):
    cursor = list(pull(seller, "amazon.orders"))[-1].cursor
    sandbox.advance(6 * 3600)
    changed = [record for page in pull(seller, "amazon.orders", cursor) for record in page.records]
    assert changed
    assert all(read(record.data["lastUpdatedTime"]) >= read(cursor["since"]) - timedelta(minutes=2) for record in changed)


def test_a_pull_that_was_killed_goes_on_at_its_page(sandbox, seller):
    whole = keys(pull(seller, "amazon.orders"))
    first = next(iter(pull(seller, "amazon.orders")))
    sandbox.advance(3600)
    rest = list(pull(seller, "amazon.orders", first.cursor))
    assert [record.key for record in first.records] + keys(rest) == whole
    # What changed meanwhile is on no page, so the next pull begins before it.
    assert rest[-1].cursor == {"since": first.cursor["until"]}


def test_a_page_that_fails_amid_a_pull_is_asked_for_again(sandbox, seller):
    whole = keys(pull(seller, "amazon.orders"))
    pages = pull(seller, "amazon.orders")
    first = next(pages)
    sandbox.fault("searchOrders", "503-html", times=1)
    with pytest.raises(TransientError):
        next(pages)
    assert keys([first, *pull(seller, "amazon.orders", first.cursor)]) == whole


def test_a_page_token_that_ran_out_begins_again(sandbox, seller):
    first = next(iter(pull(seller, "amazon.orders")))
    sandbox.advance(25 * 3600)
    again = list(pull(seller, "amazon.orders", first.cursor))
    assert {record.key for record in first.records} <= set(keys(again))
    assert [line["status"] for line in sandbox.log("searchOrders")[1:3]] == [400, 200]


def test_a_refused_request_is_not_taken_for_an_old_token(scripted, entity):
    connection = scripted.connection(entity)
    scripted.says(ORDERS, (400, {"errors": [{"code": "InvalidInput", "message": "Invalid Input"}]}))
    with pytest.raises(PermanentError):
        list(pull(connection, "amazon.orders", {"since": "2026-11-01T00:00:00Z", "token": "old"}))
    assert [asked.get("paginationToken") for asked in scripted.asked_for(ORDERS)] == [["old"], None]


@pytest.mark.parametrize("feed", ["amazon.orders", "amazon.fba-inventory"])
def test_pages_that_go_round_in_a_circle_end(feed, scripted, entity):
    rest = {"pagination": {"nextToken": "again"}}
    scripted.says(ORDERS, {"orders": [], **rest})
    scripted.says(STOCK, {"payload": {"inventorySummaries": []}, **rest})
    with pytest.raises(PermanentError, match="the same next page twice"):
        list(pull(scripted.connection(entity), feed))


def test_without_an_instant_of_amazons_the_newest_order_is_it(scripted, entity):
    connection = scripted.connection(entity)
    changed = ["2026-11-02T10:00:00Z", "2026-11-03T10:00:00.5Z", "soon", None]
    orders = [{"orderId": f"1-{n}", "lastUpdatedTime": moment} for n, moment in enumerate(changed)]
    scripted.says(ORDERS, {"orders": orders}, {"orders": []})
    cursor = {"since": "2026-11-01T00:00:00.000Z"}
    (page,) = pull(connection, "amazon.orders", cursor)
    assert page.cursor == {"since": "2026-11-03T10:00:00.500Z"} and page.asked_at is None
    (page,) = pull(connection, "amazon.orders", cursor)
    assert page.cursor == cursor


def test_records_that_are_none_come_as_they_are(scripted, entity):
    """Their domain says what is wrong with them; they are in nobody's way."""
    scripted.says(ORDERS, b'{"orders": [7, null, {"orderId": ""}, {"orderId": "1-2", "weight": 1.50, "pieces": 3}]}')
    (page,) = pull(scripted.connection(entity), "amazon.orders")
    assert [record.key for record in page.records] == ["#0", "#1", "#2", "1-2"]
    assert [record.data for record in page.records][:2] == [7, None]
    # A number with a point is text: money is never a float.
    assert page.records[3].data == {"orderId": "1-2", "weight": "1.50", "pieces": 3}


def test_stock_comes_whole_marketplace_by_marketplace(sandbox, seller):
    before = datetime.now(UTC)
    pages = list(pull(seller, "amazon.fba-inventory"))
    found = keys(pages)
    assert len(pages) == 2 * len(sandbox.marketplaces) and len(found) == len(set(found))
    assert {key.split("/")[0] for key in found} == set(sandbox.marketplaces)
    assert all(record.data["marketplace"] == record.key.split("/")[0] for page in pages for record in page.records)
    assert all("inventoryDetails" in record.data for record in pages[0].records)
    # Only the end of the whole scan says that what did not come is not there.
    assert [page.asked_at for page in pages[:-1]] == [None] * (len(pages) - 1)
    assert before <= pages[-1].asked_at <= datetime.now(UTC)
    assert all(page.cursor == {} for page in pages)


def test_a_stock_token_that_ran_out_begins_the_marketplace_again(sandbox, seller):
    pages = pull(seller, "amazon.fba-inventory")
    first = next(pages)
    sandbox.advance(31)
    rest = list(pages)
    assert rest[0].records[0].key == first.records[0].key
    assert set(keys([first, *rest])) == set(keys(pull(seller, "amazon.fba-inventory")))
    assert rest[-1].asked_at


def test_stock_tokens_that_always_run_out_are_an_error(scripted, entity):
    page = {"payload": {"inventorySummaries": []}, "pagination": {"nextToken": "short"}}
    refused = (400, {"errors": [{"code": "InvalidInput", "message": "The nextToken has expired."}]})
    scripted.says(STOCK, page, refused, page, refused, page, refused)
    with pytest.raises(PermanentError, match="nextToken has expired"):
        list(pull(scripted.connection(entity), "amazon.fba-inventory"))


def test_stock_without_anything_in_it_is_said_too(scripted, entity):
    scripted.says(STOCK, {"payload": {"granularity": {}, "inventorySummaries": []}})
    pages = list(pull(scripted.connection(entity, marketplaces=[GB, DE]), "amazon.fba-inventory"))
    assert [(page.records, bool(page.asked_at)) for page in pages] == [([], False), ([], True)]


def test_uploaded_files_have_no_connector(entity):
    with pytest.raises(Refused, match="uploaded by people"):
        connector_of(ConnectionFactory(entity=entity))
