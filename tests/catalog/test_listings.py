"""Listings are made when an order or a stock line first names them, and never lose what is known of them."""

import threading

import pytest
from django.db import connection as database
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.catalog.listings import listings_for
from apps.catalog.models import Listing
from tests.factories import ConnectionFactory

UK, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"


@pytest.mark.django_db
def test_a_sku_is_one_listing_for_each_marketplace_and_connection():
    amazon, other = ConnectionFactory(), ConnectionFactory()
    ids = listings_for(amazon, [(UK, "OAK-40", "B0OAK", "Oak tray"), (DE, "OAK-40", "", ""), (UK, "OAK-40", "", "")])
    assert set(ids) == {(UK, "OAK-40"), (DE, "OAK-40")}
    assert listings_for(amazon, [(DE, "OAK-40", "", "")]) == {(DE, "OAK-40"): ids[DE, "OAK-40"]}
    assert listings_for(other, [(UK, "OAK-40", "", "")])[UK, "OAK-40"] not in ids.values()
    assert Listing.objects.count() == 3
    assert listings_for(amazon, []) == {}


@pytest.mark.django_db
def test_skus_are_taken_as_the_channel_writes_them():
    amazon = ConnectionFactory()
    ids = listings_for(amazon, [(UK, sku, "", "") for sku in ("007", "7", " 7", "oak", "OAK")])
    assert len(set(ids.values())) == 5


@pytest.mark.django_db
def test_what_is_known_stays_and_what_is_missing_is_filled():
    amazon = ConnectionFactory()
    first = listings_for(amazon, [(UK, "OAK-40", "", "Oak tray"), (UK, "OAK-30", "B0OAK30", "")])
    again = listings_for(amazon, [(UK, "OAK-40", "B0OAK40", ""), (UK, "OAK-30", "B0OTHER", "Small oak tray")])
    assert again == first
    assert list(Listing.objects.values_list("sku", "asin", "title")) == [
        ("OAK-30", "B0OAK30", "Small oak tray"),
        ("OAK-40", "B0OAK40", "Oak tray"),
    ]


@pytest.mark.django_db
def test_known_listings_cost_one_query_and_no_write():
    amazon = ConnectionFactory()
    keys = [(UK, f"SKU-{n}", "B0", "A thing") for n in range(500)]
    listings_for(amazon, keys)
    with CaptureQueriesContext(
        database,
    ) as asked:
        listings_for(amazon, keys)
    assert [query["sql"].split()[0] for query in asked] == ["SELECT"]


@pytest.mark.django_db(transaction=True)
def test_two_that_see_a_listing_at_once_get_the_same_one():
    amazon = ConnectionFactory()
    keys = [(UK, "OAK-40", "", ""), (UK, "OAK-30", "", "")]
    found = {}

    def see():
        try:
            with transaction.atomic():
                found["other"] = listings_for(amazon, reversed(keys))
        finally:
            connections.close_all()

    with transaction.atomic():
        found["first"] = listings_for(amazon, keys)
        other = threading.Thread(target=see)
        other.start()
        other.join(0.5)
    other.join(20)
    assert found["first"] == found["other"]
    assert Listing.objects.count() == 2
