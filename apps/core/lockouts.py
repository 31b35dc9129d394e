"""Too many wrong passwords: django-axes counts them for each e-mail and address; these are our words to it."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from apps.core.models import User
from apps.core.visits import client_ip

IPV6_NETWORK = 64  # bits


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Wrong passwords for one person from one address. `locked_until` None: signing in is open there."""

    ip: str | None
    agent: str
    count: int
    last_at: datetime
    locked_until: datetime | None


def username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """How axes knows the person: without regard to capitals, as signing in does."""
    return str((credentials or {}).get("username") or "").casefold()


def address(request: HttpRequest) -> str | None:
    """How axes knows where it came from. Of IPv6 the first half: one line has all addresses of the second, and would have
    its tries from each of them.
    """
    if (found := client_ip(request)) is None:
        return None
    ip = ip_address(found)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return str(ip_network((ip, IPV6_NETWORK), strict=False).network_address)
    return found


def locked_until(email: str, ip: str | None) -> datetime:
    """When signing in with this e-mail from this address is open again."""
    attempts = AccessAttempt.objects.filter(username=email.casefold(), ip_address=ip)
    last = attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    return (last or timezone.now()) + settings.AXES_COOLOFF_TIME


def attempts_of(person: User, now: datetime) -> list[Attempts]:
    """Of the last quarter of an hour, by address, the newest first."""
    rows = AccessAttempt.objects.filter(
        username=person.email.casefold(), attempt_time__gt=now - settings.AXES_COOLOFF_TIME
    )
    by_address: dict[str | None, list[AccessAttempt]] = {}
    for row in rows.order_by("-attempt_time"):
        by_address.setdefault(row.ip_address, []).append(row)
    return [_attempts(ip, found) for ip, found in by_address.items()]


def closed_until(person: User, now: datetime) -> datetime | None:
    """When the last of the locks on the person ends; None while there is none."""
    return max((each.locked_until for each in attempts_of(person, now) if each.locked_until), default=None)


def forget(person: User) -> None:
    """Sign-in is open again from everywhere."""
    AccessAttempt.objects.filter(username=person.email.casefold()).delete()


def _attempts(ip: str | None, rows: list[AccessAttempt]) -> Attempts:
    count, newest = sum(row.failures_since_start for row in rows), rows[0]
    return Attempts(
        ip=ip,
        agent=newest.user_agent,
        count=count,
        last_at=newest.attempt_time,
        locked_until=newest.attempt_time + settings.AXES_COOLOFF_TIME if count >= settings.AXES_FAILURE_LIMIT else None,
    )
