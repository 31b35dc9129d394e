"""How we speak with Amazon: from an account's own credentials alone, through one client per account and process."""

import gc
import json
import logging
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
import redis
from django.conf import settings
from sp_api.base import Client

from apps.integrations.connectors import connector_of
from apps.integrations.connectors.amazon import PULLS, allowance, clients
from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.contract import ConfigError, NotYet
from apps.integrations.credentials import seal
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db
ORDERS = "/orders/2026-01-01/orders"
TOKEN = "/auth/o2/token"


def session_of(connection) -> clients.Session:
    return connector_of(connection)._session()


def pull(connection, feed: str = "amazon.orders"):
    return list(connector_of(connection).pull(feed, {}))


def test_the_library_still_has_what_we_put_ours_in_place_of():
    """Private names: a version of python-amazon-sp-api that drops one would read Amazon's answers by itself again."""
    for name in ("_request", "_check_response", "headers"):
        assert name in vars(Client), f"{name} of sp_api.base.Client is gone: see _Strict"
    for client, method in clients.METHODS.values():
        assert callable(getattr(client, method))


def test_the_host_header_is_amazons(scripted, entity):
    scripted.says(ORDERS, {"orders": []})
    pull(scripted.connection(entity))
    assert {headers["Host"] for _, _, headers in scripted.asked} == {scripted.url.removeprefix("http://")}


def test_the_environment_changes_nothing(scripted, entity, monkeypatch):
    scripted.says(ORDERS, {"orders": []})
    monkeypatch.setenv("SP_API_DEFAULT_MARKETPLACE", "DE")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert pull(scripted.connection(entity))
    assert scripted.asked_for(ORDERS)


def test_incomplete_credentials_are_not_made_whole_from_the_environment(scripted, entity, monkeypatch):
    for name in ("SP_API_REFRESH_TOKEN", "LWA_APP_ID", "LWA_CLIENT_SECRET"):
        monkeypatch.setenv(name, "of another account")
    connection = scripted.connection(entity)
    seal(connection, {"client_id": "made-up-app"}, None)
    with pytest.raises(ConfigError, match="has no refresh token and no client secret"):
        pull(connection)
    assert not scripted.asked


def test_one_client_serves_an_account_and_a_token_lasts(sandbox, seller):
    assert session_of(seller) is session_of(seller)
    pull(seller)
    pull(seller, "amazon.fba-inventory")
    assert len(sandbox.log("token")) == 1


def test_a_token_that_lives_shortly_is_not_used_to_its_end(scripted, entity):
    scripted.says(TOKEN, {"access_token": "Atza|short", "expires_in": 30})
    scripted.says(ORDERS, {"orders": []})
    connection = scripted.connection(entity)
    pull(connection)
    pull(connection)
    assert len(scripted.asked_for(TOKEN)) == 2


def test_accounts_with_the_same_consent_do_not_share_a_token(scripted, entity):
    """The library keeps tokens by the refresh token alone: another application would get the first one's."""
    scripted.says(ORDERS, {"orders": []})
    first, second = scripted.connection(entity), scripted.connection(entity)
    seal(second, {**scripted.credentials, "client_id": "another-app"}, None)
    pull(first)
    pull(second)
    assert len(scripted.asked_for(TOKEN)) == 2


def test_new_credentials_are_used_at_once(sandbox, seller):
    before = session_of(seller)
    seal(seller, {**sandbox.credentials, "refresh_token": f"{sandbox.refresh_token}-new"}, None)
    assert session_of(seller) is not before
    pull(seller)


def test_another_process_has_a_client_of_its_own(seller, monkeypatch):
    before = session_of(seller)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert session_of(seller) is not before


