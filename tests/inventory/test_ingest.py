"""A scan becomes a snapshot page by page, counts from its end on, and loses nothing that Amazon says."""

import json
from csv import DictReader
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.integrations.contract import Record
from apps.integrations.models import Job
from apps.inventory.ingest import PLACES, RESEARCH
from apps.inventory.models import QUANTITIES, Level, Snapshot
from apps.inventory.rules import breaks
from tests.inventory.scans import DE, UK, amazon, ended, listing, page, running, scan, summary

pytestmark = pytest.mark.django_db
SHARED = settings.BASE_DIR.parent / "shared"
ALL_OF_IT = {
    "asin": "B0BRACKEN1",
    "fnSku": "X001FULL",
    "sellerSku": "BF-TRAY-OAK-40",
    "condition": "NewItem",
    "lastUpdatedTime": "2026-11-12T09:31:00Z",
    "productName": "Oak tray, 40 cm",
    "totalQuantity": 245,
    "inventoryDetails": {
        "fulfillableQuantity": 100,
        "inboundWorkingQuantity": 20,
        "inboundShippedQuantity": 40,
        "inboundReceivingQuantity": 15,
        "reservedQuantity": {
            "totalReservedQuantity": 50,
            "pendingCustomerOrderQuantity": 12,
            "pendingTransshipmentQuantity": 30,
            "fcProcessingQuantity": 8,
        },
        "researchingQuantity": {
            "totalResearchingQuantity": 6,
            "researchingQuantityBreakdown": [
                {"name": "researchingQuantityInShortTerm", "quantity": 1},
                {"name": "researchingQuantityInMidTerm", "quantity": 2},
                {"name": "researchingQuantityInLongTerm", "quantity": 3},
            ],
        },
        "unfulfillableQuantity": {
            "totalUnfulfillableQuantity": 21,
            "customerDamagedQuantity": 1,
            "warehouseDamagedQuantity": 2,
            "distributorDamagedQuantity": 3,
            "carrierDamagedQuantity": 4,
            "defectiveQuantity": 5,
            "expiredQuantity": 6,
        },
        "futureSupplyQuantity": {"reservedFutureSupplyQuantity": 7, "futureSupplyBuyableQuantity": 9},
    },
}


def current(place, sku: str, marketplace: str = UK) -> Level:
    return Level.objects.get(snapshot__current=True, listing=listing(place, sku, marketplace))


def test_every_quantity_that_amazon_reports_is_kept():
    place = amazon()
    scan(place, ALL_OF_IT)
    level = current(place, "BF-TRAY-OAK-40")
    said = {name: getattr(level, name) for name in QUANTITIES}
    assert said == {
        "fulfillable": 100, "pending_customer_orders": 12, "pending_transshipment": 30, "fc_processing": 8, "reserved": 50,
        "unfulfillable": 21, "customer_damaged": 1, "warehouse_damaged": 2, "distributor_damaged": 3, "carrier_damaged": 4,
        "defective": 5, "expired": 6, "researching": 6, "researching_short": 1, "researching_mid": 2, "researching_long": 3,
        "inbound_working": 20, "inbound_shipped": 40, "inbound_receiving": 15, "total": 245,
        "future_supply_reserved": 7, "future_supply_buyable": 9,
    }  # fmt: skip
    assert (level.fnsku, level.condition, level.last_updated.isoformat()) == (
        "X001FULL",
        "NewItem",
        "2026-11-12T09:31:00+00:00",
    )
    made = listing(place, "BF-TRAY-OAK-40")
    assert (made.fnsku, made.asin, made.title) == ("X001FULL", "B0BRACKEN1", "Oak tray, 40 cm")


def test_what_is_not_reported_is_not_zero():
    place = amazon()
    scan(place, {"sellerSku": "BARE", "totalQuantity": 4, "lastUpdatedTime": ""})
    level = current(place, "BARE")
    assert {name for name in QUANTITIES if getattr(level, name) is not None} == {"total"}
    assert level.last_updated is None


def test_until_a_scan_is_complete_the_one_before_counts():
    place = amazon()
    scan(place, summary("OAK", 10), summary("ASH", 5))
    run = running(place)
    page(run, summary("OAK", 7))
    assert current(place, "OAK").fulfillable == 10
    assert Snapshot.objects.current().count() == 1
    page(run, summary("ELM", 1), last=True)
    assert current(place, "OAK").fulfillable == 7
    assert current(place, "ELM").fulfillable == 1
    assert Snapshot.objects.current().count() == 1


def test_a_sku_that_a_complete_scan_does_not_name_is_gone_not_zero():
    place = amazon()
    scan(place, summary("OAK", 10), summary("ASH", 5))
    scan(place, summary("OAK", 10))
    counted = Level.objects.filter(snapshot__current=True)
    assert [level.listing.sku for level in counted] == ["OAK"]
    assert listing(place, "ASH").levels.count() == 1


