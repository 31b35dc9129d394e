import pytest

from apps.core.models import Entity
from apps.integrations.models import Connection
from tests.factories import ConnectionFactory, EntityFactory


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory()


@pytest.fixture
def place(entity) -> Connection:
    return ConnectionFactory(entity=entity, kind=Connection.Kind.AMAZON)