def test_clients_are_few_and_close_when_nobody_holds_them(sandbox, entity, seller):
    connections = [
        ConnectionFactory(
            entity=entity,
            kind=seller.kind,
            account=seller.account,
            endpoint=seller.endpoint,
            token_url=seller.token_url,
            marketplaces=seller.marketplaces,
        )
        for _ in range(clients.SESSIONS_KEPT - 1)
    ]
    for connection in connections:
        seal(connection, sandbox.credentials, None)
    dropped, held = session_of(seller).http, session_of(connections[0])
    for connection in connections[1:]:
        session_of(connection)
    assert not dropped.is_closed
    seal(connections[0], {**sandbox.credentials, "client_id": "another"}, None)
    session_of(connections[0])
    gc.collect()
    assert dropped.is_closed and not held.http.is_closed


def test_a_client_never_leaves_its_process(seller):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(session_of(seller))


def test_threads_share_a_client_and_one_token(sandbox, seller):
    session = session_of(seller)
    begin = threading.Barrier(8)

    def ask(place: int) -> int:
        begin.wait()
        if place % 2:
            answer = session.ask(clients.SEARCH_ORDERS, lastUpdatedAfter="2026-01-01T00:00:00Z", maxResultsPerPage=10)
            return len(answer.body["orders"])
        answer = session.ask(clients.GET_REPORTS, reportTypes="GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2")
        return len(answer.body["reports"])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert len(sandbox.log("token")) == 1
    assert {line["status"] for line in sandbox.log()} == {200}


def test_every_call_may_only_take_so_long(seller):
    timeout = session_of(seller).http.timeout
    assert timeout == clients.TIMEOUT
    assert None not in (timeout.connect, timeout.read, timeout.write, timeout.pool)
    assert timeout != httpx.Timeout(5)


def test_workers_together_keep_to_the_rates_of_the_plans(sandbox, seller):
    """The sandbox refuses what comes faster than Amazon's published plans allow."""
    sandbox.limits(True)
    session = session_of(seller)
    with ThreadPoolExecutor(3) as pool:
        scans = [pool.submit(list, PULLS[feed](session, seller, {})) for feed in ("amazon.fba-inventory", "amazon.listings") * 2]
    assert all(scan.result()[-1].asked_at for scan in scans)
    assert {line["status"] for line in sandbox.log()} == {200}


@pytest.fixture
def bucket() -> Callable[..., float]:
    """`bucket(rate=0.01)`: the seconds until the turn of the next call of an account of this test."""
    account, patience = f"test {uuid4()}", timedelta(days=1)

    def take(name: str = "slow", patience: timedelta = patience) -> float:
        operation = Operation(name=name, rate=0.01, burst=3, holds=())
        return allowance.take(account, operation, patience).total_seconds()

    take.account = account
    return take


def test_the_calls_of_a_burst_are_free_and_each_later_one_has_its_place(bucket):
    """Steps of 100 s, which no slow machine uses up. One of the three at once is spared."""
    first, second, third, fourth = (bucket() for _ in range(4))
    assert first == second == 0 < third <= 100 < fourth <= 200
    assert bucket("another") == 0


def test_a_place_that_nobody_waits_for_is_not_taken(bucket):
    bucket(), bucket()
    waits = [bucket(patience=timedelta(seconds=5)) for _ in range(3)]
    assert all(90 < wait <= 100 for wait in waits)


def test_the_accounts_own_rate_counts_from_then_on_and_what_was_used_stays_used(bucket):
    bucket(), bucket(), bucket()
    slow = Operation(name="slow", rate=0.01, burst=3, holds=())
    (before,) = allowance.left([(bucket.account, slow)])
    assert (before.operation, before.left, before.rate) == ("slow", 0, 0.01)
    allowance.keep_rate(bucket.account, slow, 0.1)
    assert 10 < bucket() <= 20
    (after,) = allowance.left([(bucket.account, slow)])
    assert after.rate == 0.1


