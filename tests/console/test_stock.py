"""Stock on the screen: each figure with its age, what may be sold of it, what moved, what the ERP sees otherwise, buffers."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.inventory.models import Buffer
from apps.inventory.operations import ErpCount, set_buffer, take_erp_stock
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, ItemFactory, mapped, person
from tests.inventory.scans import DE, UK, aged, amazon, listing, scan, summary

pytestmark = pytest.mark.django_db
DRAWN = {"pending": 14, "moving": 31, "processing": 6, "damaged": 7, "defective": 2, "receiving": 10, "looked_for": 4}


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def tom(entity) -> User:
    return person(Role.ECOMMERCE, entity, name="Tom Ashworth")


@pytest.fixture
def client(tom) -> Client:
    return signed_in(tom)


@pytest.fixture
def place(entity):
    return amazon(entity, name="Brackenfold UK", marketplaces=(UK, DE))


def text(response) -> str:
    """What the page says, without its markup."""
    body = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body[body.index("<main") :]))


def count(entity: Entity, actor: User, item, on_hand: int, node: str = "FBA-UK") -> None:
    rows = [ErpCount(item_id=item.pk, node=node, on_hand=on_hand)]
    at = datetime(2026, 11, 12, 9, 30, tzinfo=UTC)
    take_erp_stock(entity=entity, rows=rows, as_of=at, source=f"import:{node}", actor=actor)


def page_of(client: Client, place, sku: str, asked: str = ""):
    return client.get(reverse("stock_listing", args=[listing(place, sku).pk]) + asked)


def test_without_a_connection_it_says_who_brings_stock(client):
    told = text(client.get("/stock/"))
    assert "No stock is here yet" in told and "An admin connects an Amazon seller account" in told


def test_a_list_of_what_can_be_picked_with_its_age(client, place):
    scan(place, summary("BF-SAGE", 236, **DRAWN), summary("BF-BARE", None), summary("BF-NONE", 0))
    aged(place, minutes=11)
    told = text(client.get("/stock/"))
    assert "1 listing has nothing left to sell" in told
    assert "BF-SAGE, made up · United Kingdom No item 236 51 10 9 4 236 11 m ago" in told
    assert "BF-BARE, made up · United Kingdom No item Not known 0 0 0 0 Not known 11 m ago" in told


def test_each_filter_shows_its_own(client, entity, tom, place):
    old = amazon(entity, name="Brackenfold old")
    scan(place, summary("PLENTY", 50), summary("LITTLE", 3), summary("DRIFTS", 9))
    scan(old, summary("FORGOTTEN", 7))
    aged(old, hours=3)
    item = ItemFactory(entity=entity)
    mapped(listing(place, "DRIFTS"), (item, 1))
    count(entity, tom, item, 10)
    set_buffer(entity=entity, listing=None, least=3, percent=Decimal(0), reason="Ours", actor=tom)
    set_buffer(entity=entity, listing=listing(place, "PLENTY"), least=0, percent=Decimal(100), reason="None", actor=tom)
    shown = {
        show: {words for words, href in Page(client.get(f"/stock/?show={show}")).links if re.match(r"/stock/\d", href)}
        for show in ("all", "drift", "low", "stale", "nonsense")
    }
    everything = {"PLENTY", "LITTLE", "DRIFTS", "FORGOTTEN"}
    assert shown == {
        "all": everything, "drift": {"DRIFTS"}, "low": {"LITTLE", "PLENTY"}, "stale": {"FORGOTTEN"}, "nonsense": everything
    }  # fmt: skip
    assert "What Amazon holds for Brackenfold old was counted too long ago" in text(client.get("/stock/"))


def test_the_drawn_screen_explains_14_of_16(client, entity, tom, place):
    scan(place, summary("BF-SAGE", 236, **DRAWN))
    item = ItemFactory(entity=entity, code="LINEN-KG-SAGE")
    mapped(listing(place, "BF-SAGE"), (item, 1))
    count(entity, tom, item, 312)
    response = page_of(client, place, "BF-SAGE")
    assert Page(response).heading == "The ERP counts 312 at FBA-UK, Amazon holds 296: 14 of the 16 are explained"
    told = text(response)
    assert "Shipped, not yet received inboundReceivingQuantity accounts for 10 of it 10" in told
    assert "Not explained 2 ERP, on hand at FBA-UK counted Thu 12 Nov 09:30" in told
    assert "Unsellable 9 totalUnfulfillableQuantity No 7 damaged by customers, 2 defective" in told
    assert "ERP 312: −16, 2 not explained" in text(client.get("/stock/"))


def test_units_that_two_skus_and_two_marketplaces_show_are_counted_once(client, entity, tom, place):
    shared = [summary(sku, 40, fnSku="X001SHARED") for sku in ("BF-A", "BF-B")]
    scan(place, *shared, summary("BF-C", 5), summary("BF-A", 40, fnSku="X001SHARED", marketplace=DE))
    item = ItemFactory(entity=entity)
    for sku, marketplace in (("BF-A", UK), ("BF-B", UK), ("BF-C", UK), ("BF-A", DE)):
        mapped(listing(place, sku, marketplace), (item, 1))
    count(entity, tom, item, 45)
    response = page_of(client, place, "BF-A")
    assert "The same units, X001SHARED, are shown by BF-A , BF-B : counted once" in text(response)
    assert "ERP, on hand at FBA-UK" in text(response)
    assert Page(response).heading == "40 of BF-A may be sold elsewhere, of 40 that can be picked"  # 45 agree
    assert "Differs from the ERP 0" in text(client.get("/stock/"))


def test_an_erp_place_that_is_not_amazons_is_not_compared(client, entity, tom, place):
    scan(place, summary("BF-SAGE", 10))
    item = ItemFactory(entity=entity)
    mapped(listing(place, "BF-SAGE"), (item, 1))
    count(entity, tom, item, 999, node="Leeds")
    count(entity, tom, item, 999, node="FBA-DE")
    assert "Nothing to compare with" in text(page_of(client, place, "BF-SAGE"))


def test_what_moved_since_the_scan_before_is_named(client, place):
    scan(place, summary("BF-SAGE", 100, receiving=10, pending=5))
    scan(place, summary("BF-SAGE", 106, receiving=4, pending=2, damaged=1))
    told = text(page_of(client, place, "BF-SAGE"))
    assert "6 Shipped, not yet received Can be picked now" in told
    assert "3 For customer orders Out, with customers’ orders" in told
    assert "+1 Unsellable Not explained" in told and "Not explained: +1 in all" in told


def test_a_listing_that_the_scan_no_longer_names_is_gone_not_zero(client, place):
    scan(place, summary("BF-SAGE", 10), summary("BF-GONE", 4))
    scan(place, summary("BF-SAGE", 10))
    response = page_of(client, place, "BF-GONE")
    assert Page(response).heading == "BF-GONE is in no current scan of Amazon's stock"
    assert "Gone is not zero" in text(response) and "with 4 to pick" in text(response)


def test_what_if_changes_nothing(client, place):
    scan(place, summary("BF-SAGE", 236))
    told = text(page_of(client, place, "BF-SAGE", "?least=3&percent=8"))
    assert "Then 236 − 0 − 19 = 217 may be sold elsewhere, now 236." in told
    assert not Buffer.objects.exists()
    for odd in ("?least=-1&percent=8", "?percent=abc", "?least=9999999999"):
        response = page_of(client, place, "BF-SAGE", odd)
        assert response.status_code == 200 and "may be sold elsewhere, now" not in text(response)


def digest_of(response) -> str:
    return re.search(r'name="digest" value="(\w+)"', response.content.decode())[1]


def test_a_buffer_is_previewed_then_set_and_audited(client, place, tom):
    scan(place, summary("BF-SAGE", 236))
    pk = listing(place, "BF-SAGE").pk
    address = reverse("stock_listing_do", args=[pk, "set"])
    asked = {"least": "3", "percent": "5", "where": "here", "reason": "Oversold in autumn"}
    preview = client.post(address, asked | {"preview": "1"})
    assert "Then 236 less 12 kept back: 224 to sell elsewhere" in text(preview)
    assert not Buffer.objects.exists()
    done = client.post(address, asked | {"digest": digest_of(preview)}, follow=True)
    assert "Kept back: at least 3 and 5 %, of BF-SAGE." in done.content.decode()
    assert Page(done).heading == "224 of BF-SAGE may be sold elsewhere, of 236 that can be picked"
    assert "Tom Ashworth kept back at least 3 and 5 %." in text(done)
    assert AuditEntry.objects.filter(verb="buffer.set", actor=tom).count() == 1


def test_a_scan_between_preview_and_deed_shows_the_preview_anew(client, place):
    scan(place, summary("BF-SAGE", 236))
    address = reverse("stock_listing_do", args=[listing(place, "BF-SAGE").pk, "set"])
    asked = {"least": "3", "percent": "5", "where": "here", "reason": "Oversold"}
    digest = digest_of(client.post(address, asked | {"preview": "1"}))
    scan(place, summary("BF-SAGE", 100))
    again = client.post(address, asked | {"digest": digest})
    assert again.status_code == 409 and "Then 100 less 5 kept back: 95" in text(again)
    assert not Buffer.objects.exists()


def test_the_companys_buffer_says_how_many_listings_it_empties(client, place):
    scan(place, summary("BF-A", 2), summary("BF-B", 9), summary("BF-C", None))
    address = reverse("stock_listing_do", args=[listing(place, "BF-A").pk, "set"])
    asked = {"least": "3", "percent": "0", "where": "everywhere", "reason": "At least three"}
    preview = client.post(address, asked | {"preview": "1"})
    assert "Keep back at least 3 of 2 listings" in text(preview)
    assert "at least 3 kept back: 1 listing has nothing left to sell" in text(preview)
    client.post(address, asked | {"digest": digest_of(preview)})
    assert "6 of BF-B may be sold elsewhere, of 9" in text(page_of(client, place, "BF-B"))


def test_a_buffer_is_removed_and_a_form_with_a_fault_says_so(client, place, tom, entity):
    scan(place, summary("BF-SAGE", 10))
    found = listing(place, "BF-SAGE")
    set_buffer(entity=entity, listing=found, least=4, percent=Decimal(0), reason="Four", actor=tom)
    wrong = client.post(reverse("stock_listing_do", args=[found.pk, "set"]), {"least": "-1", "percent": "1.005", "where": "x"})
    assert wrong.status_code == 422
    preview = page_of(client, place, "BF-SAGE", "?do=remove")
    assert "Then 10 less 0 kept back: 10 to sell elsewhere" in text(preview)
    gone = reverse("stock_listing_do", args=[found.pk, "remove"])
    client.post(gone, {"reason": "Enough", "digest": digest_of(preview)})
    assert not Buffer.objects.in_force().exists()
    assert client.post(gone, {"reason": "Again"}).status_code == 404


def test_who_may_not_keep_stock_reads_who_can(place, entity, tom):
    scan(place, summary("BF-SAGE", 10))
    viewer = signed_in(person(Role.VIEWER, entity))
    assert "Your role cannot set stock buffers. Tom Ashworth can." in text(page_of(viewer, place, "BF-SAGE"))
    address = reverse("stock_listing_do", args=[listing(place, "BF-SAGE").pk, "set"])
    assert viewer.post(address, {"least": "1", "percent": "0", "where": "here", "reason": "x"}).status_code == 403


def test_a_broken_sum_is_a_case_that_leads_here_and_back(client, place, entity):
    told = summary("BF-SAGE", 10, pending=2)
    told["inventoryDetails"]["reservedQuantity"]["totalReservedQuantity"] = 5
    scan(place, told)
    case = Case.objects.get(entity=entity, type="stock.identity-break")
    page = client.get(reverse("case", args=[case.pk]))
    assert "BF-SAGE: Amazon says 5 reserved, its parts add up to 2" in text(page)
    assert reverse("stock_listing", args=[listing(place, "BF-SAGE").pk]) in {href for _, href in Page(page).links}
    assert f"/cases/{case.pk}/" in {href for _, href in Page(page_of(client, place, "BF-SAGE")).links}


def test_a_stale_snapshot_is_a_case_that_offers_to_pull_again(client, place, entity):
    scan(place, summary("BF-SAGE", 10))
    aged(place, hours=3)
    sweep("stock.snapshot-stale", Scope(entity=entity))
    case = Case.objects.get(entity=entity, type="stock.snapshot-stale")
    told = text(client.get(reverse("case", args=[case.pk])))
    assert "What Amazon holds for Brackenfold UK was last counted 3 h 0 m ago" in told
    assert "United Kingdom A1F83G8C2ARO7P" in told and "Pulled every 15 minutes; too old after 120" in told
    assert "Until the scan is complete, the one before counts." in told
    assert f"/cases/{case.pk}/" in {href for _, href in Page(client.get("/stock/")).links}


def test_a_flipped_listing_is_a_case_that_removes_its_buffer(client, place, entity, tom):
    scan(place, summary("BF-SAGE", 10))
    found = listing(place, "BF-SAGE")
    found.channel = "MFN"
    found.save()
    set_buffer(entity=entity, listing=found, least=4, percent=Decimal(0), reason="Four", actor=tom)
    found.channel = "AFN"
    found.save()
    sweep("stock.partition-violation", Scope(entity=entity))
    case = Case.objects.get(entity=entity, type="stock.partition-violation")
    page = client.get(reverse("case", args=[case.pk]))
    assert "BF-SAGE is shipped by Amazon now, and a buffer of at least 4 of our own stock is still set" in text(page)
    address = reverse("act", args=[case.pk, "remove"])
    preview = client.post(address, {"reason": "Amazon ships it", "preview": "1"})
    assert "The buffer of at least 4 ends today: from then on nothing of it is kept back." in text(preview)
    client.post(address, {"reason": "Amazon ships it", "digest": digest_of(preview)})
    case.refresh_from_db()
    assert case.state == "resolved" and not Buffer.objects.in_force().exists()
