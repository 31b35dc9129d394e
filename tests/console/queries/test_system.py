"""Lists of the system ask the database as often for 50 rows as for one."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.core.permissions import Role
from apps.integrations.models import Connection
from tests.console.conftest import signed_in
from tests.console.queries.asked import check_same_for_50
from tests.console.queries.rows import a_job, a_platform, an_entry
from tests.factories import person

pytestmark = pytest.mark.django_db

LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "jobs": ("/jobs/", a_job),
    "audit": ("/audit/", an_entry),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_rows_as_for_one(name: str, client: Client, place: Connection):
    address, make = LISTS[name]
    a_job(place)  # with a stored file, today is not the first-run page
    check_same_for_50(client, address, lambda: make(place))


def test_connections_ask_as_often_whatever_their_kind(place: Connection):
    admin = signed_in(person(Role.ADMIN, place.entity))
    check_same_for_50(admin, "/connections/", lambda: a_platform(place))
