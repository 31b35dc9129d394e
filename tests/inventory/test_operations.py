"""What is kept back, what the ERP counts, and which snapshots stay."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.inventory.models import Buffer, ErpStock, Level, Snapshot
from apps.inventory.operations import (
    ErpCount,
    Taken,
    buffer_in_force,
    forget_erp_stock,
    remove_buffer,
    set_buffer,
    take_erp_stock,
)
from apps.inventory.pruning import prune
from tests.factories import EntityFactory, ItemFactory, ListingFactory, person
from tests.inventory.scans import UK, amazon, page, running, scan, summary

pytestmark = pytest.mark.django_db
OCTOBER, NOVEMBER = datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)


@pytest.fixture
def entity():
    return EntityFactory()


@pytest.fixture
def keeper(entity):
    return person(Role.ECOMMERCE, entity)


@pytest.fixture
def listing(entity):
    return ListingFactory(connection__entity=entity, channel="AFN")


def keep(entity, keeper, listing=None, least=3, percent="5", reason="Oversold in autumn") -> Buffer:
    return set_buffer(
        entity=entity, listing=listing, least=least, percent=Decimal(percent), reason=reason, actor=keeper
    )


def test_a_later_buffer_ends_the_one_before_and_both_are_audited(entity, keeper, listing):
    first = keep(entity, keeper, listing)
    second = keep(entity, keeper, listing, least=8, percent="0")
    assert buffer_in_force(entity, listing) == second
    first.refresh_from_db()
    assert first.period.isempty  # it was set today, so it never held for a day
    told = AuditEntry.objects.about(f"listing:{listing.pk}").values_list("verb", "before", "after", "reason")
    assert list(told) == [
        ("buffer.set", {"kept back": "at least 3 and 5 %"}, {"kept back": "at least 8"}, "Oversold in autumn"),
        ("buffer.set", {}, {"kept back": "at least 3 and 5 %"}, "Oversold in autumn"),
    ]


def test_a_removed_buffer_leaves_the_companys(entity, keeper, listing):
    general, own = keep(entity, keeper, percent="10"), keep(entity, keeper, listing)
    remove_buffer(buffer=own, reason="Enough is there", actor=keeper)
    assert buffer_in_force(entity, listing) is None
    assert buffer_in_force(entity, None) == general
    with pytest.raises(Refused, match="not in force any more"):
        remove_buffer(buffer=own, reason="Again", actor=keeper)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"least": -1}, "least"),
        ({"least": 1_000_001}, "least"),
        ({"percent": "100.01"}, "percent"),
        ({"percent": "-1"}, "percent"),
        ({"percent": "1.005"}, "percent"),
        ({"reason": "  "}, "reason"),
    ],
)
def test_a_buffer_that_means_nothing_is_refused_beside_its_field(entity, keeper, listing, values, field):
    with pytest.raises(Refused) as refused:
        keep(entity, keeper, listing, **values)
    assert refused.value.field == field
    assert not Buffer.objects.exists()


def test_the_same_buffer_again_is_no_change(entity, keeper, listing):
    keep(entity, keeper, listing)
    with pytest.raises(Refused, match="That is the buffer already"):
        keep(entity, keeper, listing)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ECOMMERCE])
def test_only_ecommerce_keeps_stock_back(entity, listing, role):
    with pytest.raises(NotAllowed, match="Ecommerce can"):
        keep(entity, person(role, entity), listing)


def test_two_buffers_of_a_listing_never_hold_on_one_day(entity, keeper, listing):
    keep(entity, keeper, listing)
    keep(entity, keeper)
    for row in Buffer.objects.in_force():
        row.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


def counts(*pairs) -> list[ErpCount]:
    return [ErpCount(item_id=item.pk, node=node, on_hand=on_hand) for item, node, on_hand in pairs]


def test_a_sheet_is_taken_once_however_often_it_comes(entity, keeper):
    tray, lamp = ItemFactory(entity=entity), ItemFactory(entity=entity)
    rows = counts((tray, "FBA-UK", 312), (lamp, "FBA-UK", 0), (lamp, "Leeds", -2))
    given = {"entity": entity, "as_of": NOVEMBER, "source": "import:1", "actor": keeper}
    assert take_erp_stock(rows=rows, **given) == Taken(added=3, changed=0, unchanged=0)
    assert take_erp_stock(rows=rows, **given) == Taken(added=0, changed=0, unchanged=3)
    rows[0] = ErpCount(item_id=tray.pk, node="FBA-UK", on_hand=310)
    assert take_erp_stock(rows=rows, **given) == Taken(added=0, changed=1, unchanged=2)
    assert AuditEntry.objects.about("erp-stock:import:1").count() == 2
    assert dict(ErpStock.objects.newest(entity).values_list("item", "on_hand")) == {tray.pk: 310, lamp.pk: -2}


def test_the_latest_count_holds_and_undoing_its_sheet_brings_the_one_before(entity, keeper):
    tray = ItemFactory(entity=entity)
    given = {"entity": entity, "actor": keeper}
    take_erp_stock(rows=counts((tray, "FBA-UK", 312)), as_of=NOVEMBER, source="import:1", **given)
    take_erp_stock(rows=counts((tray, "FBA-UK", 400)), as_of=OCTOBER, source="import:2", **given)
    assert [row.on_hand for row in ErpStock.objects.newest(entity)] == [312]
    assert forget_erp_stock(entity=entity, source="import:1", actor=keeper) == 1
    assert [row.on_hand for row in ErpStock.objects.newest(entity)] == [400]


def test_a_sheet_that_contradicts_itself_or_names_anothers_item_is_refused_whole(entity, keeper):
    tray, foreign = ItemFactory(entity=entity), ItemFactory()
    given = {"entity": entity, "as_of": NOVEMBER, "source": "import:1", "actor": keeper}
    with pytest.raises(Refused, match="counted twice at FBA-UK"):
        take_erp_stock(rows=counts((tray, "FBA-UK", 1), (tray, "FBA-UK", 2)), **given)
    with pytest.raises(Refused, match="not this company's"):
        take_erp_stock(rows=counts((tray, "FBA-UK", 1), (foreign, "FBA-UK", 2)), **given)
    assert not ErpStock.objects.exists()


def test_a_sheet_costs_as_many_queries_for_50_rows_as_for_one(entity, keeper, django_assert_max_num_queries):
    items = [ItemFactory(entity=entity) for _ in range(50)]
    with django_assert_max_num_queries(9):
        rows = counts(*((item, "FBA-UK", 5) for item in items))
        take_erp_stock(entity=entity, rows=rows, as_of=NOVEMBER, source="import:1", actor=keeper)


def test_a_snapshot_of_each_day_the_last_two_and_what_runs_stay():
    place = amazon()
    days_ago = [0, 0, 0, 1, 1, 2, 89, 89, 91, 200]
    snapshots = []
    for days in reversed(days_ago):
        scan(place, summary("OAK", days))
        snapshots.insert(0, Snapshot.objects.current().get())
    for days, snapshot in zip(days_ago, snapshots, strict=True):
        at = timezone.now().replace(hour=0, minute=0, second=1) - timedelta(days=days)
        Snapshot.objects.filter(pk=snapshot.pk).update(began_at=at, complete_at=at)
    run = running(place)
    page(run, summary("OAK", 1))
    assert prune() == 5
    kept = Snapshot.objects.exclude(complete_at=None).order_by("-pk")
    assert list(kept) == [snapshots[0], snapshots[1], snapshots[3], snapshots[5], snapshots[6]]
    assert Level.objects.count() == 6
    assert prune() == 0
    Snapshot.objects.filter(complete_at=None).update(began_at=timezone.now() - timedelta(days=2))
    assert prune() == 1


def push(listing_subject: str) -> None:
    """As any code could write it, without asking us."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO integrations_command (entity_id, target, kind, key, subject, payload, state, words)"
            " VALUES (%s, 'amazon', 'push-quantity', gen_random_uuid(), %s, '{}', 'waiting', '')",
            [EntityFactory().pk, listing_subject],
        )


@pytest.mark.parametrize("channel", ["AFN", ""])
def test_the_database_refuses_a_quantity_for_a_listing_that_we_do_not_ship(channel):
    listing = ListingFactory(channel=channel, marketplace=UK)
    with pytest.raises(IntegrityError, match="not known to be shipped by the merchant"), transaction.atomic():
        push(f"listing:{listing.pk}")
    listing.channel = "MFN"
    listing.save()
    push(f"listing:{listing.pk}")


@pytest.mark.parametrize("subject", ["listing:0", "listing:", "OAK-40", ""])
def test_the_database_refuses_a_quantity_for_it_knows_not_what(subject):
    with pytest.raises(IntegrityError), transaction.atomic():
        push(subject)


def test_a_command_does_not_become_a_quantity_afterwards():
    afn, mfn = ListingFactory(channel="AFN"), ListingFactory(channel="MFN")
    push(f"listing:{mfn.pk}")
    for change in (f"subject = 'listing:{afn.pk}'",):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE integrations_command SET {change}")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE integrations_command SET kind = 'ship-order', subject = %s", [f"listing:{afn.pk}"])
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE integrations_command SET kind = 'push-quantity'")
