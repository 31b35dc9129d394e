"""Whatever Amazon fails with has its verdict and its evidence, and nothing that fails looks like an empty answer."""

import logging
from datetime import timedelta

import httpx
import pytest

from apps.integrations.connectors import connector_of
from apps.integrations.connectors.amazon import clients
from apps.integrations.contract import ConfigError, PermanentError, TransientError
from apps.integrations.credentials import seal
from apps.integrations.models import Credential

pytestmark = pytest.mark.django_db
FEEDS = {"amazon.orders": "searchOrders", "amazon.fba-inventory": "getInventorySummaries"}
ORDERS = "/orders/2026-01-01/orders"
MODES = {
    "429": (TransientError, 429, "QuotaExceeded", "our allowance is used up"),
    "503-html": (TransientError, 503, "", "could not answer"),
    "502-empty": (TransientError, 502, "", "could not answer"),
    "role-missing": (PermanentError, 403, "Unauthorized", "lets the account in, but refuses"),
    "garbage-200": (PermanentError, 200, "", "no JSON object"),
    "missing-key": (PermanentError, 200, "", "that is no answer"),
    "reset": (TransientError, None, "ReadError", "The line broke"),
    "timeout": (TransientError, None, "ReadTimeout", "did not answer"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(clients, "TIMEOUT", httpx.Timeout(0.5))


def failure(connection, feed="amazon.orders", cursor=None):
    """What a pull raises, and that it brought nothing before."""
    brought = []
    with pytest.raises((TransientError, PermanentError, ConfigError)) as raised:
        brought.extend(connector_of(connection).pull(feed, cursor or {}))
    assert not brought
    return raised.value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("feed", FEEDS)
def test_each_fault_of_a_feed_has_its_verdict(feed, mode, sandbox, seller):
    verdict, status, code, words = MODES[mode]
    sandbox.fault(FEEDS[feed], mode)
    error = failure(seller, feed)
    told = error.evidence
    assert type(error) is verdict
    assert (told.operation, told.status, told.code) == (FEEDS[feed], status, code)
    assert words in told.words and str(error) == told.words
    line = sandbox.log(FEEDS[feed])[0]
    assert line["mode"] == mode
    if status:
        assert (told.status, told.request_id) == (line["status"], line["request_id"])


@pytest.mark.parametrize("refused", ["everything", "the one operation that could tell"])
def test_a_consent_that_is_withdrawn_is_refused_everywhere(refused, sandbox, seller):
    """What Amazon does not answer now proves nothing for the account."""
    for operation in ("searchOrders", "searchListingsItems", "getInventorySummaries", "getReports"):
        sandbox.fault(operation, "revoked" if refused == "everything" or operation == "searchOrders" else "503-html")
    error = failure(seller)
    assert type(error) is ConfigError
    assert (error.evidence.operation, error.evidence.status) == ("searchOrders", 403)
    assert "Connect the account again" in error.evidence.words
    assert "the role “Inventory and Order Tracking”" in error.evidence.words


@pytest.mark.parametrize(
    ("feed", "operation", "role"),
    [
        ("amazon.orders", "searchOrders", "Inventory and Order Tracking"),
        ("amazon.fba-inventory", "getInventorySummaries", "Amazon Fulfillment"),
        ("amazon.settlements", "getReports", "Finance and Accounting"),
        ("amazon.listings", "searchListingsItems", "Product Listing"),
    ],
)
def test_a_role_that_is_missing_is_named_with_its_operation(feed, operation, role, sandbox, seller):
    sandbox.fault(operation, "role-missing")
    error = failure(seller, feed)
    assert type(error) is PermanentError
    assert f"refuses {operation}: the application lacks the role “{role}” (403 Unauthorized)" in error.evidence.words
    assert error.evidence.request_id == sandbox.log(operation)[0]["request_id"]


@pytest.mark.parametrize("feed", ["amazon.orders", "amazon.fba-inventory", "amazon.listings"])
def test_an_account_that_does_not_sell_in_one_marketplace_lacks_no_role(feed, sandbox, seller):
    """Where it sells, Amazon answers the same operation."""
    operation = {**FEEDS, "amazon.listings": "searchListingsItems"}[feed]
    assert len(seller.marketplaces) > 1
    sandbox.fault(operation, "role-missing", times=1)
    error = failure(seller, feed)
    assert type(error) is PermanentError
    assert "the account does not sell there" in error.evidence.words
    assert "lacks the role" not in error.evidence.words


def test_what_cannot_be_told_apart_is_not_told_apart(sandbox, seller):
    sandbox.fault("getInventorySummaries", "role-missing", times=1)
    sandbox.fault("getInventorySummaries", "503-html")
    error = failure(seller, "amazon.fba-inventory")
    assert type(error) is PermanentError
    assert "lacks the role “Amazon Fulfillment”, or the account does not sell in one of" in error.evidence.words


def test_that_only_reports_are_answered_says_nothing_about_a_marketplace(sandbox, seller):
    seller.marketplaces = seller.marketplaces[:1]
    for operation in ("getInventorySummaries", "searchListingsItems"):
        sandbox.fault(operation, "role-missing")
    error = failure(seller, "amazon.fba-inventory")
    assert "lacks the role “Amazon Fulfillment”, or the account does not sell in one of" in error.evidence.words


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (400, {"x-amzn-RequestId": "b7e1"}, PermanentError),
        (404, {"x-amzn-RequestId": "b7e1"}, PermanentError),
        (400, {}, ConfigError),  # of something before Amazon, which names its calls
        (429, {"x-amzn-RequestId": "b7e1"}, ConfigError),
        (503, {"x-amzn-RequestId": "b7e1"}, ConfigError),
        (403, {"x-amzn-RequestId": "b7e1"}, ConfigError),
    ],
)
def test_whom_amazon_finds_fault_with_it_has_let_in(status, headers, verdict, scripted, entity):
    connection = scripted.connection(entity)
    scripted.says(ORDERS, (403, {"errors": [{"code": "Unauthorized", "message": "Denied."}]}))
    listings, stock = f"/listings/2021-08-01/items/{connection.account}", "/fba/inventory/v1/summaries"
    for path in (listings, stock, "/reports/2021-06-30/reports"):
        scripted.answers[path] = [(status, headers, b'{"errors": [{"code": "InvalidInput", "message": "No."}]}')]
    assert type(failure(connection)) is verdict


