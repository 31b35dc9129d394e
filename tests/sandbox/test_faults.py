"""Each switch: what a client meets, how long, and what the log says of it."""

import json

import httpx
import pytest

from tests.sandbox.asking import DOCUMENTS, GB, LONG_AGO, ORDERS, REPORTS, SETTLEMENT, STOCK, token

STOCK_QUERY = {"granularityType": "Marketplace", "granularityId": GB, "marketplaceIds": GB, "details": "true"}


@pytest.mark.parametrize(
    ("mode", "status", "content_type", "body"),
    [
        ("429", 429, "application/json", "QuotaExceeded"),
        ("503-html", 503, "text/html", "<h1>Service Unavailable</h1>"),
        ("502-empty", 502, "text/plain", ""),
        ("revoked", 403, "application/json", "revoked the authorization"),
        ("role-missing", 403, "application/json", "has no role"),
    ],
)
def test_a_refusal_looks_as_amazons(ask, sandbox, mode, status, content_type, body):
    sandbox.fault("searchOrders", mode)
    answer = ask(ORDERS, createdAfter=LONG_AGO)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, content_type)
    assert body in answer.text if body else answer.content == b""
    assert answer.headers["x-amzn-RequestId"]
    assert [(line["status"], line["mode"]) for line in sandbox.log("searchOrders")] == [(status, mode)]
    assert ask(STOCK, **STOCK_QUERY).status_code == 200  # the others go on
    sandbox.clear()
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 200


def test_a_fault_can_be_for_so_many_times_and_for_everything(ask, sandbox):
    sandbox.fault("*", "503-html", times=2)
    statuses = [
        ask(ORDERS, createdAfter=LONG_AGO).status_code,
        token(sandbox).status_code,
        ask(STOCK, **STOCK_QUERY).status_code,
    ]
    assert statuses == [503, 503, 200]


def test_faults_come_one_after_the_other(ask, sandbox):
    sandbox.fault("searchOrders", "429", times=1)
    sandbox.fault("searchOrders", "502-empty", times=1)
    assert [ask(ORDERS, createdAfter=LONG_AGO).status_code for _ in range(3)] == [429, 502, 200]


def test_a_fault_can_come_after_so_many_good_calls(ask, sandbox):
    sandbox.fault("searchOrders", "429", times=1, after=2)
    assert ask(STOCK, **STOCK_QUERY).status_code == 200  # not one of them
    assert [ask(ORDERS, createdAfter=LONG_AGO).status_code for _ in range(4)] == [200, 200, 429, 200]


def test_revoked_consent_is_no_token_either(ask, sandbox):
    sandbox.fault("*", "revoked")
    answer = token(sandbox)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert ask(ORDERS, createdAfter=LONG_AGO).json()["errors"][0]["code"] == "Unauthorized"


def test_a_timeout_answers_nothing(ask, sandbox):
    sandbox.fault("searchOrders", "timeout", times=1)
    with pytest.raises(httpx.ReadTimeout):
        ask.client.get(ORDERS, params={"createdAfter": LONG_AGO}, timeout=0.3)
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 200
    assert [(line["status"], line["mode"]) for line in sandbox.log("searchOrders")] == [(0, "timeout"), (200, "")]


def test_a_reset_breaks_the_connection(ask, sandbox):
    sandbox.fault("searchOrders", "reset", times=1)
    with pytest.raises(httpx.NetworkError):
        ask(ORDERS, createdAfter=LONG_AGO)
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 200


def test_garbage_comes_with_a_good_status_and_is_no_json(ask, sandbox):
    sandbox.fault("searchOrders", "garbage-200")
    answer = ask(ORDERS, createdAfter=LONG_AGO)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("operation", "path", "query", "key"),
    [
        ("searchOrders", ORDERS, {"createdAfter": LONG_AGO}, "orders"),
        ("getInventorySummaries", STOCK, STOCK_QUERY, "payload"),
        ("getReports", REPORTS, {"reportTypes": SETTLEMENT}, "reports"),
        ("getMarketplaceParticipations", "/sellers/v1/marketplaceParticipations", {}, "payload"),
    ],
)
def test_a_good_status_may_lack_the_key_that_matters(ask, sandbox, operation, path, query, key):
    assert key in ask(path, **query).json()
    sandbox.fault(operation, "missing-key")
    answer = ask(path, **query)
    assert (answer.status_code, key in answer.json()) == (200, False)


def test_a_document_fails_by_itself(ask, sandbox):
    document = f"{DOCUMENTS}/{ask.reports()[0]['reportDocumentId']}"
    sandbox.fault("document", "503-html", times=1)
    sandbox.fault("document", "garbage-200", times=1)
    url = ask.good(document)["url"]
    whole = [httpx.get(url) for _ in range(3)]
    assert [answer.status_code for answer in whole] == [503, 200, 200]
    assert len(whole[1].content) < len(whole[2].content)


def test_a_refused_request_is_refused_under_a_fault_that_spoils_good_answers(ask, sandbox):
    sandbox.fault("*", "missing-key")
    assert ask(ORDERS).status_code == 400
    assert token(sandbox, client_secret="wrong").status_code == 401
    assert (token(sandbox).status_code, "access_token" in token(sandbox).json()) == (200, False)


def test_reset_takes_everything_back(ask, sandbox):
    sandbox.fault("*", "503-html")
    sandbox.advance(3600)
    sandbox.limits(True)
    sandbox.reset()
    assert (sandbox.log(), sandbox.world()["now"]) == ([], sandbox.world()["start"])
    assert token(sandbox).status_code == 200
    assert ask(ORDERS, createdAfter=LONG_AGO).status_code == 403  # its token is of before
