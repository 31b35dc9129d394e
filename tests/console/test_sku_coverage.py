"""The page of the coverage of SKUs: which channel fell, what made it fall, the figures as a file, one company or several."""

import csv
import io
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Entity
from apps.core.permissions import Role
from apps.integrations.models import Connection
from tests.console.pages import Page
from tests.console.queries.asked import check_same_for_50
from tests.factories import (
    ConnectionFactory,
    EntityFactory,
    ItemFactory,
    ListingFactory,
    MembershipFactory,
    OrderFactory,
    OrderItemFactory,
    mapped,
    person,
)

pytestmark = pytest.mark.django_db
PAGE = "sku_coverage"
SKUS = ("LAMP", "TRAY", "SAFE", "CHAIR")


@pytest.fixture
def place() -> Connection:
    return ConnectionFactory(entity=EntityFactory(), name="amazon.co.uk", kind="amazon")


def signed_in(*entities: Entity) -> Client:
    tom = person(Role.ECOMMERCE, entities[0])
    for other in entities[1:]:
        MembershipFactory(user=tom, entity=other, role=Role.ECOMMERCE)
    client = Client()
    client.force_login(tom)
    return client


def week(back: int) -> datetime:
    """Noon of the Monday of this many whole weeks ago."""
    today: date = timezone.localdate(timezone=ZoneInfo("Europe/London"))
    monday = today - timedelta(days=today.weekday(), weeks=back)
    return datetime(monday.year, monday.month, monday.day, 12, tzinfo=ZoneInfo("Europe/London"))


def sold(
    place: Connection, sku: str, units: int, *, back: int, arrived: bool, channel: str = "MFN", price: str = "10.00"
) -> None:
    listing = place.listings.filter(sku=sku).first() or ListingFactory(connection=place, sku=sku)
    order = OrderFactory(connection=place, channel=channel, purchased_at=week(back), status="SHIPPED", route="done")
    OrderItemFactory(
        order=order, listing=listing, quantity=units, price=Decimal(price) * units, mapped_at_arrival=arrived
    )


def fallen(place: Connection) -> None:
    """Merchant-fulfilled fell from all to 6 of 10 units; Amazon's own stays."""
    for back in (2, 3):
        sold(place, "LAMP", 10, back=back, arrived=True)
        sold(place, "CHAIR", 10, back=back, arrived=True, channel="AFN")
    sold(place, "LAMP", 6, back=1, arrived=True)
    sold(place, "TRAY", 3, back=1, arrived=False)
    sold(place, "SAFE", 1, back=1, arrived=False, price="400.00")
    sold(place, "CHAIR", 9, back=1, arrived=True, channel="AFN")
    mapped(place.listings.get(sku="LAMP"), (ItemFactory(entity=place.entity), 1))


def test_the_page_names_the_channel_that_fell_and_the_listings_that_made_it_fall(place: Connection):
    fallen(place)
    client = signed_in(place.entity)
    page = Page(client.get(reverse(PAGE)))
    assert page.heading == "amazon.co.uk, United Kingdom, MFN fell to 60.0 % of units with an item"
    assert [words for words, _ in page.links if words in SKUS] == ["TRAY", "SAFE"]
    by_money = Page(client.get(reverse(PAGE), {"by": "money"}))
    assert "fell to 12.2 % of money" in by_money.heading
    assert [words for words, _ in by_money.links if words in SKUS] == ["SAFE", "TRAY"]


def test_the_listings_of_the_channel_that_is_chosen(place: Connection):
    fallen(place)
    client = signed_in(place.entity)
    now = client.get(reverse(PAGE), {"side": "now"})
    assert "CHAIR" in now.content.decode()
    narrowed = Page(client.get(reverse(PAGE), {"side": "now"}))
    chosen = client.get(reverse(PAGE) + narrowed.linked("amazon.co.uk, United Kingdom, MFN").partition("#")[0]).content.decode()
    assert "TRAY" in chosen and "CHAIR" not in chosen and "All channels" in chosen
    assert client.get(reverse(PAGE), {"channel": "9~x~y", "side": "x", "by": "x"}).status_code == 200


def test_a_company_without_orders_reads_what_begins_the_trend(place: Connection):
    body = signed_in(place.entity).get(reverse(PAGE)).content.decode()
    assert "No order came in yet" in body and '<svg class="chart lines"' not in body


def test_the_file_has_the_figures(place: Connection):
    fallen(place)
    response = signed_in(place.entity).get(reverse("sku_coverage_file"))
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    (row,) = [row for row in rows if row["week"] == str(week(1).date()) and row["ships"] == "MFN"]
    figures = ("units", "money", "units with an item now", "units kept at arrival", "units with an item at arrival")
    assert [Decimal(row[name]) for name in figures] == [10, 490, 6, 10, 6]


def test_who_works_for_several_companies_sees_whose_channel_it_is(place: Connection):
    other = ConnectionFactory(entity=EntityFactory(), name="amazon.co.uk", kind="amazon")
    fallen(place)
    fallen(other)
    page = signed_in(place.entity, other.entity).get(reverse(PAGE))
    assert place.entity.name in Page(page).heading and "1 more channel fell too" in Page(page).heading
    assert f"{other.entity.name}: amazon.co.uk" in page.content.decode()
    alone = signed_in(place.entity).get(reverse(PAGE)).content.decode()
    assert other.entity.name not in alone


def test_it_asks_as_often_for_many_channels(place: Connection):
    client = signed_in(place.entity)

    def one_more() -> None:
        another = ConnectionFactory(entity=place.entity, kind="amazon")
        sold(another, "LAMP", 1, back=2, arrived=True)
        sold(another, "LAMP", 1, back=1, arrived=False)

    check_same_for_50(client, reverse(PAGE), one_more)
