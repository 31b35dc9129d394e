"""Amazon's listings: who ships, what each is called, and no record that is lost or counted twice."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.catalog.ingest import store
from apps.catalog.listings import listings_for
from apps.catalog.models import Listing
from apps.catalog.records import Odd, channel_of, read
from apps.integrations.contract import Page, Record
from apps.integrations.models import Source
from tests.factories import ConnectionFactory

UK, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"
PICTURE = "https://m.media-amazon.com/images/I/oaktray.jpg"


def item(sku="BF-OAKTRAY-40", marketplace=UK, codes=("DEFAULT",), **summary) -> Record:
    """A listings item as the feed brings it."""
    named = {
        "marketplaceId": marketplace,
        "asin": "B0BFOAK040",
        "itemName": "Oak serving tray 40 cm",
        "fnSku": "X00BFOAK40",
        "mainImage": {"link": PICTURE, "height": 500, "width": 500},
    }
    data = {
        "marketplace": marketplace,
        "sku": sku,
        "summaries": [{"marketplaceId": "ATVPDKIKX0DER", "asin": "B0OTHER000"}, named | summary],
        "attributes": {
            "externally_assigned_product_identifier": [
                {"type": "ean", "value": "5060712340486", "marketplace_id": marketplace}
            ]
        },
        "fulfillmentAvailability": [{"fulfillmentChannelCode": code, "quantity": 3} for code in codes],
    }
    return Record.of(f"{marketplace}/{sku}", data)


@pytest.fixture
def source(db):
    return Source.objects.create(connection=ConnectionFactory(), feed="amazon.listings", every=timedelta(hours=6))


def take(source, *records):
    stored = store(source, Page(records=list(records), cursor={}), [])
    assert stored.seen == len(records)
    return stored.added, stored.changed, stored.unchanged, [odd.words for odd in stored.unreadable]


@pytest.mark.parametrize(
    ("codes", "channel"),
    [
        (["DEFAULT"], "MFN"),
        (["AMAZON_EU"], "AFN"),
        (["AMAZON_EU", "AMAZON_NA"], "AFN"),
        (["AMAZON_EU", "DEFAULT"], ""),
        (["WAREHOUSE_7"], ""),
        (["DEFAULT", "WAREHOUSE_7"], ""),
        ([], ""),
    ],
)
def test_who_ships_is_known_where_one_channel_is_named(codes, channel):
    assert channel_of(codes) == channel


def test_a_listing_is_known_with_all_that_amazon_says_of_it_in_its_marketplace(source):
    assert take(source, item(), item(sku="BF-MUG", marketplace=DE, codes=["AMAZON_EU"])) == (2, 0, 0, [])
    tray = Listing.objects.get(sku="BF-OAKTRAY-40")
    assert (tray.marketplace, tray.channel, tray.asin, tray.fnsku) == (UK, "MFN", "B0BFOAK040", "X00BFOAK40")
    assert (tray.ean, tray.title, tray.picture) == ("5060712340486", "Oak serving tray 40 cm", PICTURE)
    assert Listing.objects.get(sku="BF-MUG").channel == "AFN"


def test_the_same_again_is_unchanged_and_writes_nothing(source):
    records = [item(sku=f"SKU-{n}") for n in range(20)]
    assert take(source, *records) == (20, 0, 0, [])
    before = list(Listing.objects.values_list("changed_at", flat=True))
    with CaptureQueriesContext(database) as asked:
        assert take(source, *records) == (0, 0, 20, [])
    assert len(asked) == 1
    assert list(Listing.objects.values_list("changed_at", flat=True)) == before


def test_what_changes_is_counted_and_what_is_not_said_stays_known(source):
    take(source, item(), item(sku="BF-MUG"))
    assert take(source, item(itemName="Oak tray"), item(sku="BF-MUG")) == (0, 1, 1, [])
    assert take(source, Record.of("x", {"marketplace": UK, "sku": "BF-MUG"})) == (0, 1, 0, [])
    mug = Listing.objects.get(sku="BF-MUG")
    assert (mug.title, mug.asin, mug.picture) == ("Oak serving tray 40 cm", "B0BFOAK040", PICTURE)
    assert mug.channel == ""


def test_a_listing_that_an_order_named_first_is_filled(source):
    made = listings_for(source.connection, [(UK, "BF-OAKTRAY-40", "", "Tray as ordered")])
    assert take(source, item()) == (0, 1, 0, [])
    tray = Listing.objects.get(pk=made[UK, "BF-OAKTRAY-40"])
    assert (tray.title, tray.asin) == ("Oak serving tray 40 cm", "B0BFOAK040")


def test_a_listing_that_comes_twice_is_one_and_each_record_is_counted(source):
    assert take(source, item(), item()) == (1, 0, 1, [])
    assert take(source, item(itemName="Oak tray"), item(itemName="Oak tray, round")) == (0, 2, 0, [])
    assert Listing.objects.get().title == "Oak tray, round"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "Expected a listings item"),
        ({"marketplace": UK}, "sku: expected a text"),
        ({"marketplace": UK, "sku": 47120}, "sku: expected a text, and this is int"),
        ({"marketplace": UK, "sku": "x" * 121}, "sku: expected at most 120"),
        ({"sku": "A"}, "marketplace: expected a text"),
        ({"marketplace": UK, "sku": "A\0"}, "sku: it holds a character that is none"),
        ({"marketplace": UK, "sku": "A\ud800"}, "sku: it holds a character that is none"),
        ({"marketplace": UK, "sku": "A", "summaries": {}}, "summaries: expected a list"),
        ({"marketplace": UK, "sku": "A", "attributes": []}, None),
        ({"marketplace": UK, "sku": "A", "attributes": [1]}, "attributes: expected an object"),
        ({"marketplace": UK, "sku": "A", "summaries": [{"marketplaceId": UK, "asin": "B" * 11}]}, "asin: expected at"),
        ({"marketplace": UK, "sku": "A", "fulfillmentAvailability": [{}]}, "fulfillmentChannelCode: expected a text"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_field(data, words):
    if words is None:
        assert read(data).sku == "A"
    else:
        with pytest.raises(Odd, match=words):
            read(data)


def test_an_unreadable_record_is_kept_and_does_not_stop_the_others(source):
    bad = Record.of(f"{UK}/?", {"marketplace": UK, "sku": None})
    assert take(source, bad, item()) == (1, 0, 0, ["sku: expected a text, and there is none."])
    assert Listing.objects.count() == 1


def test_what_is_no_identifier_or_picture_is_left_out():
    data = item(mainImage={"link": "javascript:alert(1)"}).data
    data["attributes"]["externally_assigned_product_identifier"] = [
        {"type": "ean", "value": "n/a"},
        {"type": "ean", "value": "5060712340400", "marketplace_id": DE},
        {"type": "upc", "value": "506071234048"},
    ]
    seen = read(data)
    assert (seen.picture, seen.ean) == ("", "506071234048")
