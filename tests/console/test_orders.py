"""The screens of orders: what they say, in what order, and what of a buyer each role reads."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep_entity
from apps.integrations.models import Command
from apps.orders.models import Buyer, OrderSettings
from apps.orders.operations import set_channel
from apps.orders.routing import settle_orders
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import ConnectionFactory, EntityFactory, OrderFactory, person
from tests.orders.amazon import BUYER, PRIVATE, line, record
from tests.orders.take import map_all, source_of, take, taken

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"), name="amazon.co.uk")


@pytest.fixture
def kofi(place):
    return person(Role.OPS, place.entity, name="Kofi Mensah")


@pytest.fixture
def client(kofi):
    return signed_in(kofi)


def ids(page: Page) -> list[str]:
    return [words for words, href in page.links if href.startswith("/orders/") and words[:3].isdecimal()]


def test_an_empty_list_says_what_to_do_next(client):
    body = client.get("/orders/").content.decode()
    assert "No order is here yet" in body and "connection to Amazon" in body


def test_the_views_hold_what_they_name(client, place):
    take(source_of(place), record(1, status="PENDING"), record(2), record(3, by="AMAZON", status="SHIPPED"))
    map_all(place.entity)
    soon = {"earliestDateTime": "2026-01-01T00:00:00Z", "latestDateTime": timezone.now().isoformat()}
    late = record(4, fulfillment=record()["fulfillment"] | {"shipByWindow": soon})
    far = {"latestDateTime": (timezone.now() + timedelta(days=5)).isoformat()}
    take(source_of(place), late, record(5, fulfillment=record()["fulfillment"] | {"shipByWindow": far}))
    named = {n: record(n)["orderId"] for n in range(1, 6)}
    first = Page(client.get("/orders/"))
    assert first.heading == "2 orders are held"
    assert set(ids(first)) == set(named.values())
    assert set(ids(Page(client.get("/orders/?view=held")))) == {named[2], named[3]}
    assert set(ids(Page(client.get("/orders/?view=to-ship")))) == {named[2], named[4], named[5]}
    assert named[5] not in ids(Page(client.get("/orders/?view=late")))
    assert named[4] in ids(Page(client.get("/orders/?view=late")))
    OrderSettings.objects.create(entity=place.entity, warn_before=240)
    assert named[5] in ids(Page(client.get("/orders/?view=late")))


@pytest.mark.parametrize("view", ["all", "to-ship"])
def test_the_list_pages_without_gaps_or_repeats(client, place, view):
    start = datetime(2026, 11, 1, tzinfo=UTC)
    orders = [
        OrderFactory(
            connection=place,
            route="ship",
            purchased_at=start + timedelta(hours=n // 4),
            ship_by=start + timedelta(hours=n // 4) if n % 10 else None,
        )
        for n in range(120)
    ]
    found, address = [], f"/orders/?view={view}"
    while address:
        page = Page(client.get(address))
        found += ids(page)
        following = [href for words, href in page.links if words == "Next 50"]
        address = f"/orders/{following[0]}" if following else ""
    never = datetime(9999, 1, 1, tzinfo=UTC)
    by = {
        "all": lambda order: (-order.purchased_at.timestamp(), -order.pk),
        "to-ship": lambda order: (order.ship_by or never, order.pk),
    }
    assert found == [order.order_id for order in sorted(orders, key=by[view])]


@pytest.mark.parametrize("after", ["x", "2026-13-01T00:00:00Z~5", "2026-11-01T00:00:00~5", "~", "2026-11-01T00:00:00Z~"])
def test_an_odd_address_of_a_page_begins_at_the_beginning(client, place, after):
    order = OrderFactory(connection=place)
    assert ids(Page(client.get("/orders/", {"after": after}))) == [order.order_id]


def test_a_held_order_shows_its_gaps_why_and_the_case_that_frees_it(client, place):
    order = taken(place, record(1, by="ROBOT"))
    sweep_entity(place.entity)
    response = client.get(reverse("order", args=[order.pk]))
    page, body = Page(response), response.content.decode()
    assert page.heading == f"Order {order.order_id} is held: nobody says who ships it and a SKU has no item"
    for words in ("No order to ship", "No sale recorded", "Missing for", "No item yet", "“ROBOT”", "Received and held"):
        assert words in body, words


def test_who_does_not_read_the_queue_of_what_holds_an_order_is_told_who_has_it(client, place):
    person(Role.ECOMMERCE, place.entity, name="Tom Reed")
    order = taken(place, record(1))
    sweep_entity(place.entity)
    case = reverse("case", args=[Case.objects.live().get(type="sku.unmapped").pk])
    body = client.get(reverse("order", args=[order.pk])).content.decode()
    assert "Ecommerce has it: Tom Reed." in body and case not in body
    reader = signed_in(person(Role.VIEWER, place.entity))
    assert case in reader.get(reverse("order", args=[order.pk])).content.decode()


def test_a_released_order_shows_what_left_and_what_is_awaited(client, place, kofi):
    order = taken(place, record(1, line(quantity=2), by=None))
    map_all(place.entity)
    set_channel(entity=place.entity, orders=[order.pk], channel="MFN", reason="Seen in Seller Central", actor=kofi)
    response = client.get(reverse("order", args=[order.pk]))
    body = response.content.decode()
    assert Page(response).heading == f"Order {order.order_id} is released to fulfilment"
    for words in (
        "Order to ship", "Waiting to be sent", "Waits for a shipment confirmation", f"ship:{order.pk}", "Kofi Mensah",
        "set who ships it: MFN", "Seen in Seller Central", "£24.99",
    ):  # fmt: skip
        assert words in body, words
    assert "Missing for" not in body


def test_an_order_that_amazon_ships_shows_no_warehouse(client, place):
    order = taken(place, record(1, by="AMAZON", status="SHIPPED"))
    map_all(place.entity)
    with transaction.atomic():
        settle_orders(place.entity, orders=[order.pk])
    body = client.get(reverse("order", args=[order.pk])).content.decode()
    assert "is shipped by Amazon and recorded" in body
    assert "never goes to a warehouse of ours" in body and "Sale to record" in body
    assert "No order to ship" not in body


def test_what_the_warehouse_refused_is_shown_in_its_words(client, place):
    order = taken(place, record(1))
    map_all(place.entity)
    with transaction.atomic():
        settle_orders(place.entity, orders=[order.pk])
    Command.objects.update(state="refused", words="No such postcode")
    body = client.get(reverse("order", args=[order.pk])).content.decode()
    assert "Refused by the system it went to: No such postcode" in body
    assert "No order to ship" in body


@pytest.mark.parametrize("role", Role)
def test_each_role_reads_of_the_buyer_what_it_may(place, role):
    order = taken(place, record(1))
    body = signed_in(person(role, place.entity)).get(reverse("order", args=[order.pk])).content.decode()
    if role in (Role.OPS, Role.ADMIN):
        assert BUYER in body and "12 Mill Lane" in body
    else:
        assert "A. M. S." in body and "LS1 ***, GB" in body and "hidden from your role" in body
        assert not any(private in body for private in PRIVATE)


def test_a_purged_buyer_is_said_to_be_gone(client, place):
    order = taken(place, record(1))
    Buyer.objects.all().delete()
    assert "Nobody is kept" in client.get(reverse("order", args=[order.pk])).content.decode()


def test_an_admin_sets_how_long_buyers_are_kept_after_seeing_what_goes(place):
    client = signed_in(person(Role.ADMIN, place.entity))
    order = OrderFactory(connection=place, status="SHIPPED", delivered_at=timezone.now() - timedelta(days=10))
    Buyer.objects.create(order=order, name=BUYER)
    address = reverse("order_settings", args=[place.entity.pk])
    assert "keeps buyers 30 days after delivery" in client.get(address).content.decode()
    asked = {"purge_after": "7", "warn_before": "12", "reason": "Less is safer"}
    preview = client.post(address, asked | {"preview": "1"})
    assert "1 buyer of orders delivered longer ago goes" in preview.content.decode()
    digest = re.search(r'name="digest" value="(\w+)"', preview.content.decode())[1]
    done = client.post(address, asked | {"digest": digest}, follow=True)
    assert "Buyers are kept 7 days after delivery." in done.content.decode()
    assert client.post(address, asked | {"purge_after": "0", "digest": ""}).status_code == 422


@pytest.mark.parametrize("role", [Role.OPS, Role.ECOMMERCE, Role.FINANCE, Role.VIEWER])
def test_others_read_the_settings_and_are_told_who_changes_them(place, role):
    client = signed_in(person(role, place.entity))
    person(Role.ADMIN, place.entity, name="Elin Strand")
    address = reverse("order_settings", args=[place.entity.pk])
    assert "Elin Strand can." in client.get(address).content.decode()
    assert client.post(address, {"purge_after": "7", "warn_before": "1", "reason": "x"}).status_code == 403
