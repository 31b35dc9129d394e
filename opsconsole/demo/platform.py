"""The demo's integration platform: what failed in it last night, and a stand-in that takes retries and reports back."""

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Entity, User
from apps.integrations.credentials import open_sealed
from apps.platforms import operations
from apps.platforms.intake import Report, take
from apps.platforms.models import Platform

NAME = "Flowbridge"
MISSING = "Item '{}' not found in company 12. Create it, or map it to another."
SKUS = ("BF-CANDLE-3", "BF-OAKTRAY-L", "BF-CANDLE-3", "BF-LINEN-NAP", "BF-OAKTRAY-L", "BF-CANDLE-3", "BF-LINEN-NAP")
AWAY = "Gateway timeout after 30 s, request {}"


def connect_platform(entity: Entity, *, ian: User) -> None:
    """Where a stand-in is to be had: `make run` starts one."""
    if not settings.SANDBOX_URL or Platform.objects.filter(connection__entity=entity).exists():
        return
    platform, key = operations.connect(entity=entity, name=NAME, address="", token="", actor=ian)
    operations.change_address(platform=platform, address=_hook(key), token="", actor=ian)
    take(platform=platform, reports=_last_night(timezone.now().replace(microsecond=0)))


def move(*, ian: User) -> None:
    """The stand-in listens where this start put it, and so do we. Its key is not known any more, so it gets a new one."""
    platform = Platform.objects.filter(connection__name=NAME).select_related("connection__entity").first()
    if platform and settings.SANDBOX_URL and not open_sealed(platform.connection)["address"].startswith(_hook("")):
        key = operations.change_key(platform=platform, actor=ian, reason="The demo moved")
        operations.change_address(platform=platform, address=_hook(key), token="", actor=ian, reason="The demo moved")


def _hook(key: str) -> str:
    asked = urlencode({"report": f"{settings.CONSOLE_URL}{reverse('api-intake')}", "key": key})
    return f"{settings.SANDBOX_URL}/platform/retry?{asked}"


def _last_night(now: datetime) -> list[Report]:
    night, morning = now - timedelta(hours=7), now - timedelta(hours=3)
    refused = [
        _failed(8840 + place, night - timedelta(minutes=place), "orders → ERP", "ITEM_MISSING", MISSING.format(sku))
        for place, sku in enumerate(SKUS, start=1)
    ]
    away = [
        _failed(9010 + place, morning - timedelta(seconds=9 * place), "stock → shop", "504", AWAY.format(70310 + place))
        for place in range(1, 4)
    ]
    return refused + away


def _failed(number: int, at: datetime, flow: str, code: str, text: str) -> Report:
    of_order = flow.startswith("orders")
    return Report(
        id=f"fb-{number}",
        status="failed",
        at=at,
        flow=flow,
        about=f"order 203-{number}551-{number}207" if of_order else f"stock of {SKUS[number % len(SKUS)]}",
        code=code,
        text=text,
        link=f"https://flowbridge.example/runs/{number}",
        amount=Decimal(f"{number % 40 + 12}.90") if of_order else None,
        currency="GBP" if of_order else "",
    )
