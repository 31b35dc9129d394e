import pytest
from django.db import connections

from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.exceptions.types import REGISTRY
from tests.exceptions import facts
from tests.factories import EntityFactory, person


@pytest.fixture(scope="session")
def fact_table(django_db_setup, django_db_blocker) -> None:
    with django_db_blocker.unblock(), connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS test_fact")
        cursor.execute(facts.CREATE)


@pytest.fixture
def test_types(fact_table, monkeypatch):
    """The types of tests.exceptions.facts, in the catalogue for one test, whatever that puts in their place."""
    for kind in facts.TYPES:
        monkeypatch.setitem(REGISTRY, kind.code, kind)


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory()


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")
