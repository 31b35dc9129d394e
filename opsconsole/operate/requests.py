"""Each request has an id, is counted and timed by the view that answered, and is a line of the log once it has ended."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string
from prometheus_client import Histogram

from apps.api import errors
from apps.core import tracing

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECRET = "/login/link/"  # whoever knows what follows can be the person
LATENCY = Histogram(
    "opsconsole_http_seconds",
    "Time until the answer began, by the view's name and the class of the status",
    ["view", "status"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

log = logging.getLogger(__name__)


class Requests:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = perf_counter()
        request_id = _given(request) or uuid4().hex
        with tracing.within(request_id=request_id):
            response = self.get_response(request)
            taken = perf_counter() - began
            view = request.resolver_match.view_name if request.resolver_match else "none"
            LATENCY.labels(view, f"{response.status_code // 100}xx").observe(taken)
            facts = {"method": request.method, "view": view, "status": response.status_code, "ms": round(taken * 1000)}
            log.info("%s %s", request.method, told(request.path), extra=facts)
        response[HEADER] = request_id
        return response


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. Asks the database nothing: it may be what is away."""
    if request.path.startswith(errors.PREFIX):
        return errors.server_error(request)
    return HttpResponseServerError(render_to_string("500.html", tracing.ids()))


def told(path: str) -> str:
    """The address, but only its beginning where the rest is a secret, also of one that is no address yet: without its last
    slash, or not by HTTPS.
    """
    return f"{SECRET}…" if path.startswith(SECRET) else path


def _given(request: HttpRequest) -> str:
    """The id that the proxy in front has given the request; one that is ill formed does not get into the log."""
    given = request.headers.get(HEADER, "")
    return given if WELL_FORMED.fullmatch(given) else ""
