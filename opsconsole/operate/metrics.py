"""/metrics: what Prometheus reads. Who asks needs METRICS_TOKEN; without one it answers to this machine alone, and only while
no proxy can stand in front of it: through one that says nothing of whom it asks for, everybody would be this machine.

Times of requests are counted by each web process in files that the answering one adds up (gunicorn.conf.py). All else is read
from the database and the broker when asked, so it is right whichever process answers, and no process has to keep it.
"""

import os
from collections.abc import Iterable, Iterator
from hmac import compare_digest
from ipaddress import ip_address

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from apps.integrations.jobs import QUEUES
from opsconsole.operate import heartbeats

UNAUTHORISED, FORBIDDEN = 401, 403
# Metric -> (what it is, labels, SQL for the labels and the figure)
FIGURES = {
    "opsconsole_jobs": (
        "Background jobs by kind and state",
        ("kind", "state"),
        "SELECT kind, state, count(*) FROM integrations_job GROUP BY kind, state",
    ),
    "opsconsole_job_oldest_waiting_seconds": (
        "How long the oldest job of the kind has been due and waits for a worker",
        ("kind",),
        """
        SELECT kind, extract(epoch FROM now() - min(not_before)) FROM integrations_job
        WHERE state = 'waiting' AND not_before <= now() GROUP BY kind
        """,
    ),
    "opsconsole_cases_open": (
        "Exceptions that have not ended, by team and type",
        ("team", "type"),
        "SELECT team, type, sum(cases) FROM exceptions_tally GROUP BY team, type",
    ),
    "opsconsole_feed_unproven_seconds": (
        "Time since the feed last proved that it brings everything, or since it is watched; paused ones are left out",
        ("source", "feed"),
        """
        SELECT id::text, feed, extract(epoch FROM now() - coalesce(proven_at, watched_from))
        FROM integrations_source WHERE NOT paused
        """,
    ),
    "opsconsole_commands_waiting": (
        "What is to leave and has not been sent",
        ("target", "kind"),
        "SELECT target, kind, count(*) FROM integrations_command WHERE state = 'waiting' GROUP BY target, kind",
    ),
    "opsconsole_command_oldest_waiting_seconds": (
        "Age of the oldest that has not been sent",
        ("target", "kind"),
        """
        SELECT target, kind, extract(epoch FROM now() - min(created_at)) FROM integrations_command
        WHERE state = 'waiting' GROUP BY target, kind
        """,
    ),
}


def answer(request: HttpRequest) -> HttpResponse:
    if refusal := _refusal(request):
        return refusal
    registry = CollectorRegistry()
    registry.register(_State())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:  # one process has all of it
        registry.register(REGISTRY)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _State:
    def collect(self) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            for name, (words, labels, sql) in FIGURES.items():
                cursor.execute(sql)
                yield _gauge(name, words, labels, ((row[:-1], float(row[-1])) for row in cursor.fetchall()))
        with heartbeats.broker().pipeline(transaction=False) as pipe:
            for queue in QUEUES:
                pipe.llen(queue)
            lengths = zip(QUEUES, pipe.execute(), strict=True)
        words = "Messages that no worker has taken yet"
        yield _gauge("opsconsole_queue_messages", words, ("queue",), (((queue,), length) for queue, length in lengths))
        ages = heartbeats.ages([*QUEUES, heartbeats.BEAT])
        words = "Time since a worker on the queue, or beat, was last alive; a part that was never heard of is left out"
        heard = (((part,), age) for part, age in ages.items() if age is not None)
        yield _gauge("opsconsole_heartbeat_age_seconds", words, ("part",), heard)


def _gauge(name: str, words: str, labels: Iterable[str], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    metric = GaugeMetricFamily(name, words, labels=list(labels))
    for values, figure in rows:
        metric.add_metric(list(values), figure)
    return metric


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
            return None
        words = "Send the METRICS_TOKEN of this installation as a bearer token.\n"
        return HttpResponse(words, "text/plain", UNAUTHORISED, headers={"WWW-Authenticate": "Bearer"})
    alone = not (settings.PUBLIC or settings.PROXIES or _came_by_proxy(request))
    if alone and ip_address(request.META["REMOTE_ADDR"] or "::").is_loopback:
        return None
    words = "Set METRICS_TOKEN and send it. Without one only this machine may ask, and only where no proxy stands in front.\n"
    return HttpResponse(words, "text/plain", FORBIDDEN)


def _came_by_proxy(request: HttpRequest) -> bool:
    """A proxy on this machine asks for others, and says so."""
    return any(name.lower().startswith(("forwarded", "x-forwarded-", "x-real-ip", "via")) for name in request.headers)
