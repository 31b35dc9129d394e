"""Errors told to Sentry where SENTRY_DSN says so: what broke and where, never whose data it was.

Values of local variables, request bodies, headers, query strings and the lines that libraries wrote before stay here: any of
them may hold a credential or a buyer. The ids say which lines of our own log belong to a report.
"""

from urllib.parse import urlsplit

import sentry_sdk
from sentry_sdk.types import Event, Hint

from apps.core import tracing
from opsconsole.operate.logs import without_rows
from opsconsole.operate.requests import told

OFF = {"mode": "off"}
NOTHING = {
    "user_info": False,
    "cookies": OFF,
    "http_headers": {"request": OFF},
    "http_bodies": [],
    "url_query_params": OFF,
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}


def start(dsn: str) -> None:
    sentry_sdk.init(
        dsn,
        data_collection=NOTHING,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=reduced,
    )


def reduced(event: Event, hint: Hint) -> Event:
    """The event with our ids and without what may be personal or secret."""
    event["tags"] = {**event.get("tags", {}), **tracing.ids()}
    event.pop("extra", None)  # what libraries hang on a log record: Django's has the whole address
    event.pop("breadcrumbs", None)
    if request := event.pop("request", None):
        url = urlsplit(request.get("url", ""))
        event["request"] = {
            "method": request.get("method"),
            "url": url._replace(path=told(url.path), query="", fragment="").geturl(),
        }
    for error in event.get("exception", {}).get("values", []):
        error["value"] = without_rows(error.get("value") or "")
    return event
