"""Mapping a SKU on the screen: the case, the page of its listing, the items, and the orders that are let go."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.catalog.models import Listing, RefusedCandidate, SkuMapping
from apps.catalog.operations import map_sku
from apps.core.errors import Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs
from apps.integrations.models import Command, Job
from apps.orders.models import Order
from apps.orders.routing import settle_orders
from tests.catalog.mappings import item_of
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import (
    ConnectionFactory,
    EntityFactory,
    ItemFactory,
    ListingFactory,
    OrderFactory,
    OrderItemFactory,
    mapped,
    person,
)
from tests.inventory.scans import amazon, scan, summary
from tests.settlements.files import File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
BOUGHT = datetime(2026, 11, 11, 7, 52, tzinfo=UTC)
SINCE = "2026-11-11"


@pytest.fixture
def place():
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"))


@pytest.fixture
def tom(place):
    return person(Role.ECOMMERCE, place.entity, name="Tom Ashworth")


@pytest.fixture
def client(tom) -> Client:
    return signed_in(tom)


@pytest.fixture
def listing(place):
    return ListingFactory(
        connection=place, sku="BF-OAKTRAY-40-UK2", title="Oak serving tray 40 cm, natural", ean="5060712340486"
    )


@pytest.fixture
def tray(place):
    return ItemFactory(entity=place.entity, code="10482", title="Oak serving tray 40 cm", ean="5060712340486")


@pytest.fixture
def pair(place):
    return ItemFactory(entity=place.entity, code="10483", title="Oak serving tray 40 cm, set of 2", ean="5060712340493")


def order_for(listing, **values) -> Order:
    order = OrderFactory(connection=listing.connection, **{"purchased_at": BOUGHT} | values)
    OrderItemFactory(order=order, listing=listing, price="27.99")
    settle_orders(order.entity, orders=[order.pk])
    return order


@pytest.fixture
def case(listing, tray, pair) -> Case:
    """Three orders wait: one that we ship, one of Amazon's own, one that another SKU holds too."""
    order_for(listing)
    order_for(listing, channel="AFN")
    both = order_for(listing)
    OrderItemFactory(order=both, listing=ListingFactory(connection=listing.connection, sku="UNKNOWN-TOO"))
    return case_of("sku.unmapped", listing)


def case_of(code: str, listing) -> Case:
    sweep(code, Scope(entity=listing.entity))
    return Case.objects.live().get(type=code, subject=str(listing.pk))


def previewed(client, address: str, data: dict) -> dict:
    shown = client.post(address, data | {"preview": "1"}).content.decode()
    digest = re.search(r'name="digest" value="([^"]+)"', shown)
    return data | {"digest": digest.group(1) if digest else ""}


def do(client, address: str, data: dict):
    return client.post(address, previewed(client, address, data), follow=True)


def act(case: Case, action: str) -> str:
    return reverse("act", args=[case.pk, action])


