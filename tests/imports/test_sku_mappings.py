"""A sheet of SKU mappings: what it would release, what it releases, conflicts for people, and its undoing."""

from datetime import date

import pytest

from apps.catalog.models import RefusedCandidate, SkuMapping
from apps.catalog.operations import MOST_PARTS, MOST_UNITS, change_mapping
from apps.core.errors import Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.imports.importable import SHEETS
from apps.imports.operations import preview_undo, undo
from apps.imports.writing import export
from apps.integrations.jobs import run_here
from apps.integrations.models import Command, Job
from apps.orders.routing import settle_orders
from tests.catalog.mappings import item_of
from tests.factories import (
    ConnectionFactory,
    EntityFactory,
    ItemFactory,
    ListingFactory,
    OrderItemFactory,
    mapped,
    person,
)
from tests.imports.sheets import bring, csv_of, faults, outcomes, save, xlsx

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = ["Connection", "Marketplace", "Merchant SKU", "Item", "Units", "From"]
SINCE = date(2026, 11, 1)
LATER = date(2026, 11, 25)


@pytest.fixture
def place():
    return ConnectionFactory(entity=EntityFactory(name="Brackenfold Home Ltd"), name="amazon.co.uk")


@pytest.fixture
def tom(place):
    return person(Role.ECOMMERCE, place.entity, name="Tom Ashworth")


@pytest.fixture
def mug(place):
    return ItemFactory(entity=place.entity, code="10511", title="Mug")


@pytest.fixture
def tray(place):
    return ItemFactory(entity=place.entity, code="10512", title="Tray")


def row_of(sku: str, item: object = "10511", units: object = 1, since: object = "2026-11-01", **values) -> list:
    named = {"marketplace": "United Kingdom", "connection": "amazon.co.uk"} | values
    return [named["connection"], named["marketplace"], sku, item, units, since]


def test_a_mapping_shows_what_it_frees_and_frees_it_once(place, tom, mug):
    listing, other = ListingFactory(connection=place, sku="MUG"), ListingFactory(connection=place, sku="OTHER")
    alone = OrderItemFactory(order__connection=place, listing=listing).order
    both = OrderItemFactory(order__connection=place, listing=listing).order
    OrderItemFactory(order=both, listing=other)
    settle_orders(place.entity, orders=[alone.pk, both.pk])
    sweep("sku.unmapped", Scope(entity=place.entity))
    row = bring(place.entity, tom, xlsx([HEADER, row_of("MUG")]), sheet="sku-mappings")
    assert row.effect["says"] == "closes 1 exception and frees £24.99"
    assert ["Orders released", "1", "£24.99"] in row.effect["lines"]
    assert ["Orders that still wait", "1", "for another SKU, or for who ships them"] in row.effect["lines"]
    save(row, tom)
    assert item_of(listing, SINCE) == [(mug, 1)]
    live = Case.objects.live().filter(type="sku.unmapped")
    assert [case.facts["listing_id"] for case in live] == [other.pk]
    run_here(Job.objects.get(kind="orders.release"))
    assert Command.objects.get().subject == f"order:{alone.pk}"
    assert AuditEntry.objects.get(verb="sku.mapped").after["source"] == row.source


def test_a_row_before_its_day_frees_nothing_yet(place, tom, mug):
    order = OrderItemFactory(order__connection=place, listing__sku="MUG").order
    settle_orders(place.entity, orders=[order.pk])
    row = bring(place.entity, tom, xlsx([HEADER, row_of("MUG", since="2026-11-21")]), sheet="sku-mappings")
    assert row.effect["says"] == ""
    save(row, tom)
    assert not Job.objects.filter(kind="orders.release").exists()


def test_bundles_changes_conflicts_and_faults_are_told_apart(place, tom, mug, tray):
    held = ListingFactory(connection=place, sku="HELD")
    mapped(held, (mug, 1), since=SINCE)
    ItemFactory(entity=place.entity, code="10999", active=False)
    content = xlsx(
        [
            HEADER,
            row_of("SET", "10512 + 10511", "1 + 2"),
            row_of("HELD", "10512", 1, LATER),
            row_of("OLD", "10999"),
            row_of("TYPO", "10521"),
            row_of("FAR", marketplace="Untied Kingdom"),
            row_of("UNITS", "10511 + 10512", "2"),
            row_of("TWICE", "10511 + 10511", "1 + 1"),
            row_of("WHERE", connection="amazon.uk"),
            row_of("WHEN", since="31/02/2026"),
            row_of("SERIAL", since=46327),
        ]
    )
    row = bring(place.entity, tom, content, sheet="sku-mappings")
    assert outcomes(row) == {2: "added", 3: "changed", **dict.fromkeys(range(4, 12), "bad")}
    said = {number: words for number, [[_, words]] in faults(row).items()}
    assert said == {
        4: "10999 is no longer sold. Expected an active item.",
        5: "10521 is not an item here. Nearest: 10511 Mug.",
        6: "Expected a marketplace, as United Kingdom. Nearest: United Kingdom.",
        7: "2 items, but 1 figures. Expected one for each item, as 2 + 1.",
        8: "An item is there twice. Expected it once, with all its units.",
        9: "No connection has this name. Nearest: amazon.co.uk.",
        10: "No such day.",
        11: "Excel turned a date into a number: 2026-11-01? Expected a date, as 2026-11-01.",
    }
    assert row.rows.get(number=3).changes == {"item": ["10511", "10512"], "since": ["2026-11-01", "2026-11-25"]}
    save(row, tom)
    assert item_of(held, SINCE) == [(mug, 1)]
    assert item_of(held, LATER) == [(tray, 1)]
    assert item_of(place.listings.get(sku="SET"), SINCE) == [(mug, 2), (tray, 1)]


