import json
from collections.abc import Callable

import pytest
import redis
from django.conf import settings

from apps.core.models import Entity
from apps.integrations.jobs import KINDS, JobKind, register_kind
from tests.factories import EntityFactory


@pytest.fixture
def messages(transactional_db) -> Callable[[str], list[int]]:
    """`messages("files")`: the job ids that wait in a queue of the broker, the oldest first."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.flushdb()

    def waiting(queue: str) -> list[int]:
        sent = [json.loads(message) for message in reversed(broker.lrange(queue, 0, -1))]
        assert all(message["headers"]["task"] == "apps.integrations.tasks.run_job" for message in sent)
        return [int(message["headers"]["argsrepr"].strip("[](),")) for message in sent]

    waiting.drain = broker.flushdb
    return waiting


@pytest.fixture
def kind(monkeypatch) -> Callable[..., str]:
    """`kind(function)`: a kind of work that exists during this test; its name."""
    monkeypatch.setattr("apps.integrations.jobs.KINDS", dict(KINDS))

    def make(run, *, queue: str = "files") -> str:
        register_kind(JobKind(name="tests.work", queue=queue, run=run, title="Test the workers"))
        return "tests.work"

    return make


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory()
