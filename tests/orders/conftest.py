import pytest

from apps.core.models import Entity
from apps.integrations.models import Connection, Source
from tests.factories import ConnectionFactory, EntityFactory
from tests.orders.take import source_of


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory()


@pytest.fixture
def place(entity) -> Connection:
    return ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)


@pytest.fixture
def source(place) -> Source:
    return source_of(place)
