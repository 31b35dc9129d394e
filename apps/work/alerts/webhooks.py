"""Posting to a webhook: to public addresses alone, looked at where the connection is made; no redirects."""

import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore
import msgspec
from django.conf import settings

from apps.core.errors import Refused
from apps.integrations.pauses import asked_pause

CONNECT = 5.0  # seconds
ANSWER = 10.0
LONGEST_ANSWER = 2000  # bytes read of what it says
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: its last 32 bits are the IPv4 address that it leads to
UNICAST = ip_network("2000::/3")  # what IANA has given out of IPv6


class NotPublic(Exception):
    """The name leads to an address of ours, or of nobody."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`retry_after` is how long it asks to wait, where it does."""

    status: int
    words: str
    retry_after: timedelta | None = None


class _Within(httpcore.NetworkStream):
    """A stream that ends at an instant, however slowly the other side trickles."""

    def __init__(self, stream: httpcore.NetworkStream, until: float):
        self.stream, self.until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self._left())

    def close(self) -> None:
        self.stream.close()

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Within(self.stream.start_tls(*args, **options), self.until)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)

    def _left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class _PublicOnly(httpcore.SyncBackend):
    """Resolves the name itself and connects to the address that it looked at, so that no second answer comes between."""

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        addresses = list(dict.fromkeys(address[0] for *_, address in found))
        if not all(_may_reach(address) for address in addresses):
            raise NotPublic(host)
        stream = super().connect_tcp(addresses[0], port, timeout=timeout, **options)
        return _Within(stream, time.monotonic() + ANSWER)


def check_url(url: str) -> None:
    """Refuse, in words, what can be no webhook. Where the name leads is looked at when it is called."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")  # as a look-up of the name does
    except ValueError:
        host = ""
    if not host or len(url) > 2000 or not url.isascii() or any(char.isspace() for char in url):
        raise Refused("This is no web address. Copy it from the system that it leads to: https://…", field="address")
    local = settings.WEBHOOKS_TO_PRIVATE and parts.scheme == "http"
    if parts.scheme != "https" and not local:
        raise Refused("A webhook's address begins with https://, so that nobody reads along.", field="address")
    if parts.username or parts.password:
        raise Refused("A webhook's address has no user name in it.", field="address")
    if (host == "localhost" and not settings.WEBHOOKS_TO_PRIVATE) or not _literal_may_be_reached(host):
        raise Refused("This address lies inside a private network, which we do not call.", field="address")


def post(url: str, content: Any, key: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Post JSON and give back the answer. Raises httpcore's errors, NotPublic. `key` is the message's own."""
    usual = {"content-type": "application/json", "user-agent": "opsconsole", "idempotency-key": key}
    with httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=_PublicOnly()) as pool:
        request = {
            "headers": usual | dict(headers or {}),
            "content": msgspec.json.encode(content),
            "extensions": {"timeout": {"connect": CONNECT, "pool": CONNECT}},
        }
        with pool.stream("POST", url, **request) as response:
            said = _beginning(response.iter_stream()).decode(errors="replace")
            words = " ".join("".join(char if char.isprintable() else " " for char in said).split())[:200]
            return Answer(status=response.status, words=words, retry_after=_pause(response.headers))


def _beginning(chunks: Iterable[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) >= LONGEST_ANSWER:
            break
    return body[:LONGEST_ANSWER]


def _pause(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    asked = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return asked_pause(asked.decode("latin-1"))


def _may_reach(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        translated = IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else None
        found = found.ipv4_mapped or found.sixtofour or translated or found
    public = found.is_global and not found.is_multicast and (found.version == 4 or found in UNICAST)
    return settings.WEBHOOKS_TO_PRIVATE or public


def _literal_may_be_reached(host: str) -> bool:
    try:
        return _may_reach(host)
    except ValueError:  # a name
        return True
