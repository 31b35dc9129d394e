"""What Prometheus reads, and who may."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from apps.exceptions.models import Case, Tally
from apps.integrations.models import Command, Job, JobState, Source
from opsconsole.operate import heartbeats
from tests.factories import CaseFactory, ConnectionFactory, EntityFactory

pytestmark = pytest.mark.django_db

TOKEN = "a token of this test"


def figures(client: Client, **headers: str) -> dict[tuple, float]:
    """{(metric, label value, ...): figure}, labels in the order of their names"""
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@pytest.fixture
def broker():
    heartbeats.broker().flushdb()
    yield heartbeats.broker()
    heartbeats.broker().flushdb()


def test_the_figures_are_those_of_the_database_and_the_broker(broker):
    entity = EntityFactory()
    Job.objects.create(kind="integrations.check", entity=entity, not_before=Now() - timedelta(minutes=5))
    Job.objects.create(kind="integrations.check", entity=entity, not_before=Now() + timedelta(minutes=5))
    Job.objects.create(kind="integrations.check", entity=entity, state=JobState.FAILED)
    case = CaseFactory(entity=entity)
    connection = ConnectionFactory(entity=entity)
    every = timedelta(minutes=5)
    quiet = Source.objects.create(
        connection=connection, feed="amazon.orders", every=every, proven_at=Now() - timedelta(hours=2)
    )
    paused = Source.objects.create(connection=connection, feed="amazon.settlements", every=every, paused=True)
    Command.objects.create(entity=entity, target="warehouse", kind="ship-order", key="1", created_at=Now() - timedelta(hours=1))
    Command.objects.create(entity=entity, target="warehouse", kind="ship-order", key="2", state=Command.State.SENT)
    broker.lpush("bulk", "a message", "another")
    heartbeats.leave([heartbeats.BEAT])

    read = figures(Client())
    assert read["opsconsole_jobs", "integrations.check", "waiting"] == 2
    assert read["opsconsole_jobs", "integrations.check", "failed"] == 1
    assert read["opsconsole_job_oldest_waiting_seconds", "integrations.check"] == pytest.approx(300, abs=60)
    assert read["opsconsole_cases_open", case.team, case.type] == 1
    assert read["opsconsole_feed_unproven_seconds", "amazon.orders", str(quiet.pk)] == pytest.approx(7200, abs=60)
    assert ("opsconsole_feed_unproven_seconds", "amazon.settlements", str(paused.pk)) not in read
    assert read["opsconsole_commands_waiting", "ship-order", "warehouse"] == 1
    assert read["opsconsole_command_oldest_waiting_seconds", "ship-order", "warehouse"] == pytest.approx(3600, abs=60)
    assert (read["opsconsole_queue_messages", "bulk"], read["opsconsole_queue_messages", "sync"]) == (2, 0)
    assert ("opsconsole_heartbeat_age_seconds", "beat") in read
    assert ("opsconsole_heartbeat_age_seconds", "bulk") not in read


def test_open_cases_are_read_from_the_tally_not_counted(django_assert_max_num_queries):
    CaseFactory()
    assert (Case.objects.count(), Tally.objects.count()) == (1, 1)
    with django_assert_max_num_queries(6) as asked:
        figures(Client())
    assert not [query for query in asked.captured_queries if "exceptions_case" in query["sql"]]


def test_answers_are_timed_by_view_not_by_address():
    client = Client()
    before = figures(client).get(("opsconsole_http_seconds_count", "2xx", "login"), 0)
    client.get("/login/?next=/orders/1/")
    read = figures(client)
    assert read["opsconsole_http_seconds_count", "2xx", "login"] == before + 1
    client.get("/no-such-place/")
    assert not [key for key in figures(client) if "/" in "".join(key[1:])]


def test_without_a_token_it_answers_to_this_machine_alone():
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 200
    from_afar = Client(REMOTE_ADDR="10.0.3.17").get("/metrics")
    assert (from_afar.status_code, b"METRICS_TOKEN" in from_afar.content) == (403, True)
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 403


@pytest.mark.parametrize("behind", [{"PROXIES": 1}, {"PUBLIC": True}])
def test_where_a_proxy_may_stand_in_front_this_machine_needs_the_token_too(behind, settings):
    """A proxy on this machine that sends no header of its own would make everybody this machine."""
    for name, value in behind.items():
        setattr(settings, name, value)
    refused = Client(REMOTE_ADDR="127.0.0.1").get("/metrics")
    assert (refused.status_code, b"Set METRICS_TOKEN" in refused.content) == (403, True)
    settings.METRICS_TOKEN = TOKEN
    assert figures(Client(REMOTE_ADDR="127.0.0.1"), HTTP_AUTHORIZATION=f"Bearer {TOKEN}")


def test_a_token_opens_it_from_anywhere(settings):
    settings.METRICS_TOKEN = TOKEN
    from_afar = Client(REMOTE_ADDR="10.0.3.17")
    assert figures(from_afar, HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    for wrong in ({}, {"HTTP_AUTHORIZATION": "Bearer é"}, {"HTTP_AUTHORIZATION": f"Token {TOKEN}"}):
        refused = Client(REMOTE_ADDR="127.0.0.1").get("/metrics", **wrong)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert TOKEN.encode() not in refused.content
