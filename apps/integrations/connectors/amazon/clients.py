"""The one place that builds clients of python-amazon-sp-api and speaks through them.

The library (2.1.35) knows Amazon's paths and parameters, and that is what we take from it. Its reading of answers turns a
429, 502 or 503 without a list of errors into an empty success, its token cache gives one application's token to another,
its timeouts are fixed at 5 s here and there, and it adds parameters that nobody asked for (amazon-api.md section 1). So
the answers come back as they were, and `answers` judges them.
"""

import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from math import ceil
from types import SimpleNamespace
from typing import Any, Required, TypedDict
from urllib.parse import urlsplit

import httpx
import msgspec
import redis
from sp_api.api.inventories.inventories import Inventories
from sp_api.api.listings_items.listings_items_2021_08_01 import ListingsItemsV20210801
from sp_api.api.orders.orders_2026_01_01 import OrdersV20260101
from sp_api.api.reports.reports import Reports
from sp_api.auth import AccessTokenResponse
from sp_api.base._transport_httpx import HttpxTransport
from sp_api.base.credential_provider import FromCodeCredentialProvider

from apps.integrations.connectors.amazon import allowance, answers
from apps.integrations.connectors.amazon.answers import Answer, Operation
from apps.integrations.contract import ConfigError, NotYet, PermanentError

log = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(30, connect=10)
TOKEN_MARGIN = 60  # seconds: a token that ends during a call is no token
LONGEST_TOKEN_LIFE = 3600
SESSIONS_KEPT = 16
PATIENCE = timedelta(seconds=5)  # a call whose turn is further off is not waited for: its run is put off instead
UNCOUNTED = timedelta(seconds=30)  # until we look again whether the calls can be counted
UNLIMITED = 50  # calls per second: faster than any plan of Amazon's, so there is nothing to keep to


class OrdersAnswer(TypedDict, total=False):
    """A page of orders, each as it came: most of them are known already, which their bytes tell."""

    orders: Required[list[msgspec.Raw]]
    pagination: Any
    nextToken: Any
    lastUpdatedBefore: Any
    errors: Any


# The plans as published (amazon-api.md section 2), and the role that Amazon names for each.
GET_ACCESS_TOKEN = Operation(name="getAccessToken", rate=1, burst=1, holds=("access_token",), kind=str)
SEARCH_ORDERS = Operation(
    name="searchOrders",
    rate=0.0056,
    burst=20,
    holds=("orders",),
    role="Inventory and Order Tracking",
    shape=msgspec.json.Decoder(OrdersAnswer),
)
GET_INVENTORY_SUMMARIES = Operation(
    name="getInventorySummaries",
    rate=2,
    burst=2,
    holds=("payload", "inventorySummaries"),
    role="Amazon Fulfillment",
)
GET_REPORTS = Operation(
    name="getReports", rate=0.0222, burst=10, holds=("reports",), role="Finance and Accounting"
)
GET_REPORT_DOCUMENT = Operation(
    name="getReportDocument", rate=0.0167, burst=15, holds=("url",), kind=str, role="Finance and Accounting"
)
SEARCH_LISTINGS_ITEMS = Operation(
    name="searchListingsItems", rate=5, burst=5, holds=("items",), role="Product Listing"
)


class _Strict:
    """A client of the library that asks as the models say and gives back the answer itself.

    It keeps nothing of a call that the next one reads, so threads may share it.
    """

    @property
    def headers(self) -> dict[str, str]:
        headers = super().headers
        del headers["host"]  # cut from the address as if that began with https://; httpx knows the host
        return headers

    def _request(self, path: str, **kwargs) -> httpx.Response:
        return super()._request(path, **{**kwargs, "add_marketplace": False})

    def _check_response(self, res: httpx.Response, *args, **kwargs) -> httpx.Response:
        return res


class _Orders(_Strict, OrdersV20260101):
    pass


class _Inventories(_Strict, Inventories):
    pass


class _Reports(_Strict, Reports):
    pass


class _Listings(_Strict, ListingsItemsV20210801):
    pass


METHODS = {
    SEARCH_ORDERS: (_Orders, "search_orders"),
    GET_INVENTORY_SUMMARIES: (_Inventories, "get_inventory_summary_marketplace"),
    GET_REPORTS: (_Reports, "get_reports"),
    GET_REPORT_DOCUMENT: (_Reports, "get_report_document"),
    SEARCH_LISTINGS_ITEMS: (_Listings, "search_listings_items"),
}


