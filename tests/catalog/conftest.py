import pytest

from apps.core.permissions import Role
from tests.factories import ConnectionFactory, EntityFactory, ItemFactory, ListingFactory, person


@pytest.fixture
def entity():
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def tom(entity):
    return person(Role.ECOMMERCE, entity, name="Tom Ashworth")


@pytest.fixture
def listing(entity):
    return ListingFactory(connection=ConnectionFactory(entity=entity), sku="BF-OAKTRAY-40-UK2")


@pytest.fixture
def tray(entity):
    return ItemFactory(entity=entity, code="10482", title="Oak serving tray 40 cm")


@pytest.fixture
def pair(entity):
    return ItemFactory(entity=entity, code="10483", title="Oak serving tray 40 cm, set of 2")