def test_a_clock_that_is_put_back_makes_no_debt_of_days(bucket):
    slow = Operation(name="slow", rate=0.01, burst=3, holds=())
    bucket(), bucket()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    kept(bucket.account, slow, at=tomorrow.timestamp(), tokens=2)
    (seen,) = allowance.left([(bucket.account, slow)])
    assert seen.left == 1
    kept(bucket.account, slow, tokens=0)
    assert 90 < bucket(patience=timedelta(seconds=5)) <= 100
    kept(bucket.account, slow, at=tomorrow.timestamp(), tokens=0.9)
    bucket(patience=timedelta(seconds=5))
    assert float(kept(bucket.account, slow)[b"at"]) <= datetime.now(UTC).timestamp()  # from then on it fills again


def test_places_taken_at_a_fast_rate_are_not_paid_at_a_slow_one(bucket):
    fast, patience = Operation(name="fast", rate=5, burst=3, holds=()), timedelta(seconds=5)
    while allowance.take(bucket.account, fast, patience) <= patience:
        pass
    allowance.keep_rate(bucket.account, fast, 0.01)
    assert 90 < allowance.take(bucket.account, fast, patience).total_seconds() <= 105


def kept(account: str, operation: Operation, **changed: float) -> dict[bytes, bytes]:
    """What Redis holds of a bucket, after these changes."""
    broker, key = redis.Redis.from_url(settings.REDIS_URL), f"amazon-allowance:{account}:{operation.name}"
    if changed:
        broker.hset(key, mapping=changed)
    return broker.hgetall(key)


@pytest.fixture
def asked(scripted, entity) -> Callable[[float], str]:
    """`asked(rate)`: have Amazon name this rate in its answer to one getReports of ours; the account's bucket."""
    connection = scripted.connection(entity)

    def ask(rate: float) -> str:
        answer = (200, {"x-amzn-ratelimit-limit": str(rate)}, json.dumps({"reports": []}).encode())
        scripted.answers["/reports/2021-06-30/reports"] = [answer]
        session_of(connection).ask(clients.GET_REPORTS, reportTypes="any")
        return f"{connection.pk}@{connection.endpoint}"

    return ask


@pytest.fixture
def broker_away(monkeypatch) -> Iterator[Callable[[], None]]:
    """`broker_away()`: from now on nothing answers where our count of the calls is kept."""

    def forget() -> None:
        allowance._redis.cache_clear()
        allowance._script.cache_clear()

    def go() -> None:
        monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        forget()

    yield go
    forget()


def test_the_accounts_own_rate_outlives_what_was_kept_of_it(asked):
    """As after the broker began anew: the process that knows the rate still asks by it."""
    bucket = asked(0.1)
    redis.Redis.from_url(settings.REDIS_URL).delete(f"amazon-allowance:{bucket}:getReports")
    with pytest.raises(NotYet) as raised:
        for _ in range(clients.GET_REPORTS.burst + 1):
            asked(0.1)
    assert timedelta(seconds=5) < raised.value.after <= timedelta(seconds=10)


def test_a_rate_that_amazon_takes_back_to_its_plan_does_not_stick(asked):
    plan = clients.GET_REPORTS
    bucket = asked(plan.rate)
    allowance.keep_rate(bucket, plan, 3)  # an earlier worker's
    clients._session.cache_clear()
    asked(plan.rate)
    (allowed,) = allowance.left([(bucket, plan)])
    assert allowed.rate == plan.rate


def test_with_the_broker_away_no_call_is_made_until_they_can_be_counted(asked, broker_away, scripted):
    broker_away()
    with pytest.raises(NotYet, match="how many calls of getReports are left cannot be read just now") as raised:
        asked(0.1)
    assert raised.value.after == timedelta(seconds=30)
    assert not scripted.asked_for("/reports/2021-06-30/reports")


def test_an_answer_counts_also_where_its_rate_cannot_be_kept(asked, broker_away, caplog):
    asked(1000)
    broker_away()
    with caplog.at_level(logging.WARNING):
        asked(0.1)
    assert "Amazon's rate of getReports is not kept" in caplog.text
    with pytest.raises(NotYet):  # the old rate, by which nothing needs a count, holds no more
        asked(0.1)
