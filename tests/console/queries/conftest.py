"""A company with one place that files come from, and Marta of its finance, signed in."""

import pytest
from django.test import Client

from apps.core.permissions import Role
from apps.integrations.models import Connection
from tests.console.conftest import signed_in
from tests.factories import ConnectionFactory, EntityFactory, person


@pytest.fixture
def place() -> Connection:
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"))


@pytest.fixture
def marta(place):
    return person(Role.FINANCE, place.entity, name="Marta Lis")


@pytest.fixture
def client(place, marta) -> Client:
    return signed_in(marta)