def test_a_scan_without_any_sku_is_a_scan():
    place = amazon(marketplaces=(UK, DE))
    scan(place, summary("OAK", 10))
    assert {(each.marketplace, each.levels.count()) for each in Snapshot.objects.current()} == {(UK, 1), (DE, 0)}
    scan(place)
    assert not Level.objects.filter(snapshot__current=True).exists()


def test_a_marketplace_that_the_connection_left_counts_no_longer():
    place = amazon(marketplaces=(UK, DE))
    scan(place, summary("OAK", 10), summary("EICHE", 4, marketplace=DE))
    place.marketplaces = [UK]
    place.save()
    scan(place, summary("OAK", 9))
    assert [snapshot.marketplace for snapshot in Snapshot.objects.current()] == [UK]


def test_a_second_try_begins_a_snapshot_of_its_own():
    place = amazon()
    run = running(place)
    page(run, summary("OAK", 10), summary("GONE", 1))
    Job.objects.filter(pk=run.job_id).update(attempts_made=2)
    page(run, summary("OAK", 9), last=True)
    (snapshot,) = Snapshot.objects.current()
    assert snapshot.attempt == 2
    assert [level.fulfillable for level in snapshot.levels.all()] == [9]


def test_a_sku_on_two_pages_of_a_scan_is_one_line():
    place = amazon()
    run = running(place)
    page(run, summary("OAK", 10), summary("OAK", 11))
    page(run, summary("OAK", 12), last=True)
    assert [level.fulfillable for level in Level.objects.all()] == [12]


def test_a_replay_says_unchanged_and_a_change_says_changed():
    place = amazon()
    first = scan(place, summary("OAK", 10), summary("ASH", 5))
    assert (first.added, first.changed, first.unchanged) == (2, 0, 0)
    again = scan(place, summary("OAK", 10), summary("ASH", 5))
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    later = scan(place, summary("OAK", 9), summary("ASH", 5), summary("ELM", 1))
    assert (later.added, later.changed, later.unchanged) == (1, 1, 1)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"inventoryDetails": {"fulfillableQuantity": "12"}}, "inventoryDetails.fulfillableQuantity: expected a whole number"),
        ({"inventoryDetails": {"fulfillableQuantity": -1}}, "found -1"),
        ({"inventoryDetails": {"fulfillableQuantity": True}}, "found True"),
        ({"inventoryDetails": {"fulfillableQuantity": 2**31}}, "found 2147483648"),
        ({"inventoryDetails": {"reservedQuantity": 4}}, "inventoryDetails.reservedQuantity: expected an object, found 4"),
        ({"inventoryDetails": []}, "inventoryDetails: expected an object"),
        (
            {"inventoryDetails": {"researchingQuantity": {"researchingQuantityBreakdown": [{"name": "forever"}]}}},
            "expected one of researchingQuantityInShortTerm",
        ),
        (
            {"inventoryDetails": {"researchingQuantity": {"researchingQuantityBreakdown": 3}}},
            "expected a list of objects, found 3",
        ),
        ({"lastUpdatedTime": "yesterday"}, "lastUpdatedTime: expected an instant"),
        ({"lastUpdatedTime": "2026-13-45T00:00:00Z"}, "lastUpdatedTime: expected an instant"),
        ({"totalQuantity": 1.5}, "totalQuantity: expected a whole number"),
        ({"fnSku": "X" * 21}, "fnSku: expected text of at most 20 characters"),
        ({"fnSku": "X\x00"}, "fnSku: expected text"),
        ({"sellerSku": ""}, "sellerSku: expected the SKU"),
        ({"sellerSku": "S" * 121}, "sellerSku: expected text of at most 120"),
    ],
)
def test_what_cannot_be_read_is_kept_raw_and_named_beside_the_others(broken, words):
    place = amazon()
    stored = scan(place, {"sellerSku": "ODD"} | broken, summary("OAK", 10))
    (unreadable,) = stored.unreadable
    assert words in unreadable.words and unreadable.raw == Record.of("", {"sellerSku": "ODD"} | broken).data
    assert (stored.added, stored.seen) == (1, 2)
    assert current(place, "OAK").fulfillable == 10
    for level in Level.objects.exclude(listing__sku="OAK"):  # there, and not known: neither gone nor zero
        assert (level.listing.sku, level.fulfillable) == ("ODD", None)


def test_a_record_that_is_read_again_goes_into_what_counts():
    place = amazon()
    run = running(place)
    page(run, summary("OAK", 10), last=True)
    ended(run)
    assert page(run, summary("ODD", 3)).added == 1
    assert current(place, "ODD").fulfillable == 3
    assert page(run, summary("ELSEWHERE", 3), marketplace=DE).seen == 1
    assert not Level.objects.filter(listing__marketplace=DE).exists()


def test_a_page_costs_as_many_queries_for_50_skus_as_for_one():
    place = amazon()
    many = [summary(f"SKU-{n}", n) for n in range(50)]
    scan(place, *many)
    run = running(place)
    page(run, many[0])
    with CaptureQueriesContext(database) as one:
        page(run, many[0])
    with CaptureQueriesContext(database) as fifty:
        page(run, *many)
    assert len(one) == len(fifty), [query["sql"] for query in fifty]


