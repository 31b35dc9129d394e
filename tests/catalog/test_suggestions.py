"""The items that a listing may be, found among all of the company's in one query."""

from datetime import date

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import SkuMapping
from apps.catalog.suggestions import suggest
from tests.factories import ItemFactory, ListingFactory, mapped

SINCE = date(2026, 1, 1)


@pytest.fixture
def oak(listing):
    listing.title, listing.ean = "Oak serving tray 40 cm, natural", "5060712340486"
    listing.save()
    return listing


@pytest.mark.django_db
def test_the_item_with_the_same_ean_comes_first_and_its_likes_after_it(oak, tray, pair):
    tray.ean = "5060712340486"
    tray.save()
    small = ItemFactory(entity=tray.entity, code="10480", title="Oak serving tray 30 cm")
    ItemFactory(entity=tray.entity, title="Clay vase")
    found = suggest(oak)
    assert found[0].item == tray
    assert {each.item for each in found} <= {tray, pair, small}
    assert found[0].sure
    assert not any(each.sure for each in found[1:])


@pytest.mark.django_db
def test_what_the_same_sku_is_elsewhere_speaks_for_it(oak, tray):
    sibling = ListingFactory(connection=oak.connection, sku="BF-OAKTRAY-40-UK")
    mapped(sibling, (tray, 1))
    (found,) = suggest(oak, orders_of=lambda listings: {pk: 214 for pk in listings})
    assert "BF-OAKTRAY-40-UK maps here, 214 orders" in found.reasons_for
    assert found.sure


@pytest.mark.django_db
def test_nothing_of_another_company_and_nothing_that_is_no_longer_sold(oak, tray):
    tray.active = False
    tray.save()
    theirs = ItemFactory(title="Oak serving tray 40 cm", ean="5060712340486")
    mapped(ListingFactory(sku="BF-OAKTRAY-40-UK"), (theirs, 1))
    assert suggest(oak) == []


@pytest.mark.django_db
def test_nothing_like_it_is_no_suggestion_and_nothing_is_saved(oak):
    ItemFactory(entity=oak.entity, title="Clay vase")
    assert suggest(oak) == []
    assert not SkuMapping.objects.exists()


@pytest.mark.django_db
def test_many_items_are_asked_for_once(oak, entity):
    for n in range(300):
        ItemFactory(entity=entity, title=f"Oak serving tray, colour {n}")
    oak.refresh_from_db()
    assert oak.entity_id == entity.pk
    with CaptureQueriesContext(database) as asked:
        assert len(suggest(oak)) == 3
    assert len(asked) == 2  # which, and their rows