def text_of(response) -> str:
    """The words of a page, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_case_names_what_waits_and_the_likeliest_item_is_ticked_with_its_reasons(client, case, tray):
    response = client.get(reverse("case", args=[case.pk]))
    words = text_of(response)
    assert "3 orders wait because we do not know the SKU BF-OAKTRAY-40-UK2" in Page(response).heading
    assert "£74.97" in words  # three orders of 24.99
    assert "EAN 5060712340486 equal on listing and item" in words
    assert "EAN differs: 5060712340493, not 5060712340486" in words
    assert f'value="{tray.pk}" checked' in response.content.decode()
    assert 'value="2026-11-11"' in response.content.decode()
    assert "Map to 10482 and release 2 orders" in words
    assert "Held, another reason Another SKU has no item, or nobody says who ships 1 £24.99" in words
    assert "All that wait 3 lines 3 £74.97" in words
    assert not SkuMapping.objects.exists()
    assert case.due_at == Order.objects.earliest("ship_by").ship_by


def test_stock_of_a_sku_that_is_no_item_has_a_case_until_it_is_mapped(client, tray):
    account = amazon(tray.entity)
    scan(account, summary("BF-IN-STOCK", 7), summary("BF-NONE-LEFT", 0), summary("BF-MAPPED", 3))
    mapped(Listing.objects.get(sku="BF-MAPPED"), (tray, 1))
    sweep("sku.unmapped", Scope(entity=tray.entity))
    case = Case.objects.live().get(type="sku.unmapped")
    page = client.get(reverse("case", args=[case.pk]))
    assert "We do not know the SKU BF-IN-STOCK, which has 7 units in stock" in Page(page).heading
    done = do(client, act(case, "map-sku"), {"item": tray.pk, "units": 1, "since": "2026-11-01"})
    assert "Resolved" in Page(done).heading
    assert not Job.objects.filter(kind="orders.release").exists()


def test_mapping_it_closes_the_case_and_releases_each_order_once(client, tom, case, listing, tray):
    data = {"item": tray.pk, "units": 1, "since": SINCE}
    done = do(client, act(case, "map-sku"), data)
    assert "Resolved" in Page(done).heading
    assert "The orders wait for a worker" in text_of(done)
    assert [(item.code, many) for item, many in item_of(listing, BOUGHT.date())] == [("10482", 1)]
    jobs.run_here(Job.objects.get(kind="orders.release"))
    assert sorted(Command.objects.values_list("kind", flat=True)) == ["record-sale", "ship-order"]
    case.refresh_from_db()
    assert (case.state, case.ended_by) == ("resolved", tom)
    assert "2 of 3 released; 1 still wait" in text_of(client.get(reverse("case", args=[case.pk])))
    entry = AuditEntry.objects.get(verb="sku.mapped")
    assert entry.reason.startswith("EAN 5060712340486 equal")
    again = client.post(act(case, "map-sku"), data)
    assert again.status_code == 422 and "resolved already" in text_of(again)
    assert Command.objects.count() == 2


def test_a_preview_over_htmx_is_the_panel_alone(client, case, tray):
    data = {"item": tray.pk, "units": 1, "since": "2026-11-12", "preview": "1"}
    part = client.post(act(case, "map-sku"), data, headers=HTMX)
    assert "<h1" not in part.content.decode()
    assert "Held, bought on another day" in text_of(part)
    assert "The case closes" not in text_of(part)


def test_what_came_meanwhile_is_shown_before_anything_is_done(client, case, listing, tray):
    data = previewed(client, act(case, "map-sku"), {"item": tray.pk, "units": 1, "since": SINCE})
    order_for(listing)
    changed = client.post(act(case, "map-sku"), data)
    assert changed.status_code == 409 and "Map to 10482 and release 3 orders" in text_of(changed)
    assert not SkuMapping.objects.exists()


@pytest.mark.parametrize("named", ["10483", "05060712340493", "BF-PAIR"])
def test_another_item_is_named_by_number_ean_or_sku(client, case, listing, pair, named):
    mapped(ListingFactory(connection=listing.connection, sku="BF-PAIR"), (pair, 1))
    do(client, act(case, "map-sku"), {"item": "other", "other": named, "units": 2, "since": SINCE})
    assert item_of(listing, BOUGHT.date()) == [(pair, 2)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Choose the item that it is."),
        ({"item": "other"}, "Name the item by its number, a SKU or an EAN."),
        ({"item": "other", "other": "99"}, "has no item with the number, SKU or EAN “99”"),
        ({"item": "other", "other": "5060712340486"}, "is more than one item"),
        ({"item": "999999"}, "not there any more"),
        ({"item": "x'; drop"}, "not there any more"),
        ({"item": "10482", "units": "0"}, "greater than or equal to 1"),
        ({"item": "10482", "units": "1.5"}, "whole number"),
        ({"item": "10482", "since": "soon"}, "valid date"),
    ],
)
def test_a_fault_is_told_beside_its_field_and_nothing_is_saved(client, case, data, words, place):
    ItemFactory(entity=place.entity, ean="5060712340486")
    response = client.post(act(case, "map-sku"), {"units": "1", "since": SINCE} | data)
    assert response.status_code == 422
    assert words in text_of(response)
    assert not SkuMapping.objects.exists()


def test_a_bundle_is_several_items(client, case, listing, tray, pair):
    data = {"item_1": "10482", "units_1": "2", "item_2": "10483", "units_2": "", "since": SINCE}
    done = do(client, act(case, "map-bundle"), data)
    assert "Resolved" in Page(done).heading
    assert item_of(listing, BOUGHT.date()) == [(tray, 2), (pair, 1)]


def test_a_bundle_of_one_item_is_told_so(client, case, tray):
    twice = client.post(act(case, "map-bundle"), {"item_1": "10482", "item_2": "10482", "since": SINCE})
    assert twice.status_code == 422 and "10482 is there twice" in text_of(twice)


def test_others_see_the_case_and_who_can_map(case, place):
    viewer = signed_in(person(Role.VIEWER, place.entity))
    person(Role.ECOMMERCE, place.entity, name="Una Field")
    assert "Una Field" in text_of(viewer.get(reverse("case", args=[case.pk])))
    assert viewer.post(act(case, "map-sku"), {}).status_code == 403


@pytest.fixture
def ambiguous(listing, tom, tray, pair) -> Case:
    """The listing is a tray, and a sheet said that it is two pairs."""
    map_sku(listing=listing, parts=[(tray, 1)], since=BOUGHT.date(), reason="", actor=tom)
    order_for(listing)
    said = {"parts": [(pair, 2)], "since": BOUGHT.date() + timedelta(days=4), "source": "import:12"}
    with pytest.raises(Refused):
        map_sku(listing=listing, **said, reason="", actor=tom)
    return case_of("sku.ambiguous", listing)


def test_both_items_are_shown_with_their_recent_orders(client, ambiguous, place, pair):
    with_pair = order_for(mapped_listing(place, pair))
    response = client.get(reverse("case", args=[ambiguous.pk]))
    words = text_of(response)
    assert "BF-OAKTRAY-40-UK2 is 10482, and was about to be 2 × 10483 as well" in Page(response).heading
    for order in Order.objects.all():
        assert order.order_id in words
    assert with_pair.order_id in words and "import:12" in words


def mapped_listing(place, item):
    listing = ListingFactory(connection=place)
    mapped(listing, (item, 1))
    return listing


def test_keeping_the_present_item_decides_against_the_other(client, ambiguous, listing, tray):
    done = do(client, act(ambiguous, "keep-one"), {"keep": "present", "reason": "As picked"})
    assert "Resolved" in Page(done).heading
    assert item_of(listing, BOUGHT.date() + timedelta(days=9)) == [(tray, 1)]
    assert not RefusedCandidate.objects.filter(settled_at=None).exists()


def test_changing_to_the_other_one_begins_on_its_day(client, ambiguous, listing, tray, pair):
    candidate = RefusedCandidate.objects.get()
    data = {"keep": candidate.pk, "since": "2026-11-15", "reason": "The sheet is right"}
    preview = client.post(act(ambiguous, "keep-one"), data | {"preview": "1"})
    assert "1 order, which stay as they left" not in text_of(preview)
    do(client, act(ambiguous, "keep-one"), data)
    assert item_of(listing, BOUGHT.date()) == [(tray, 1)]
    assert item_of(listing, BOUGHT.date() + timedelta(days=9)) == [(pair, 2)]
    ambiguous.refresh_from_db()
    assert ambiguous.state == "resolved"


def test_a_choice_needs_its_day_and_must_still_be_open(client, ambiguous):
    candidate = RefusedCandidate.objects.get()
    none = client.post(act(ambiguous, "keep-one"), {"keep": candidate.pk, "reason": "x"})
    assert none.status_code == 422 and "Say from which day on" in text_of(none)
    gone = client.post(act(ambiguous, "keep-one"), {"keep": "0", "reason": "x"})
    assert gone.status_code == 422 and "decided already" in text_of(gone)


def test_the_listings_say_which_have_no_item_and_what_waits(client, case, listing, place, tray):
    mapped(ListingFactory(connection=place, sku="MAPPED"), (tray, 3))
    response = client.get(reverse("listings"))
    assert "2 listings have no item yet" in Page(response).heading
    assert "3 × 10482" in text_of(response)
    assert "MAPPED" not in text_of(client.get(reverse("listings") + "?show=unmapped"))
    assert "UNKNOWN-TOO" not in text_of(client.get(reverse("listings") + "?show=mapped"))
    assert "Nothing in this view" in text_of(client.get(reverse("listings") + "?show=ended"))
    assert listing.sku in text_of(client.get(reverse("listings") + "?q=natural"))


def test_a_listing_is_mapped_changed_and_undone_on_its_page(client, listing, tray, pair):
    page, address = reverse("listing", args=[listing.pk]), lambda deed: reverse("listing_do", args=[listing.pk, deed])
    assert "is no item today" in Page(client.get(page)).heading
    done = do(client, address("map"), {"item": tray.pk, "units": 1, "since": "2026-11-01"})
    assert "is 10482" in Page(done).heading
    done = do(client, address("change"), {"other": "10483", "units": 1, "since": "2026-11-02", "reason": "Relisted"})
    assert "is 10483" in Page(done).heading
    undo = {"reason": "Mistake"}
    assert "Undo it and go back to 10482" in text_of(client.get(page + "?do=undo"))
    assert "is 10482" in Page(do(client, address("undo"), undo)).heading
    assert "is no item today" in Page(do(client, address("undo"), undo)).heading
    assert "replaced or undone" in text_of(client.get(page))
    nothing = client.post(address("undo"), undo)
    assert "no mapping to undo" in text_of(nothing)


def test_a_mapping_that_fills_a_gap_frees_the_days_of_the_gap_alone(client, tom, listing, tray, pair):
    later = map_sku(listing=listing, parts=[(pair, 1)], since=BOUGHT.date() + timedelta(days=1), reason="", actor=tom)
    SkuMapping.objects.filter(pk=later.pk).update(period=(later.period.lower, later.period.lower + timedelta(days=1)))
    order_for(listing)
    order_for(listing, purchased_at=BOUGHT + timedelta(days=5))
    data = {"item": tray.pk, "units": 1, "since": SINCE, "preview": "1"}
    words = text_of(client.post(reverse("listing_do", args=[listing.pk, "map"]), data))
    assert "Map to 10482 and release 1 order" in words and "Held, bought on another day" in words


def test_a_change_says_how_many_orders_have_left(client, listing, tom, tray, pair):
    map_sku(listing=listing, parts=[(tray, 1)], since=BOUGHT.date(), reason="", actor=tom)
    order_for(listing)
    data = {"other": "10483", "units": 1, "since": SINCE, "reason": "Relisted", "preview": "1"}
    preview = client.post(reverse("listing_do", args=[listing.pk, "change"]), data)
    assert "1 order, which stay as they left" in text_of(preview)


def test_the_release_is_followed_on_its_own_page_and_over_htmx(client, case, tray):
    do(client, act(case, "map-sku"), {"item": tray.pk, "units": 1, "since": SINCE})
    job = Job.objects.get(kind="orders.release")
    address = reverse("release", args=[job.pk])
    part = client.get(address, headers=HTMX).content.decode()
    assert "<h1" not in part and 'hx-trigger="every 1s"' in part
    jobs.run_here(job)
    part = client.get(address, headers=HTMX).content.decode()
    assert "2 of 3 released" in part and "hx-trigger" not in part
    assert "2 of 3 released" in Page(client.get(address)).heading


def test_items_name_the_listings_that_they_are_and_an_empty_screen_says_what_to_do(client, place, tray, listing):
    assert "No item is like “vase”" in text_of(client.get(reverse("items") + "?q=vase"))
    mapped(listing, (tray, 2))
    words = text_of(client.get(reverse("items")))
    assert "10482 Oak serving tray 40 cm" in words and "BF-OAKTRAY-40-UK2 (2 of it)" in words
    other = signed_in(person(Role.OPS, EntityFactory()))
    assert "Import a spreadsheet with them" in text_of(other.get(reverse("items")))


def test_nobody_sees_another_companys_listing(listing, case):
    other = signed_in(person(Role.ECOMMERCE, EntityFactory()))
    assert other.get(reverse("listing", args=[listing.pk])).status_code == 404
    assert other.post(reverse("listing_do", args=[listing.pk, "map"]), {}).status_code == 404
    assert listing.sku not in text_of(other.get(reverse("listings")))


def test_settled_lines_stand_beside_what_waits_and_alone_make_one_case_that_is_in_no_hurry(client, case, tray):
    place = case.entity.connections.first()
    known = line("30.00", sku=case.facts["sku"])
    old = (line("10.00", sku="OLD-1"), line("25.00", sku="OLD-2"), line("5.00", sku="OLD-2"))
    take(place, File(lines=(known, *old, line("7.00", sku="GIFT", marketplace_name="Non-Amazon"))))
    sweep("sku.unmapped", Scope(entity=case.entity))
    case.refresh_from_db()
    assert (case.facts["uses"], case.stake) == ({"settlements": 1}, Decimal("74.97"))
    assert "In settlements 1 line, £30.00" in text_of(client.get(reverse("case", args=[case.pk])))
    together = Case.objects.live().get(type="sku.unmapped", subject="settlements")
    page = client.get(reverse("case", args=[together.pk]))
    assert "2 SKUs in settlements are no item" in Page(page).heading
    assert "OLD-2 United Kingdom 2 lines £30.00 OLD-1 United Kingdom 1 line £10.00" in text_of(page)
    assert together.due_at - together.opened_at == timedelta(days=30)
    assert together.score < min(Case.objects.live().exclude(pk=together.pk).values_list("score", flat=True))
    assert "Map this SKU" not in text_of(page)
    for sku in ("OLD-1", "OLD-2"):
        mapped(Listing.objects.get(sku=sku), (tray, 1))
    sweep("sku.unmapped", Scope(entity=case.entity))
    assert not Case.objects.live().filter(subject="settlements").exists()
