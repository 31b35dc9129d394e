"""What stock's cases find, and what people do about them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.catalog.models import Listing
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import Command, Source
from apps.integrations.operations import change_marketplaces
from apps.inventory.drift import comparisons, differing
from apps.inventory.models import Buffer, ErpStock, Level, Snapshot
from apps.inventory.nodes import marketplace_of
from apps.inventory.operations import PUSH, buffer_in_force, remove_buffer, set_buffer
from apps.inventory.rules import Margin, promise
from tests.console.conftest import signed_in
from tests.factories import EntityFactory, ItemFactory, ListingFactory, mapped, person
from tests.inventory.scans import DE, UK, aged, amazon, listing, page, running, scan, summary

pytestmark = pytest.mark.django_db(transaction=True)
STALE, BREAK, PARTITION = "stock.snapshot-stale", "stock.identity-break", "stock.partition-violation"


@pytest.fixture
def entity() -> Entity:
    return EntityFactory()


@pytest.fixture
def keeper(entity) -> User:
    return person(Role.ECOMMERCE, entity)


def found(entity: Entity, code: str) -> list[Case]:
    sweep(code, Scope(entity=entity))
    return list(Case.objects.live().filter(entity=entity, type=code))


def do(case: Case, name: str, actor: User) -> str:
    action = find_action(case, name)
    data = {"reason": "Amazon ships it now"}
    _, planned = plan(case=case, action=action, actor=actor, data=data)
    return perform(case=case, action=action, actor=actor, data=data, digest=planned.digest).words


def broken(sku: str, **said) -> dict:
    told = summary(sku, 10, pending=2, **said)
    told["inventoryDetails"]["reservedQuantity"]["totalReservedQuantity"] = 5
    return told


def test_a_slow_schedule_is_given_two_pulls(entity):
    place = amazon(entity)
    scan(place, summary("OAK"))
    aged(place, hours=3)
    assert len(found(entity, STALE)) == 1
    Source.objects.filter(connection=place).update(every=timedelta(hours=2))
    assert found(entity, STALE) == []
    aged(place, hours=5)
    assert len(found(entity, STALE)) == 1


def test_a_connection_that_never_told_anything_is_stale_from_its_making_on(entity):
    place = amazon(entity, name="Brightfold UK")
    assert found(entity, STALE) == []
    long_ago = timezone.now() - timedelta(hours=3)
    Source.objects.update(created_at=long_ago, watched_from=long_ago)
    (case,) = found(entity, STALE)
    assert case.kind.headline(case) == "Brightfold UK has not told us once what Amazon holds"
    scan(place)
    assert found(entity, STALE) == []


def test_a_marketplace_that_the_connection_leaves_has_no_case_any_more(entity):
    place, admin = amazon(entity, marketplaces=(UK, DE)), person(Role.ADMIN, entity)
    scan(place, summary("OAK"), summary("ASH", marketplace=DE), broken("ELM", marketplace=DE))
    Snapshot.objects.filter(marketplace=DE).update(began_at=timezone.now() - timedelta(days=4))
    assert (len(found(entity, STALE)), len(found(entity, BREAK))) == (1, 1)
    change_marketplaces(connection=place, marketplaces=[UK], actor=admin)
    assert (found(entity, STALE), found(entity, BREAK)) == ([], [])
    assert Snapshot.objects.get(marketplace=DE).levels.count() == 2  # as history
    shown = signed_in(person(Role.ECOMMERCE, entity)).get(reverse("stock")).content.decode()
    assert "OAK" in shown and "ASH" not in shown


def test_one_that_it_takes_instead_is_not_stale_before_it_could_be_scanned(entity):
    place = amazon(entity)
    Source.objects.update(created_at=timezone.now() - timedelta(days=9))
    scan(place, summary("OAK"))
    change_marketplaces(connection=place, marketplaces=[DE], actor=person(Role.ADMIN, entity))
    assert found(entity, STALE) == []


def test_the_oldest_marketplace_counts_and_a_paused_feed_does_not_heal_itself(entity):
    place = amazon(entity, marketplaces=(UK, DE), name="Brightfold UK")
    scan(place, summary("OAK"))
    Snapshot.objects.filter(marketplace=DE).update(began_at=timezone.now() - timedelta(days=4))
    Source.objects.update(paused=True)
    (case,) = found(entity, STALE)
    assert case.diagnosis == "structural"
    assert (
        case.kind.headline(case)
        == "What Amazon holds for Brightfold UK was last counted 4 days ago: its feed is paused"
    )


def test_a_second_look_at_a_stale_snapshot_writes_nothing(entity):
    place = amazon(entity)
    scan(place, summary("OAK"))
    aged(place, hours=3)
    found(entity, STALE)
    assert sweep(STALE, Scope(entity=entity)).refreshed == 0


def test_one_pool_that_does_not_add_up_is_one_case(entity):
    place = amazon(entity, marketplaces=(UK, DE))
    scan(place, broken("BF-A", fnSku="X001"), broken("BF-B", fnSku="X001"), broken("BF-C"), summary("BF-D"))
    first, second = sorted(found(entity, BREAK), key=lambda case: case.facts["skus"])
    assert (first.facts["skus"], second.facts["skus"]) == (["BF-A", "BF-B"], ["BF-C"])
    (told,) = first.facts["breaks"]
    assert (told["name"], told["said"], told["summed"]) == ("Reserved", 5, 2)
    assert first.subject == f"{place.pk}/{UK}/X001"


def test_the_same_figures_in_the_next_scan_change_no_case(entity):
    place = amazon(entity)
    scan(place, broken("OAK"))
    found(entity, BREAK)
    run = running(place)
    page(run, broken("OAK"), last=True)
    swept = sweep(BREAK, Scope(entity=entity))
    assert (swept.opened, swept.refreshed, swept.cleared) == (0, 0, 0)


def test_a_figure_that_was_not_reported_breaks_nothing(entity):
    told = broken("OAK")
    told["inventoryDetails"]["reservedQuantity"]["fcProcessingQuantity"] = None
    scan(amazon(entity), told)
    assert found(entity, BREAK) == []


def flipped(entity: Entity, keeper: User, pushes: int = 0) -> Listing:
    """A listing with a buffer and quantities to be sent, of the time before Amazon took it over."""
    ours = ListingFactory(connection=amazon(entity), channel="MFN", sku="BF-TRAY")
    set_buffer(entity=entity, listing=ours, least=3, percent=Decimal(5), reason="Promised", actor=keeper)
    for number in range(pushes):
        Command.objects.create(
            entity=entity, target="amazon", kind=PUSH, key=f"push:{number}", subject=f"listing:{ours.pk}"
        )
    Listing.objects.filter(pk=ours.pk).update(channel="AFN")
    return ours


def test_a_buffer_of_amazons_own_stock_violates_nothing(entity, keeper):
    for channel in ("AFN", ""):
        theirs = ListingFactory(connection=amazon(entity), channel=channel)
        set_buffer(entity=entity, listing=theirs, least=3, percent=Decimal(0), reason="For Amazon", actor=keeper)
        Listing.objects.filter(pk=theirs.pk).update(channel="AFN")
    assert found(entity, PARTITION) == []


def test_what_is_set_for_a_listing_that_amazon_took_over_is_removed(entity, keeper):
    ours = flipped(entity, keeper, pushes=2)
    (case,) = found(entity, PARTITION)
    assert case.kind.headline(case) == (
        "BF-TRAY is shipped by Amazon now, and a buffer of at least 3 and 5 % and 2 quantities to be sent of our own "
        "stock are still set"
    )
    assert do(case, "remove", keeper) == "Nothing of our own stock is set for BF-TRAY any more. 2 not sent."
    assert buffer_in_force(entity, ours) is None
    assert set(Command.objects.values_list("state", flat=True)) == {"cancelled"}
    case.refresh_from_db()
    assert (case.state, case.ended_by) == ("resolved", keeper)


def test_or_the_buffer_is_kept_of_amazons_stock(entity, keeper):
    ours = flipped(entity, keeper)
    (case,) = found(entity, PARTITION)
    assert do(case, "keep", keeper) == "BF-TRAY: at least 3 and 5 % of Amazon's stock."
    kept = buffer_in_force(entity, ours)
    assert (kept.least, kept.percent, kept.channel) == (3, 5, "AFN")
    assert found(entity, PARTITION) == []


def test_a_buffer_that_is_gone_cannot_be_kept(entity, keeper):
    ours = flipped(entity, keeper, pushes=1)
    (case,) = found(entity, PARTITION)
    remove_buffer(buffer=buffer_in_force(entity, ours), reason="Not needed", actor=keeper)
    with pytest.raises(Refused, match="Its buffer was removed meanwhile"):
        do(case, "keep", keeper)
    assert Command.objects.get().state == "waiting"


def test_a_quantity_to_be_sent_alone_is_a_violation_without_a_buffer_to_keep(entity, keeper):
    ours = flipped(entity, keeper, pushes=1)
    Buffer.objects.update(period="empty")
    (case,) = found(entity, PARTITION)
    assert not find_action(case, "keep").available(case)
    do(case, "remove", keeper)
    assert Command.objects.get().state == "cancelled"
    assert buffer_in_force(entity, ours) is None


def test_a_listing_that_comes_back_to_us_clears_it(entity, keeper):
    ours = flipped(entity, keeper)
    found(entity, PARTITION)
    Listing.objects.filter(pk=ours.pk).update(channel="MFN")
    assert found(entity, PARTITION) == []
    assert buffer_in_force(entity, ours) is not None


@pytest.mark.parametrize(
    ("node", "marketplace"),
    [
        ("FBA-UK", UK), ("fba gb", UK), ("FBA_DE", DE), ("Amazon.co.uk", UK), ("AMZN/DE FC", DE), (UK, UK),
        ("Amazon.com US", "ATVPDKIKX0DER"), ("Leeds", ""), ("UK", ""), ("FBA", ""), ("FBAUK", ""), ("Amazing DE", ""), ("", ""),
    ],
)  # fmt: skip
def test_which_places_of_the_erp_are_amazons(node, marketplace):
    assert marketplace_of(node) == marketplace


class Differing(TestCase):
    """The list finds in SQL what the page of a listing explains."""

    @given(
        lines=st.lists(
            st.tuples(
                st.sampled_from(["", "X1", "X2"]),
                st.none() | st.integers(0, 4),
                st.sampled_from([UK, DE]),
                st.integers(0, 2),
            ),
            min_size=1,
            max_size=6,
        ),
        theirs=st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(["FBA-UK", "FBA-DE", "FBA FR", "Leeds"]), st.integers(-1, 9)),
            max_size=6,
        ),
    )
    def test_sql_and_comparison_agree(self, lines, theirs):
        entity = EntityFactory()
        place, items = amazon(entity, marketplaces=(UK, DE)), [ItemFactory(entity=entity) for _ in range(3)]
        told = [
            summary(f"SKU-{n}", count, fnSku=fnsku, marketplace=marketplace)
            for n, (fnsku, count, marketplace, _) in enumerate(lines)
        ]
        scan(place, *told)
        for n, (_, _, marketplace, item) in enumerate(lines):
            mapped(listing(place, f"SKU-{n}", marketplace), (items[item], item + 1))
        for n, (item, node, on_hand) in enumerate(theirs):
            at = timezone.now() - timedelta(hours=n)
            ErpStock.objects.create(
                entity=entity, item=items[item], node=node, on_hand=on_hand, as_of=at, source=f"import:{n}"
            )
        day = timezone.localdate()
        explained = {
            (each.item.pk, each.marketplace): set(each.listings) for each in comparisons([entity], day) if each.differs
        }
        found = {key: set(listings) for key, listings in differing([entity], day).items()}
        assert found == explained


class Low(TestCase):
    """What the list calls low is what the formula leaves nothing of."""

    @given(
        units=st.lists(st.none() | st.integers(0, 60), min_size=1, max_size=6),
        least=st.integers(0, 40),
        percent=st.decimals(0, 100, places=2),
        general=st.none() | st.integers(0, 40),
    )
    def test_sql_and_formula_agree(self, units, least, percent, general):
        entity = EntityFactory()
        keeper, place = person(Role.ECOMMERCE, entity), amazon(entity)
        scan(place, *(summary(f"SKU-{n}", count) for n, count in enumerate(units)))
        own = listing(place, "SKU-0")
        set_buffer(entity=entity, listing=own, least=least, percent=percent, reason="Own", actor=keeper)
        if general is not None:
            set_buffer(entity=entity, listing=None, least=general, percent=Decimal(0), reason="All", actor=keeper)
        margins = {own.pk: Margin(least=least, percent=percent)}
        other = Margin(least=general or 0)
        levels = Level.objects.current().filter(snapshot__connection=place)
        expected = {
            level.pk
            for level in levels
            if (told := promise(level.fulfillable, margins.get(level.listing_id, other))) and not told.available
        }
        assert set(levels.low().values_list("pk", flat=True)) == expected
