"""What a probe is told: in words, with nothing secret, by any name of the machine, and without a session."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.integrations.jobs import QUEUES
from opsconsole.operate import heartbeats

ALL = (*QUEUES, heartbeats.BEAT)
AS_A_PROBE = {"HTTP_HOST": "10.0.3.17:8000"}  # the address of a container is in no ALLOWED_HOSTS
ASK = """
import django; django.setup()
from django.test import Client
answer = Client().get("/readyz")
print(answer.status_code, answer.content.decode())
"""


@pytest.fixture(autouse=True)
def all_alive():
    heartbeats.broker().flushdb()
    heartbeats.leave(ALL)
    yield
    heartbeats.broker().flushdb()


@pytest.fixture
def in_production(settings):
    settings.ALLOWED_HOSTS = ["console.example"]
    settings.SECURE_SSL_REDIRECT = True


def parts(answer) -> dict[str, tuple[bool, str]]:
    return {name: (part["well"], part["words"]) for name, part in answer.json()["parts"].items()}


def test_a_process_that_answers_is_alive_and_asks_nothing(in_production):
    answer = Client().get("/healthz", **AS_A_PROBE)
    assert (answer.status_code, answer.content) == (200, b"alive\n")
    assert not answer.cookies


def test_no_other_address_answers_to_that_name(in_production):
    assert Client().get("/login/", **AS_A_PROBE).status_code == 400


@pytest.mark.django_db
def test_all_parts_are_named_and_well(in_production):
    with CaptureQueriesContext(connection) as asked:
        answer = Client().get("/readyz", **AS_A_PROBE)
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert parts(answer) == {
        "database": (True, "Answers, and all migrations are applied."),
        "broker": (True, "Answers."),
        **{f"worker on {queue}": (True, "Alive.") for queue in QUEUES},
        "beat": (True, "Alive."),
    }
    assert not [query for query in asked if "session" in query["sql"]]
    assert not answer.cookies


@pytest.mark.django_db
def test_a_part_that_fell_silent_is_named(in_production):
    broker = heartbeats.broker()
    broker.delete("opsconsole:alive:bulk")
    broker.expire("opsconsole:alive:beat", heartbeats.KEPT - 600)
    broker.expire("opsconsole:alive:sync", heartbeats.KEPT - 60)
    answer = Client().get("/readyz", **AS_A_PROBE)
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert {name: words for name, (well, words) in parts(answer).items() if not well} == {
        "worker on bulk": "Not heard of in the last day. Start it.",
        "worker on sync": "Silent for 60 seconds.",
        "beat": "Silent for 10 minutes. Start it again.",
    }


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_said():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'work'")
        lacking = cursor.rowcount
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert parts(answer)["database"] == (False, f"{lacking} migrations are not applied. Run manage.py migrate.")


@pytest.mark.processes
def test_a_database_and_a_broker_that_are_away_are_said_without_their_addresses():
    away = {
        "DATABASE_URL": "postgresql://somebody:s3cret@127.0.0.1:1/console",
        "REDIS_URL": "redis://:s3cret@127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "opsconsole.settings",
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=settings.BASE_DIR, env=os.environ | away, capture_output=True, text=True, timeout=120
    )
    status, _, body = asked.stdout.partition(" ")
    assert status == "503", asked.stderr
    assert set(json.loads(body)["parts"]) == {"database", "broker"}
    assert not [word for word in ("s3cret", "somebody", "127.0.0.1") if word in body]
    assert "s3cret" not in asked.stderr