def test_the_same_bundle_twice_is_one(place, tom, mug, tray):
    twice = row_of("SET", "10512 + 10511", "1 + 2")
    row = bring(place.entity, tom, xlsx([HEADER, twice, twice]), sheet="sku-mappings")
    assert outcomes(row) == {2: "added", 3: "same"}


def test_a_bundle_is_as_large_as_a_person_can_make_it_and_no_larger(place, tom):
    codes = [f"2{number:04}" for number in range(MOST_PARTS + 1)]
    for code in codes:
        ItemFactory(entity=place.entity, code=code)
    rows = [(codes, 1), (codes[1:], 1), (codes[:1], MOST_UNITS + 1), (codes[:1], MOST_UNITS)]
    content = [row_of(f"S{n}", " + ".join(of), " + ".join([str(units)] * len(of))) for n, (of, units) in enumerate(rows)]
    row = bring(place.entity, tom, xlsx([HEADER, *content]), sheet="sku-mappings")
    assert outcomes(row) == {2: "bad", 3: "added", 4: "bad", 5: "added"}
    assert faults(row) == {
        2: [[3, f"{MOST_PARTS + 1} items. Expected {MOST_PARTS} at most."]],
        4: [[4, f"Expected {MOST_UNITS:,} units of an item at most."]],
    }


def test_a_conflict_is_never_picked_but_kept_for_a_person_where_asked(place, tom, mug, tray):
    held = ListingFactory(connection=place, sku="HELD")
    mapped(held, (mug, 1), since=SINCE)
    content = xlsx([HEADER, row_of("HELD", "10512"), row_of("NEW")])
    row = bring(place.entity, tom, content, sheet="sku-mappings")
    assert outcomes(row) == {2: "conflict", 3: "added"}
    assert faults(row)[2] == [[3, "From 2026-11-01 on it is 10511 already. Two answers: keep one."]]
    assert not RefusedCandidate.objects.exists()
    save(row, tom, keep_conflicts=True)
    kept = RefusedCandidate.objects.get()
    assert (kept.listing, kept.words, kept.source, kept.refused_from) == (held, "10512", row.source, tom)
    assert item_of(held, SINCE) == [(mug, 1)]
    undo(row=row, reason="Wrong", actor=tom)
    assert not RefusedCandidate.objects.exists()
    assert item_of(place.listings.get(sku="NEW"), SINCE) == []


def test_undo_brings_back_what_was_ended_and_says_what_stays(place, tom, mug, tray):
    held = ListingFactory(connection=place, sku="HELD")
    mapped(held, (mug, 1), since=SINCE)
    before = list(SkuMapping.objects.values("pk", "period"))
    row = save(bring(place.entity, tom, xlsx([HEADER, row_of("HELD", "10512", 1, LATER)]), sheet="sku-mappings"), tom)
    assert preview_undo(row).says == "1 mapping goes. 1 that it ended holds again."
    undo(row=row, reason="Wrong", actor=tom)
    assert list(SkuMapping.objects.in_force().values("pk", "period")) == before


def test_undo_is_refused_where_a_mapping_was_changed_since(place, tom, mug, tray):
    row = save(bring(place.entity, tom, xlsx([HEADER, row_of("MUG")]), sheet="sku-mappings"), tom)
    listing = place.listings.get()
    change_mapping(listing=listing, parts=[(tray, 1)], since=LATER, reason="It is a tray", actor=tom)
    with pytest.raises(Refused, match="1 of its mappings was changed or undone since"):
        preview_undo(row)


@pytest.mark.parametrize(("format", "write"), [("xlsx", xlsx), ("csv", csv_of)])
def test_export_edit_import_is_a_no_op(place, tom, mug, tray, format, write):
    mapped(ListingFactory(connection=place, sku="0010"), (mug, 2), (tray, 1))
    mapped(ListingFactory(connection=place, sku="+SKU 1E+12 "), (tray, 1), since=SINCE)
    mapped(ListingFactory(connection=place, sku="MUG", marketplace="UNHEARD"), (mug, 1))
    content = export(SHEETS["sku-mappings"], place.entity, format).read()
    row = bring(place.entity, tom, content, sheet="sku-mappings")
    assert (row.same, row.rows_read) == (3, 3), faults(row)
