"""How often one person, with all their programs, or one platform may ask in a minute."""

import logging
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView

log = logging.getLogger(__name__)

MINUTE = 60


class PerPerson(BaseThrottle):
    """settings.API_PER_MINUTE, reads and writes apart. Without the broker nobody counts, and nobody is turned away."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        kind = "read" if request.method in SAFE_METHODS else "write"
        minute, self.seconds = divmod(int(time.time()), MINUTE)
        key = f"api:{kind}:{self.who(request)}:{minute}"
        try:
            cache.add(key, 0, timeout=2 * MINUTE)
            return cache.incr(key) <= settings.API_PER_MINUTE[kind]
        except RedisError as error:
            log.warning("The API's requests are not counted: %s", error)
            return True

    def who(self, request: Request) -> str:
        return str(request.user.pk)

    def wait(self) -> int:
        return MINUTE - self.seconds


class PerPlatform(PerPerson):
    """The same for each platform."""

    def who(self, request: Request) -> str:
        return f"platform-{request.auth.pk}"
