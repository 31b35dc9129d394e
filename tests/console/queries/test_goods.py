"""Listings, items, orders and stock ask the database as often for 50 rows as for one; stock pages by key."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.integrations.models import Connection
from tests.console.pages import Page
from tests.console.queries.asked import asked_for, check_same_for_50
from tests.console.queries.rows import a_held_order, a_job, a_level, a_line, a_mapped_listing, a_mapping

pytestmark = pytest.mark.django_db

LISTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "listings": ("/listings/", a_mapped_listing),
    "listing": ("/listings/7/", a_mapping),
    "items": ("/items/", a_mapped_listing),
    "orders": ("/orders/", a_held_order),
    "orders, late": ("/orders/?view=late", a_held_order),
    "order, lines": ("/orders/7/", a_line),
    "stock": ("/stock/", a_level),
    "stock, against the ERP": ("/stock/?show=drift", a_level),
    "stock, low": ("/stock/?show=low", a_level),
}


@pytest.mark.parametrize("name", LISTS)
def test_as_many_queries_for_50_rows_as_for_one(name: str, client: Client, place: Connection):
    address, make = LISTS[name]
    a_job(place)  # with a stored file, today is not the first-run page
    check_same_for_50(client, address, lambda: make(place))


def test_a_listing_costs_as_many_queries_whatever_shows_the_same_units(client: Client, place: Connection):
    address = reverse("stock_listing", args=[a_level(place).listing_id])
    a_level(place)
    two = asked_for(client, address)
    for _ in range(10):
        a_level(place)
    twelve = asked_for(client, address)
    assert len(two) == len(twelve), twelve


def test_stock_pages_by_sku_without_gaps_or_repeats(client: Client, place: Connection):
    levels = [a_level(place) for _ in range(60)]
    levels[3].listing.sku, levels[4].listing.sku = "A~B", "Zz"
    for level in levels[3:5]:
        level.listing.save()
    first = Page(client.get("/stock/"))
    second = Page(client.get("/stock/" + first.linked("Next 50")))
    found = [words for page in (first, second) for words, href in page.links if href.startswith("/stock/") and href != "/stock/"]
    assert sorted(found) == sorted(level.listing.sku for level in levels)
