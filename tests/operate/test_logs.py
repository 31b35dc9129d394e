"""A line of the log names its request, task and job, and holds nobody's data; the number on the page leads to it."""

import io
import json
import logging

import pytest
from django.test import Client

from apps.integrations import jobs
from apps.integrations.leases import Progress
from apps.integrations.models import Job, JobState
from apps.integrations.tasks import run_job
from opsconsole.operate import logs
from tests.factories import EntityFactory

GIVEN = "8f2c1d00-proxy.1"


@pytest.fixture
def json_lines():
    """Calling it gives what was logged since, as production writes it."""
    config = logs.config("json")
    handler = logging.StreamHandler(io.StringIO())
    formatter = dict(config["formatters"]["json"])
    handler.setFormatter(formatter.pop("()")(**formatter))
    root, ours = logging.getLogger(), logging.getLogger("opsconsole")
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(config["loggers"]["opsconsole"]["level"])
    yield lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    root.removeHandler(handler)
    ours.setLevel(level)


@pytest.fixture
def unraised():
    return Client(raise_request_exception=False)


@pytest.mark.django_db
def test_a_request_is_a_line_with_its_id_and_without_what_was_searched(json_lines):
    answer = Client().get("/login/?next=/search/%3Fq%3DAda", HTTP_X_REQUEST_ID=GIVEN)
    assert answer["X-Request-ID"] == GIVEN
    (line,) = [line for line in json_lines() if line["logger"] == "opsconsole.operate.requests"]
    assert line.pop("at").endswith("+00:00") and isinstance(line.pop("ms"), int)
    assert line == {
        "level": "INFO", "logger": "opsconsole.operate.requests", "message": "GET /login/", "method": "GET", "view": "login",
        "status": 200, "request_id": GIVEN,
    }  # fmt: skip


@pytest.mark.django_db
def test_a_link_to_set_a_password_is_not_in_the_log_however_it_is_asked_for(json_lines, settings):
    Client().get("/login/link/Mg/s3cret-1/")
    Client().get("/login/link/Mg/s3cret-1")  # is sent to the address with its slash
    settings.SECURE_SSL_REDIRECT = True
    Client().get("/login/link/Mg/s3cret-1/")  # is sent to HTTPS
    lines = [line for line in json_lines() if line["logger"] == "opsconsole.operate.requests"]
    assert len(lines) == 3 and not [line for line in lines if "s3cret" in json.dumps(line)]


@pytest.mark.parametrize("ill_formed", ["", "short", "x" * 65, "two words 123", 'quote"quote"', "line\\nline"])
def test_an_ill_formed_id_is_not_taken(ill_formed):
    made = Client().get("/no-such-place/", HTTP_X_REQUEST_ID=ill_formed)["X-Request-ID"]
    assert len(made) == 32 and made.isalnum()


@pytest.mark.django_db
@pytest.mark.urls("tests.operate.urls")
def test_the_page_of_a_fault_quotes_the_id_under_which_the_log_has_it(json_lines, unraised):
    answer = unraised.get("/broken/?q=ada.byron", headers={"X-Secret": "s3cret"})
    assert answer.status_code == 500
    number = answer["X-Request-ID"]
    assert f"<code>{number}</code>" in answer.content.decode()
    fault, _ = [line for line in json_lines() if line.get("request_id") == number]
    assert "duplicate key value violates unique constraint" in fault["exc_info"]
    assert not [word for word in ("ada.byron", "s3cret") if word in json.dumps(fault)]


@pytest.mark.django_db(transaction=True)
def test_a_job_s_lines_name_the_job_and_the_request_that_asked_for_it(json_lines, monkeypatch):
    def fail(job: Job, progress: Progress) -> dict:
        raise ValueError("a fault of ours")

    kind = jobs.JobKind(name="tests.fails", queue="sweep", run=fail, title="Fail")
    monkeypatch.setitem(jobs.KINDS, kind.name, kind)
    job = jobs.create(kind=kind.name, entity=EntityFactory())
    run_job.apply(args=[job.pk], task_id="task-1", headers={"request_id": GIVEN})
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    (fault,) = [line for line in json_lines() if line["level"] == "ERROR"]
    assert (fault["job_id"], fault["task_id"]) == (str(job.pk), "task-1")
    assert "a fault of ours" in fault["exc_info"]
    logging.getLogger("opsconsole").info("after the task")
    assert not json_lines()[-1].keys() & {"job_id", "task_id"}


def test_a_laptop_s_lines_name_them_too():
    formatter = logs.Plain("{levelname} {message}", style="{")
    record = logging.LogRecord("any", logging.WARNING, __file__, 1, "Said", (), None)
    assert formatter.format(record) == "WARNING Said"
    with logs.tracing.within(request_id="r1", job_id="12"):
        assert formatter.format(record) == "WARNING Said [request_id=r1 job_id=12]"


@pytest.mark.parametrize("form", logs.FORMATS)
def test_what_writes_whole_addresses_stays_quiet(form):
    loggers = logs.config(form)["loggers"]
    assert {loggers[name]["level"] for name in ("httpx", "httpcore", "sp_api", "sp_api.base.client")} == {"WARNING"}


def test_a_row_that_postgresql_quotes_is_left_out():
    quoted = (
        'IntegrityError: null value in column "x"\nDETAIL:  Failing row contains (7, Ada\nByron, null).\n'
        "\nThe above exception was the direct cause of the following exception:\n\nTraceback"
    )
    kept = logs.without_rows(quoted)
    assert "Ada" not in kept and "Byron" not in kept
    assert kept.startswith("IntegrityError: null value in column") and kept.endswith("\n\nTraceback")
