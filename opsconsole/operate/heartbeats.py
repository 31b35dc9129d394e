"""Who is alive: each worker and the clock leave a mark in the broker every few seconds, and anybody can read its age.

A worker's mark is left by the loop that fetches its messages, for each queue that it serves; a worker amid a long job lives.
Ages come from the mark's own expiry, so they are by one clock, the broker's.
"""

import logging
from collections.abc import Iterable
from functools import cache

import redis
from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler

BEAT = "beat"
KEPT = 86_400  # seconds; so that a silent part can be said to be silent since when
ALIVE = 30.0  # seconds; a worker leaves its mark every 2, the clock at most every 5

log = logging.getLogger(__name__)


def leave(parts: Iterable[str]) -> None:
    """Mark that these parts live now. A part is the name of a queue that has a worker, or BEAT."""
    with broker().pipeline(transaction=False) as pipe:
        for part in parts:
            pipe.set(_key(part), 1, ex=KEPT)
        pipe.execute()


def ages(parts: Iterable[str]) -> dict[str, float | None]:
    """{part: seconds since its last mark}; None where there is none of the last day."""
    parts = list(parts)
    with broker().pipeline(transaction=False) as pipe:
        for part in parts:
            pipe.pttl(_key(part))
        left = pipe.execute()
    return {part: KEPT - ms / 1000 if ms >= 0 else None for part, ms in zip(parts, left, strict=True)}


def broker() -> redis.Redis:
    return _client(settings.REDIS_URL)


class Clock(DatabaseScheduler):
    """Beat's scheduler, which leaves its mark with each tick. People change when feeds are pulled, so it is the database's."""

    def tick(self, *args, **kwargs) -> float:
        try:
            leave([BEAT])
        except redis.RedisError:
            log.warning("The clock could not leave its mark: the broker does not answer")
        return super().tick(*args, **kwargs)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def _key(part: str) -> str:
    return f"opsconsole:alive:{part}"