@pytest.mark.parametrize("mode", ["429", "503-html", "502-empty", "timeout", "reset", "garbage-200", "missing-key"])
def test_a_sign_in_that_fails_is_no_revoked_consent(mode, sandbox, seller):
    sandbox.fault("token", mode)
    error = failure(seller)
    assert type(error) is MODES[mode][0]
    assert error.evidence.operation == "getAccessToken"
    assert not sandbox.log("searchOrders")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"refresh_token": "Atzr|of-nobody"}, 400, "invalid_grant"),
        ({"client_secret": "of-nobody"}, 401, "invalid_client"),
    ],
)
def test_credentials_that_amazon_refuses_are_for_a_person(changed, status, code, sandbox, seller):
    seal(seller, {**sandbox.credentials, **changed}, None)
    error = failure(seller)
    assert type(error) is ConfigError
    assert (error.evidence.status, error.evidence.code) == (status, code)
    assert error.evidence.request_id == sandbox.log("token")[-1]["request_id"]
    assert "Amazon does not let us in any more. Connect the account again" in error.evidence.words
    assert "of-nobody" not in error.evidence.words


def test_an_access_token_that_ran_out_is_replaced_once(sandbox, seller):
    connector = connector_of(seller)
    list(connector.pull("amazon.fba-inventory", {}))
    sandbox.expire_tokens()
    assert list(connector.pull("amazon.orders", {}))
    assert [line["status"] for line in sandbox.log("searchOrders")] == [403, 200, 200]
    assert len(sandbox.log("token")) == 2


