"""Where a request comes from, and with what: an address that cannot be made up, and a device in words."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest

BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("CrOS", "a Chromebook"),
    ("Linux", "Linux"),
)


def client_ip(request: HttpRequest) -> str | None:
    """The address of who asks, as the outermost of our own proxies saw it. What stands further left anybody can write."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    proxies = settings.PROXIES
    seen = hops[-proxies] if 0 < proxies <= len(hops) else ""
    return _address(seen) or _address(request.META.get("REMOTE_ADDR", ""))


def agent(request: HttpRequest) -> str:
    return request.META.get("HTTP_USER_AGENT", "")[:255]


def device(agent: str) -> str:
    """Firefox on Windows; a program that is no browser is called by its own name."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if not browser:
        return agent.split("/")[0][:40] or "Unknown device"
    return f"{browser} on {system}" if system else browser


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
