"""What the database refuses about jobs, whatever the code says."""

import pytest
from django.db import IntegrityError, connection

from apps.integrations.models import Job


@pytest.fixture
def job(db) -> Job:
    return Job.objects.create(kind="tests.nothing")


def execute(statement: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


INSERT_ATTEMPT = (
    "INSERT INTO integrations_attempt (job_id, number, runner, outcome, error) VALUES (%s, %s, 'host:1:a', %s, '')"
)


def test_a_job_has_one_running_attempt(job):
    execute(INSERT_ATTEMPT, job.pk, 1, "lost")
    execute(INSERT_ATTEMPT, job.pk, 2, "running")
    with pytest.raises(IntegrityError, match="one_running_attempt"):
        execute(INSERT_ATTEMPT, job.pk, 3, "running")


def test_an_attempt_number_is_given_once(job):
    execute(INSERT_ATTEMPT, job.pk, 1, "lost")
    with pytest.raises(IntegrityError, match="one_attempt_per_number"):
        execute(INSERT_ATTEMPT, job.pk, 1, "running")


def test_a_running_job_has_a_lease(job):
    with pytest.raises(IntegrityError, match="running_has_lease"):
        execute("UPDATE integrations_job SET state = 'running' WHERE id = %s", job.pk)


def test_a_state_is_one_of_those_that_exist(job):
    with pytest.raises(IntegrityError, match="job_state_known"):
        execute("UPDATE integrations_job SET state = 'asleep' WHERE id = %s", job.pk)


def test_the_same_bytes_have_one_row(db):
    from tests.factories import ConnectionFactory

    insert = (
        "INSERT INTO integrations_storedfile (connection_id, sha256, name, size, path)"
        " VALUES (%s, repeat('a', 64), 'october.txt', 1, 'raw/a')"
    )
    owner = ConnectionFactory()
    execute(insert, owner.pk)
    with pytest.raises(IntegrityError, match="same_bytes_stored_once"):
        execute(insert, owner.pk)
