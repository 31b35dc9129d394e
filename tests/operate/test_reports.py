"""What Sentry is told of an error in a view and in a job: where it broke, and which lines of the log are about it."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
import sentry_sdk

from apps.integrations import jobs
from apps.integrations.leases import Progress
from apps.integrations.models import Job
from opsconsole.operate import reports
from opsconsole.operate.reports import reduced
from tests.factories import EntityFactory
from tests.operate.sentry import sentry

pytestmark = pytest.mark.django_db(transaction=True)

SECRET, BUYER = "s3cret-refresh-token", "ada.byron"


@pytest.fixture
def reported() -> Iterator[Callable[[], list[dict]]]:
    """Calling it gives the events that have come."""
    with sentry() as (dsn, events):
        reports.start(dsn)
        try:
            yield lambda: sentry_sdk.flush() or events
        finally:
            sentry_sdk.get_client().close()
            sentry_sdk.get_global_scope().set_client(None)


@pytest.mark.urls("tests.operate.urls")
def test_an_error_in_a_view_comes_with_the_request_s_id_and_nobody_s_data(reported, live_server):
    headers = {"X-Secret": SECRET, "Authorization": f"Bearer {SECRET}", "Cookie": f"sessionid={SECRET}"}
    answer = httpx.get(f"{live_server}/broken/?q={BUYER}", headers=headers)
    assert answer.status_code == 500
    (event,) = reported()
    assert event["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert event["request"] == {"method": "GET", "url": f"{live_server}/broken/"}
    assert "duplicate key value violates unique constraint" in event["exception"]["values"][-1]["value"]
    frames = [frame["function"] for frame in event["exception"]["values"][-1]["stacktrace"]["frames"]]
    assert "broken" in frames
    assert not [word for word in (SECRET, BUYER) if word in json.dumps(event)]


def test_an_error_in_a_job_comes_with_the_job_s_id_and_nobody_s_data(reported, monkeypatch):
    def fail(job: Job, progress: Progress) -> dict:
        credentials = {"refresh_token": "-".join(["s3cret", "refresh", "token"]), "buyer": ".".join(["ada", "byron"])}
        raise ValueError(f"{len(credentials)} credentials did not work")

    kind = jobs.JobKind(name="tests.fails", queue="sweep", run=fail, title="Fail")
    monkeypatch.setitem(jobs.KINDS, kind.name, kind)
    job = jobs.run_here(jobs.create(kind=kind.name, entity=EntityFactory()))
    (event,) = reported()
    assert event["tags"]["job_id"] == str(job.pk)
    assert event["exception"]["values"][-1]["value"] == "2 credentials did not work"
    assert not [word for word in (SECRET, BUYER) if word in json.dumps(event)]


def test_a_link_to_set_a_password_is_not_reported():
    event = reduced({"request": {"method": "GET", "url": "https://console.example/login/link/Mg/s3cret-1/?q=1"}}, {})
    assert event["request"] == {"method": "GET", "url": "https://console.example/login/link/…"}
