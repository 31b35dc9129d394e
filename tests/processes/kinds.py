"""Work that only tests ask for, in the worker processes that they start."""

import time

from django.db import connection, transaction

from apps.integrations.jobs import JobKind, hold, register_kind
from apps.integrations.leases import Progress
from apps.integrations.models import Job

ROWS = 12_000
PAUSE_EVERY = 20  # rows; with the pause below the COPY takes some six seconds
PAUSE = 0.01


def sleep(job: Job, progress: Progress) -> dict:
    """Sit in one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [job.args["seconds"]])
    return {}


def copy(job: Job, progress: Progress) -> dict:
    """COPY rows slowly into a table of ours."""
    statement = "COPY ledger_account (entity_id, code, name, kind, role) FROM STDIN"
    with transaction.atomic():
        with connection.cursor() as cursor, cursor.copy(statement) as rows:
            for number in range(ROWS):
                rows.write_row((job.entity_id, f"{number:06d}", "x" * 100, "asset", ""))
                if number % PAUSE_EVERY == 0:
                    progress.say("Copying", number, ROWS)
                    time.sleep(PAUSE)
        hold(job)
    return {"rows": ROWS}


SLEEP = register_kind(JobKind(name="tests.sleep", queue="files", run=sleep, title="Sleep in one statement"))
BLINK = register_kind(JobKind(name="tests.blink", queue="sweep", run=sleep, title="Sleep on the quick worker"))
COPY = register_kind(JobKind(name="tests.copy", queue="files", run=copy, title="Copy rows slowly"))