class Tokens:
    """One account's access token: fetched when it is needed, by one thread, and kept while it lives."""

    def __init__(self, http: httpx.Client, url: str, *, refresh_token: str, client_id: str, client_secret: str):
        self._http = http
        self._url = url
        self._grant = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def get_auth(self) -> AccessTokenResponse:
        """What the library asks for before each call. Raises a ConnectorError."""
        with self._lock:
            if not self._token or time.monotonic() >= self._until:
                body = self._fetched().body
                lives = body.get("expires_in")
                lives = min(lives, LONGEST_TOKEN_LIFE) if isinstance(lives, int) else LONGEST_TOKEN_LIFE
                self._token, self._until = body["access_token"], time.monotonic() + lives - TOKEN_MARGIN
            return AccessTokenResponse(access_token=self._token)

    def forget(self, token: str) -> None:
        """Amazon takes this one no more. Whoever got a newer one meanwhile keeps it."""
        with self._lock:
            if self._token == token:
                self._token = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no words may quote."""
        return tuple(
            secret for secret in (self._grant["refresh_token"], self._grant["client_secret"], self._token) if secret
        )

    def _fetched(self) -> Answer:
        name = GET_ACCESS_TOKEN.name
        try:
            response = self._http.post(self._url, data=self._grant)
        except httpx.RequestError as error:
            raise answers.no_answer(name, error) from None
        status = response.status_code
        if status in (408, 429) or status >= 500 or response.is_success:
            return answers.read(GET_ACCESS_TOKEN, response, self.secrets)
        if answers.said(response, self.secrets).code:
            words = "Amazon does not let us in any more. Connect the account again"
            raise ConfigError(answers.evidence(name, response, words, self.secrets))
        words = "Something that is not Amazon's sign-in answered at its address"
        raise PermanentError(answers.evidence(name, response, words, self.secrets))


class Session:
    """One account's way to Amazon: its clients, its access token and its connections. Stays in its process.

    Threads may share it. Its connections close when nobody holds it any more.
    """

    def __init__(
        self, *, name: str, endpoint: str, token_url: str, refresh_token: str, client_id: str, client_secret: str
    ):
        """`name` is the account's, among all workers."""
        endpoint = endpoint.rstrip("/")
        self._name = name
        self._rates: dict[Operation, float] = {}  # as this process last kept them for all
        # A proxy of the environment is for the way out, not for what answers on this machine.
        self.http = httpx.Client(verify=_certificates(), timeout=TIMEOUT, trust_env=not _is_loopback(endpoint))
        weakref.finalize(self, self.http.close)
        self._tokens = Tokens(
            self.http, token_url, refresh_token=refresh_token, client_id=client_id, client_secret=client_secret
        )
        app = {"refresh_token": refresh_token, "lwa_app_id": client_id, "lwa_client_secret": client_secret}
        self._clients = {
            client: _built(client, endpoint, self.http, self._tokens, app) for client, _ in METHODS.values()
        }

    @property
    def secrets(self) -> Collection[str]:
        return self._tokens.secrets

    def ask(self, operation: Operation, **parameters) -> Answer:
        """Amazon's answer, which holds what the operation promises. Raises a ConnectorError, or NotYet.

        An access token that Amazon takes no more is replaced once; nothing else is tried again here.
        """
        response = self._answer(operation, parameters)
        if _is_about_the_token(response, self.secrets):
            self._tokens.forget(response.request.headers["x-amz-access-token"])
            response = self._answer(operation, parameters)
        return answers.read(operation, response, self.secrets)

    def _answer(self, operation: Operation, parameters: dict[str, Any]) -> httpx.Response:
        client, method = METHODS[operation]
        self._wait_for_allowance(operation)
        try:
            response = getattr(self._clients[client], method)(**parameters)
        except httpx.RequestError as error:
            raise answers.no_answer(operation.name, error) from None
        if not isinstance(response, httpx.Response):  # a new version that no longer calls what _Strict overrides
            raise TypeError("python-amazon-sp-api judges answers by itself again; see _Strict")
        self._note_rate(operation, answers.named_rate(response.headers))
        return response

    def _wait_for_allowance(self, operation: Operation) -> None:
        """Keep to the plan: wait moments, or raise NotYet. What Amazon would refuse is not asked."""
        rate = self._rates.get(operation, operation.rate)
        if rate >= UNLIMITED:
            return
        try:
            wait = allowance.take(self._name, replace(operation, rate=rate), PATIENCE)
        except redis.RedisError as error:
            words = f"Our own pacing: how many calls of {operation.name} are left cannot be read just now, so none is made."
            raise NotYet(words, UNCOUNTED) from error
        if wait > PATIENCE:
            raise NotYet(f"Our own pacing: the next {operation.name} is due in {ceil(wait.total_seconds())} s.", wait)
        time.sleep(wait.total_seconds())

    def _note_rate(self, operation: Operation, named: float | None) -> None:
        """The first answer in this process is always kept: what others kept before may hold no more."""
        if not named or named == self._rates.get(operation):
            return
        try:
            allowance.keep_rate(self._name, operation, named)
        except redis.RedisError:
            log.warning("Amazon's rate of %s is not kept: the broker does not answer", operation.name, exc_info=True)
            self._rates.pop(operation, None)
        else:
            self._rates[operation] = named


@functools.lru_cache(maxsize=SESSIONS_KEPT)
def _session(process: int, **account: str) -> Session:
    return Session(**account)


def session(**account: str) -> Session:
    """This process's session for an account as it is now. Other credentials or addresses make another one."""
    return _session(os.getpid(), **account)


def _built(client: type, endpoint: str, http: httpx.Client, tokens: Tokens, app: dict[str, str]):
    """A client with everything said, so that nothing comes from the environment or a file of the library's."""
    built = client(
        marketplace=SimpleNamespace(endpoint=endpoint, marketplace_id="", region=""),
        credentials=app,
        credential_providers=(FromCodeCredentialProvider,),
        auth_token_client_class=lambda **_: tokens,
        verify=_certificates(),
        timeout=TIMEOUT,
    )
    built.endpoint = endpoint  # SP_API_DEFAULT_MARKETPLACE puts another in its place
    built._transport.close()
    built._transport = HttpxTransport(client=http)
    return built


@functools.cache
def _certificates():
    """Read once per process: it takes longer than all the rest of a client."""
    return httpx.create_ssl_context()


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_about_the_token(response: httpx.Response, secrets: Collection[str]) -> bool:
    """Amazon says 403 for a token that has ended as for a consent that has; only its words tell them apart."""
    return response.status_code in (401, 403) and "access token" in answers.said(response, secrets).words.lower()
