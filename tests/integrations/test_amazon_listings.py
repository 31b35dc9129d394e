"""What the account sells comes whole, also past the thousand that one search reaches; and who answers says who it is."""

import pytest

from apps.integrations.connectors import connector_of
from apps.integrations.contract import ConfigError, PermanentError, TransientError

pytestmark = pytest.mark.django_db
GB, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"
ITEMS = "/listings/2021-08-01/items/A1MADEUP"


def pull(connection, cursor=None):
    return connector_of(connection).pull("amazon.listings", cursor or {})


def keys(pages) -> list[str]:
    return [record.key for page in pages for record in page.records]


def item(sku: str, created: str | None) -> dict:
    return {"sku": sku, "summaries": [{"createdDate": created}] if created else []}


def test_listings_come_whole_marketplace_by_marketplace(sandbox, seller):
    pages = list(pull(seller))
    found = keys(pages)
    assert len(sandbox.log("searchListingsItems")) >= 2 * len(sandbox.marketplaces)
    assert len(found) == len(set(found)) and {key.split("/")[0] for key in found} == set(sandbox.marketplaces)
    assert all({"summaries", "attributes", "fulfillmentAvailability"} <= set(r.data) for p in pages for r in p.records)
    assert all(record.data["marketplace"] == record.key.split("/")[0] for page in pages for record in page.records)
    assert [bool(page.asked_at) for page in pages] == [False] * (len(pages) - 1) + [True]
    assert pages[-1].cursor == {}


def test_a_scan_that_was_killed_goes_on(sandbox, seller):
    whole = list(pull(seller))
    for place, page in enumerate(whole[:-1]):
        rest = list(pull(seller, page.cursor))
        assert set(keys(whole[: place + 1])) | set(keys(rest)) == set(keys(whole))
        assert rest[-1].asked_at.isoformat(timespec="seconds") == page.cursor["began"][:19] + "+00:00"
    gone_on = {key.split("/")[0] for key in keys(pull(seller, {"done": [sandbox.marketplaces[0]]}))}
    assert gone_on == set(sandbox.marketplaces[1:])


def test_a_marketplace_that_was_taken_away_amid_a_scan_does_not_end_it_for_ever(sandbox, seller):
    assert list(pull(seller, {"done": [*sandbox.marketplaces, "AGONE"]}))[-1].asked_at


def test_past_the_reach_of_one_search_the_next_one_begins(scripted, entity):
    first = [item("A", "2026-01-01T00:00:00Z"), item("B", "2026-01-02T00:00:00Z")]
    second = [item("B", "2026-01-02T00:00:00Z"), item("C", "2026-01-03T00:00:00Z")]
    scripted.says(ITEMS, {"numberOfResults": 3, "items": first}, {"numberOfResults": 2, "items": second})
    pages = list(pull(scripted.connection(entity)))
    assert keys(pages) == [f"{GB}/A", f"{GB}/B", f"{GB}/B", f"{GB}/C"]
    assert [asked.get("createdAfter") for asked in scripted.asked_for(ITEMS)] == [None, ["2026-01-02T00:00:00.000Z"]]
    assert [bool(page.asked_at) for page in pages] == [False, True]


@pytest.mark.parametrize("created", [None, "2026-01-01T00:00:00Z"])
def test_listings_that_no_search_reaches_are_an_error(created, scripted, entity):
    scripted.says(ITEMS, {"numberOfResults": 1200, "items": [item("A", created)]})
    with pytest.raises(PermanentError, match="found more listings than it brings"):
        list(pull(scripted.connection(entity)))


def test_a_list_that_does_not_say_how_much_there_is_may_not_be_whole(scripted, entity):
    scripted.says(ITEMS, {"items": []})
    with pytest.raises(PermanentError, match="without numberOfResults"):
        list(pull(scripted.connection(entity)))


def test_the_check_says_who_answers(sandbox, seller):
    checked = connector_of(seller).check()
    assert checked.words == f"Amazon answers for seller {sandbox.account}, United Kingdom and Germany."
    assert checked.marketplaces == tuple(sandbox.marketplaces)
    assert {line["operation"] for line in sandbox.log()} == {"token", "searchListingsItems"}


def test_the_check_of_one_marketplace_names_it(scripted, entity):
    scripted.says(ITEMS, {"numberOfResults": 0, "items": []})
    assert connector_of(scripted.connection(entity)).check().words == "Amazon answers for seller A1MADEUP, United Kingdom."


@pytest.mark.parametrize(
    ("operation", "mode", "verdict"),
    [
        ("token", "revoked", ConfigError),
        ("*", "revoked", ConfigError),
        ("searchListingsItems", "503-html", TransientError),
        ("searchListingsItems", "missing-key", PermanentError),
    ],
)
def test_a_check_that_fails_raises(operation, mode, verdict, sandbox, seller):
    sandbox.fault(operation, mode)
    with pytest.raises(verdict):
        connector_of(seller).check()


def test_another_sellers_id_is_told(seller):
    seller.account = "A1SOMEBODYELSE"
    with pytest.raises(PermanentError, match="Seller not found"):
        connector_of(seller).check()


def test_a_check_names_the_marketplaces_that_the_account_does_not_sell_in(sandbox, seller):
    france = "A13V1IB3VIYZZH"
    seller.marketplaces = [france, *sandbox.marketplaces]
    told = connector_of(seller).check()
    assert told.marketplaces == tuple(sandbox.marketplaces)
    assert "United Kingdom and Germany. It refuses France: the account does not sell there." in told.words
    assert "“Change the marketplaces” on its page" in told.words
    assert "(400 InvalidInput" in told.words


def test_a_seller_id_that_amazon_does_not_know_answers_nowhere(sandbox, seller):
    seller.account = "A0NOBODY"
    with pytest.raises(PermanentError):
        connector_of(seller).check()