def test_a_new_access_token_that_is_refused_too_is_for_a_person(scripted, entity):
    over = {"errors": [{"code": "Unauthorized", "message": "Denied.", "details": "The access token has expired."}]}
    scripted.says(ORDERS, (403, over))
    assert type(failure(scripted.connection(entity))) is ConfigError
    assert len(scripted.asked_for(ORDERS)) == len(scripted.asked_for("/auth/o2/token")) == 2


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (301, PermanentError),
        (400, PermanentError),
        (401, ConfigError),
        (403, ConfigError),
        (404, PermanentError),
        (408, TransientError),
        (413, PermanentError),
        (415, PermanentError),
        (422, PermanentError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (504, TransientError),
    ],
)
def test_every_status_counts_whatever_the_body_is(status, verdict, scripted, entity):
    connection = scripted.connection(entity)
    for body in (b"", b"<html>Sorry</html>", b"{}", b'{"errors": []}', b'{"message": "No"}', b"[1]"):
        scripted.says(ORDERS, (status, body))
        error = failure(connection)
        assert type(error) is verdict
        assert error.evidence.status == status
        assert "html" not in error.evidence.words


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"orders"',
        b'{"orders": null}',
        b'{"orders": {}}',
        b'{"orders": [NaN]}',
        b'{"payload": {"orders": []}}',
        b'{"orders": [], "errors": [{"code": "InternalFailure", "message": "Half of it."}]}',
        b'{"orders": [], "pagination": {"nextToken": 7}}',
        b'{"orders": [], "pagination": "more"}',
        b'{"orders": [], "lastUpdatedBefore": "yesterday"}',
        b'\xff\xfe{"orders": []}',
        pytest.param(b"[" * 100_000, id="nested"),
    ],
)
def test_a_success_without_orders_is_no_empty_day(body, scripted, entity):
    scripted.says(ORDERS, body)
    error = failure(scripted.connection(entity))
    assert type(error) is PermanentError and error.evidence.operation == "searchOrders"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:00 GMT"}, 0),
        ({"x-amzn-RateLimit-Limit": "0.5"}, 2),
        ({"x-amzn-RateLimit-Limit": "no number"}, 1 / 0.0056),
        ({"retry-after": "soon"}, 1 / 0.0056),
        ({}, 1 / 0.0056),
    ],
)
def test_a_throttled_call_says_when_the_next_one_is_allowed(headers, seconds, scripted, entity):
    scripted.answers[ORDERS] = [(429, headers, b"{}")]
    assert failure(scripted.connection(entity)).retry_after == timedelta(seconds=seconds)


def test_nobody_at_the_address_is_no_answer(seller):
    seller.endpoint = "http://127.0.0.1:9"
    error = failure(seller)
    assert type(error) is TransientError
    assert error.evidence.words == "Amazon could not be reached for searchOrders."


def test_a_connection_that_is_not_set_up_is_for_a_person(seller, settings):
    seller.account, seller.marketplaces = "", []
    assert failure(seller).evidence.words == "Brightfold UK has no seller id and no marketplaces. Enter them on its page."
    settings.CREDENTIAL_KEYS = ["0" * 43 + "="]
    assert "sealed with a key that is not there any more" in failure(seller).evidence.words
    Credential.objects.all().delete()
    error = failure(seller)
    assert type(error) is ConfigError and "has no credentials yet" in error.evidence.words


@pytest.mark.parametrize("mode", MODES)
def test_secrets_are_in_no_log_and_no_words(mode, sandbox, seller, caplog):
    with caplog.at_level(logging.DEBUG):
        sandbox.fault("searchOrders", mode)
        first = failure(seller)
        sandbox.clear()
        sandbox.fault("token", mode)
        sandbox.expire_tokens()
        second = failure(seller)
    told = f"{caplog.text} {first!r} {first} {second!r} {second} {connector_of(seller)!r}"
    assert "Atza|" not in told
    assert not any(secret in told for name, secret in sandbox.credentials.items() if name != "client_id")


def test_what_amazon_quotes_back_is_not_repeated(scripted, entity):
    secret = scripted.credentials["client_secret"]
    words = f"No {secret} Atza|made-up at https://example.com/?X-Amz-Signature=abc\nplease{'!' * 999}"
    scripted.says(ORDERS, (400, {"errors": [{"code": "InvalidInput", "message": words}]}))
    told = failure(scripted.connection(entity)).evidence.words
    assert told.startswith("Amazon did not accept searchOrders as we asked for it (400 InvalidInput: No … … at … please!")
    assert len(told) < 500
