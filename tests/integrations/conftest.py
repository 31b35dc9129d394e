import json
from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings

from apps.core.models import Entity
from apps.integrations.connectors import CONNECTORS
from apps.integrations.credentials import seal
from apps.integrations.feeds import FEEDS
from apps.integrations.jobs import KINDS, JobKind, register_kind
from apps.integrations.models import Connection, Source
from tests.factories import ConnectionFactory, EntityFactory
from tests.integrations.scripted import Scripted
from tests.integrations.things import EVERY, FEED, Outside, feed


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


@pytest.fixture
def outside(monkeypatch) -> Outside:
    """What a connection of this test speaks to; its feed of things is known."""
    monkeypatch.setitem(FEEDS, FEED, feed())
    system = Outside()
    monkeypatch.setitem(CONNECTORS, Connection.Kind.AMAZON, system)
    return system


@pytest.fixture
def source(outside, entity) -> Source:
    connection = ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)
    return Source.objects.create(connection=connection, feed=FEED, every=EVERY)


@pytest.fixture
def seller(sandbox, entity) -> Connection:
    """An Amazon account at the sandbox, with credentials that are good there."""
    connection = ConnectionFactory(
        entity=entity,
        name="Brightfold UK",
        kind=Connection.Kind.AMAZON,
        account=sandbox.account,
        endpoint=sandbox.url,
        token_url=f"{sandbox.url}/auth/o2/token",
        marketplaces=sandbox.marketplaces,
    )
    seal(connection, sandbox.credentials, None)
    return connection


@pytest.fixture
def scripted(entity) -> Iterator[Scripted]:
    with Scripted() as server:
        yield server
