"""How often a page asks the database."""

from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

MANY = 49  # rows beside the first one


def asked_for(client: Client, address: str) -> list[str]:
    """The statements of one look at the page."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured]


def check_same_for_50(client: Client, address: str, make: Callable[[], object]) -> None:
    """The page asks as often for 50 rows as for one. It shows no row before."""
    make()
    one = asked_for(client, address)
    for _ in range(MANY):
        make()
    fifty = asked_for(client, address)
    assert len(fifty) == len(one), fifty
