"""What had an item when it came in stays so, what has one now follows the mappings; both agree with a list of what happened."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection as database
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.catalog import operations
from apps.catalog.models import Listing, SkuMapping
from apps.core.coverage import Fall, Share, Week, falls, newest_telling
from apps.core.models import ReferenceRate
from apps.core.permissions import Role
from apps.orders.coverage import ARRIVED, MONEY, NOW, UNITS, lacking, trend
from apps.orders.models import OrderItem
from tests.factories import (
    ConnectionFactory,
    EntityFactory,
    ItemFactory,
    ListingFactory,
    OrderFactory,
    OrderItemFactory,
    person,
)
from tests.orders.amazon import line, record
from tests.orders.take import source_of, take

pytestmark = pytest.mark.django_db
FIRST = date(2026, 10, 5)  # a Monday
DAYS = 21
SKUS = ["LAMP", "TRAY"]
PROVEN = import_module("apps.orders.migrations.0006_mapped_at_arrival").PROVEN


@dataclass
class Company:
    """A company whose SKUs are mapped from a day on, or not at all."""

    place: object
    item: object
    actor: object

    @classmethod
    def new(cls) -> "Company":
        entity = EntityFactory()
        return cls(ConnectionFactory(entity=entity, kind="amazon"), ItemFactory(entity=entity), person(Role.ECOMMERCE, entity))

    def take(self, number: int, *lines: dict, day: int = 0, **values) -> None:
        bought = datetime(2026, 10, 5, 12, tzinfo=UTC) + timedelta(days=day)
        times = {"createdTime": bought.isoformat(), "lastUpdatedTime": timezone.now().isoformat()}
        take(source_of(self.place), record(number, *lines, **values) | times)

    def map(self, sku: str, day: int = 0) -> None:
        operations.map_sku(
            listing=Listing.objects.get(connection=self.place, sku=sku), parts=[(self.item, 1)],
            since=FIRST + timedelta(days=day), reason="", actor=self.actor,
        )  # fmt: skip

    def undo(self, sku: str) -> None:
        mapping = SkuMapping.objects.in_force().get(listing__connection=self.place, listing__sku=sku)
        operations.undo_mapping(mapping=mapping, reason="", actor=self.actor)

    @property
    def weeks(self) -> list:
        return trend([self.place.entity_id])


@dataclass(frozen=True)
class Sold:
    """A line as the list of what happened has it."""

    sku: str
    units: int
    price: Decimal
    day: int
    by: str
    counts: bool
    arrived: bool


ORDERS = st.tuples(
    st.just("take"), st.integers(1, 3), st.sampled_from(SKUS), st.integers(0, 3), st.sampled_from(["UNSHIPPED", "CANCELLED"])
)
MAPPINGS = st.tuples(st.sampled_from(["map", "undo"]), st.sampled_from(SKUS), st.integers(0, DAYS - 1))


LAMP, MORE, TRAY = (("take", 1, sku, units, "UNSHIPPED") for sku, units in (("LAMP", 1), ("LAMP", 2), ("TRAY", 2)))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=[LAMP, ("map", "LAMP", 0), MORE])
@example(steps=[LAMP, ("map", "LAMP", 0), ("map", "TRAY", 0), TRAY, ("undo", "TRAY", 0)])
@example(steps=[LAMP, ("map", "LAMP", 0), ("take", 2, "LAMP", 1, "UNSHIPPED"), ("take", 2, "LAMP", 1, "CANCELLED")])
@given(steps=st.lists(ORDERS | MAPPINGS, max_size=12))
def test_the_trend_is_what_a_list_of_all_that_happened_says(db, steps):
    company = Company.new()
    for sku in SKUS:
        ListingFactory(connection=company.place, sku=sku)
    since: dict[str, int] = {}
    sold: dict[int, Sold] = {}
    for verb, *said in steps:
        if verb == "take":
            number, sku, units, status = said
            day, by = number * 6, "AMAZON" if number == 1 else "MERCHANT"  # an order keeps its day and who ships it
            mapped = sku in since and since[sku] <= day
            known = sold.get(number)
            arrived = known.arrived if known and known.sku == sku else mapped
            price = Decimal("9.99") * units
            sold[number] = Sold(sku, units, price, day, by, status != "CANCELLED" and units > 0, arrived)
            company.take(number, line(sku, quantity=units, price="9.99"), day=day, status=status, by=by)
        elif verb == "map" and said[0] not in since:
            company.map(*said)
            since[said[0]] = said[1]
        elif verb == "undo" and since.pop(said[0], None) is not None:
            company.undo(said[0])
    found = {(week.monday, week.channel.ships): (week.now, week.arrived) for week in company.weeks}
    assert found == _summed([each for each in sold.values() if each.counts], since)

    kept = dict(OrderItem.objects.filter(order__connection=company.place).values_list("pk", "mapped_at_arrival"))
    proven = _proven(company)
    assert all(proven[pk] in (None, was) for pk, was in kept.items())


def _summed(sold: list[Sold], since: dict[str, int]) -> dict:
    found: dict = defaultdict(lambda: (Share(0, Decimal(0), 0, Decimal(0)),) * 2)
    for each in sold:
        monday = FIRST + timedelta(days=each.day // 7 * 7)
        ships = "AFN" if each.by == "AMAZON" else "MFN"
        now, arrived = found[monday, ships]
        is_now = each.sku in since and since[each.sku] <= each.day
        found[monday, ships] = now + _part(each, is_now), arrived + _part(each, each.arrived)
    return dict(found)


def _part(sold: Sold, mapped: bool) -> Share:
    return Share(sold.units, sold.price, sold.units * mapped, sold.price * mapped)


def _proven(company: Company) -> dict[int, bool | None]:
    """What the upgrade finds out of lines of which nobody kept what was mapped."""
    lines = OrderItem.objects.filter(order__connection=company.place)
    lines.update(mapped_at_arrival=None)
    with database.cursor() as cursor:
        cursor.execute(PROVEN)
    return dict(lines.values_list("pk", "mapped_at_arrival"))


def test_the_upgrade_says_what_the_mappings_prove_and_no_more():
    company = Company.new()
    for sku in ("BEFORE", "AFTER", "NEVER", "UNDONE", "LATER DAYS"):
        ListingFactory(connection=company.place, sku=sku)
    company.map("BEFORE")
    company.map("UNDONE")
    company.map("LATER DAYS", day=9)
    skus = ["BEFORE", "AFTER", "NEVER", "UNDONE"]
    company.take(1, *(line(sku, number) for number, sku in enumerate(skus, start=1)), day=2)
    company.take(2, line("LATER DAYS"), day=2)
    company.map("AFTER")
    company.undo("UNDONE")
    proven = _proven(company)
    skus_of = dict(OrderItem.objects.values_list("pk", "listing__sku"))
    assert {skus_of[pk]: mapped for pk, mapped in proven.items()} == {
        "BEFORE": True, "AFTER": False, "NEVER": False, "UNDONE": None, "LATER DAYS": None,
    }  # fmt: skip


def test_an_order_that_is_not_paid_yet_counts_with_the_currency_of_its_marketplace():
    company = Company.new()
    company.take(1, line(price="10.00", quantity=2))
    unpaid = OrderFactory(connection=company.place, currency="", total=None, purchased_at=datetime(2026, 10, 6, tzinfo=UTC))
    OrderItemFactory(order=unpaid, quantity=3, price=None)
    (week,) = company.weeks
    assert (week.channel.currency, week.now.count, week.now.money, week.unpriced) == ("GBP", 5, Decimal("20.00"), 3)
    assert week.arrived.count == 2  # of the other one nobody kept it


def test_two_companies_with_connections_of_one_name_stay_two_channels():
    companies = [Company.new() for _ in range(2)]
    for company in companies:
        company.place.name = "amazon.co.uk"
        company.place.save()
        company.take(1, line("LAMP"))
    weeks = trend([company.place.entity_id for company in companies])
    assert [week.channel.company for week in weeks] == sorted(company.place.entity.name for company in companies)
    assert len({week.channel for week in weeks}) == 2


def test_the_listings_that_lack_an_item_come_with_the_most_units_or_the_most_money_first():
    company = Company.new()
    company.take(1, line("CHEAP", quantity=9, price="1.00"), day=7)
    company.take(2, line("DEAR", quantity=2, price="50.00"), day=7, by="AMAZON")
    company.take(3, line("EURO", quantity=1, price="90.00") | {"product": _euro("EURO", "90.00")}, day=7, proceeds=None)
    company.take(4, line("OLD", quantity=99), day=0)
    company.map("DEAR")
    ReferenceRate.objects.create(entity=company.place.entity, currency="EUR", since=FIRST, rate=Decimal("0.5"))
    asked = {"entities": [company.place.entity_id], "since": FIRST + timedelta(days=7), "most": 9, "channel": None}
    by_units = lacking(**asked, side=ARRIVED, by=UNITS)
    assert [(row.sku, row.units, row.mapped) for row in by_units] == [("CHEAP", 9, False), ("DEAR", 2, True), ("EURO", 1, False)]
    by_money = lacking(**asked, side=ARRIVED, by=MONEY)
    assert [(row.sku, row.money, row.currency) for row in by_money] == [
        ("DEAR", 100, "GBP"), ("EURO", 90, "EUR"), ("CHEAP", 9, "GBP"),
    ]  # fmt: skip
    assert [row.sku for row in lacking(**asked, side=NOW, by=UNITS)] == ["CHEAP", "EURO"]
    afn = next(week.channel for week in company.weeks if week.channel.ships == "AFN")
    assert [row.sku for row in lacking(**asked | {"channel": afn}, side=ARRIVED, by=UNITS)] == ["DEAR"]


def _euro(sku: str, price: str) -> dict:
    return {"sellerSku": sku, "price": {"unitPrice": {"amount": price, "currencyCode": "EUR"}}}


def test_a_channel_falls_against_the_four_weeks_before():
    def week(weeks_on: int, units: int, mapped: int, name: str = "UK") -> Week:
        share = Share(units, Decimal(units), mapped, Decimal(mapped))
        return Week(channel=name, monday=FIRST + timedelta(weeks=weeks_on), now=share, arrived=share)

    weeks = [week(0, 1, 0), *(week(n, 10, 10) for n in range(1, 5)), week(5, 10, 7), week(5, 10, 1, "new"), week(6, 1, 0)]
    last = FIRST + timedelta(weeks=6)
    assert newest_telling(weeks, last + timedelta(days=3)) == last
    monday = newest_telling(weeks, last + timedelta(days=2))
    assert monday == FIRST + timedelta(weeks=5)
    (fall,) = falls(weeks, monday, lambda week: week.now, lambda share: share.of_count)
    assert fall == Fall(channel="UK", share=Decimal("70.0"), before=Decimal("100.0")) and fall.points == 30
    assert newest_telling(weeks[:1], FIRST) == FIRST  # there is no other
