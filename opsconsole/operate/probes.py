"""/healthz: this process answers. /readyz: all that the console needs is there. /metrics: figures for Prometheus.

A middleware, the first one: a probe needs no sign-in, opens no session, is not sent to HTTPS, and names the machine as it likes.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import redis
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.integrations.jobs import QUEUES
from opsconsole.operate import heartbeats, metrics

UNAVAILABLE = 503

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """Something that the console needs. `words` say how it is."""

    name: str
    well: bool
    words: str


class Probes:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """{"ready": bool, "parts": {name: {"well": bool, "words": …}}}; 503 where a part is not well."""
    parts = [_database(), *_broker()]
    ready = all(part.well for part in parts)
    said = {part.name: {"well": part.well, "words": part.words} for part in parts}
    return JsonResponse({"ready": ready, "parts": said}, status=200 if ready else UNAVAILABLE)


PROBES = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics.answer}


def _database() -> Part:
    try:
        lacking = _migrations() - MigrationRecorder(connection).applied_migrations().keys()
    except Error:
        log.warning("The database does not answer", exc_info=True)
        return Part("database", False, "Does not answer. The log says why.")
    if lacking:
        return Part("database", False, f"{len(lacking)} migrations are not applied. Run manage.py migrate.")
    return Part("database", True, "Answers, and all migrations are applied.")


def _broker() -> Iterator[Part]:
    try:
        ages = heartbeats.ages([*QUEUES, heartbeats.BEAT])
    except redis.RedisError:
        log.warning("The broker does not answer", exc_info=True)
        yield Part("broker", False, "Does not answer, so nobody knows which workers live. The log says why.")
        return
    yield Part("broker", True, "Answers.")
    for part, age in ages.items():
        name = "beat" if part == heartbeats.BEAT else f"worker on {part}"
        yield Part(name, age is not None and age < heartbeats.ALIVE, _heard(age))


def _heard(age: float | None) -> str:
    if age is None:
        return "Not heard of in the last day. Start it."
    if age < heartbeats.ALIVE:
        return "Alive."
    return f"Silent for {age / 60:.0f} minutes. Start it again." if age >= 120 else f"Silent for {age:.0f} seconds."


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """Those of this program: (app, name)."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)