def test_two_companies_with_one_sku_never_meet():
    ours, theirs = amazon(), amazon()
    scan(ours, summary("OAK", 10))
    scan(theirs, summary("OAK", 3))
    assert (current(ours, "OAK").fulfillable, current(theirs, "OAK").fulfillable) == (10, 3)
    assert Snapshot.objects.current().count() == 2


def test_the_names_that_are_read_are_those_of_amazons_model():
    path = SHARED / "amazon-models" / "fbaInventory.json"
    if not path.exists():
        pytest.skip("Amazon's models are not beside this checkout")
    shapes = json.loads(path.read_text())["definitions"]
    below = {name: shape["$ref"].rpartition("/")[2] for name, shape in shapes["InventoryDetails"]["properties"].items()
             if "$ref" in shape}  # fmt: skip
    said = {(name,) for name in shapes["InventoryDetails"]["properties"] if name not in below}
    said |= {(name, part) for name, kind in below.items() for part in shapes[kind]["properties"]}
    said.discard(("researchingQuantity", "researchingQuantityBreakdown"))
    read = {place for place in PLACES.values() if place[0] != "futureSupplyQuantity"}  # of older answers
    assert read == said
    assert set(RESEARCH) == set(shapes["ResearchingQuantityEntry"]["properties"]["name"]["enum"])


def test_an_answer_that_others_published_is_read():
    path = SHARED / "samples" / "spapi-json" / "THIRDPARTY_fbaInventory.getInventorySummaries.json"
    if not path.exists():
        pytest.skip("no samples beside this checkout")
    told = json.loads(path.read_text())["payload"]["inventorySummaries"]
    place = amazon()
    stored = scan(place, *told)
    assert (stored.added, stored.unreadable) == (len(told), [])
    level = current(place, told[0]["sellerSku"])
    assert level.fulfillable == told[0]["inventoryDetails"]["fulfillableQuantity"]
    assert level.pending_customer_orders is None and level.reserved is not None


def test_a_table_of_summaries_that_others_published_is_read_with_its_broken_sums():
    folder: Path = SHARED / "samples" / "dbt-seeds"
    if not folder.exists():
        pytest.skip("no samples beside this checkout")
    with (folder / "fba_inventory_summary.csv").open() as file:
        rows = list(DictReader(file))
    place = amazon()
    stored = scan(place, *(_summary_of(row) for row in rows))
    assert stored.seen == len(rows) and not stored.unreadable
    levels = Level.objects.filter(snapshot__current=True).select_related("listing")
    told = {row["seller_sku"]: row for row in rows}
    for level in levels:
        row = told[level.listing.sku]
        assert (level.fulfillable, level.total) == (int(row["fulfillable_quantity"]), int(row["total_quantity"]))
        parts = ("pending_customer_order_quantity", "pending_transshipment_quantity", "fc_processing_quantity")
        adds_up = sum(int(row[part]) for part in parts) == int(row["total_reserved_quantity"])
        assert adds_up == ("reserved" not in [found.identity.name for found in breaks(level.quantities)])


def _summary_of(row: dict[str, str]) -> dict:
    """A row of the table in Amazon's own shape."""

    def units(name: str) -> int | None:
        return int(row[name]) if row.get(name) else None

    return {
        "sellerSku": row["seller_sku"],
        "fnSku": row["fn_sku"],
        "asin": row["asin"][:10],
        "condition": row["condition"],
        "productName": row["product_name"],
        "totalQuantity": units("total_quantity"),
        "inventoryDetails": {
            "fulfillableQuantity": units("fulfillable_quantity"),
            "inboundWorkingQuantity": units("inbound_working_quantity"),
            "inboundShippedQuantity": units("inbound_shipped_quantity"),
            "inboundReceivingQuantity": units("inbound_receiving_quantity"),
            "reservedQuantity": {
                "totalReservedQuantity": units("total_reserved_quantity"),
                "pendingCustomerOrderQuantity": units("pending_customer_order_quantity"),
                "pendingTransshipmentQuantity": units("pending_transshipment_quantity"),
                "fcProcessingQuantity": units("fc_processing_quantity"),
            },
            "researchingQuantity": {"totalResearchingQuantity": units("total_researching_quantity")},
            "unfulfillableQuantity": {
                "totalUnfulfillableQuantity": units("total_unfulfillable_quantity"),
                "customerDamagedQuantity": units("customer_damaged_quantity"),
                "warehouseDamagedQuantity": units("warehouse_damaged_quantity"),
                "distributorDamagedQuantity": units("distributor_damaged_quantity"),
                "carrierDamagedQuantity": units("carrier_damaged_quantity"),
                "defectiveQuantity": units("defective_quantity"),
                "expiredQuantity": units("expired_quantity"),
            },
        },
    }
