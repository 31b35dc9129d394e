"""A company with the UK chart, the person who maps there, and another one."""

import pytest

from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.integrations.models import Connection
from apps.settlements.charts import apply_chart
from tests.factories import ConnectionFactory, EntityFactory, person


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def priya(entity: Entity) -> User:
    """Finance: the chart is hers, and so is what she maps."""
    priya = person(Role.FINANCE, entity, name="Priya Nair")
    apply_chart(chart="uk", entity=entity, actor=priya)
    return priya


@pytest.fixture
def ian(entity: Entity) -> User:
    return person(Role.FINANCE, entity, name="Ian Grove")


@pytest.fixture
def place(entity: Entity, priya: User) -> Connection:
    return ConnectionFactory(entity=entity, name="amazon.co.uk")
