"""Weekly routines and working days: what is asked for, moved, missed and not asked for; what two routines show and keep."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.inventory.models import ErpStock
from apps.inventory.routines import VARIANCE
from apps.inventory.rules import beyond
from apps.orders.routines import REJECTED_ORDERS
from apps.settlements.models import Settlement
from apps.settlements.routines import PAYOUTS
from apps.work.routines import asks, days, days_between, due, mark_peak, next_due, sign
from apps.work.workdays import WorkDays, set_calendar, set_day, work_days
from tests.factories import EntityFactory, ItemFactory, VersionFactory, person
from tests.inventory.scans import amazon, scan, summary
from tests.orders.take import mapped
from tests.work.test_rejected_orders import order

MONDAY = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
FREE = {"country": "", "subdivision": "", "own": {}}


@pytest.fixture
def entity(db) -> Entity:
    return EntityFactory(zone="Europe/London", country="GB")


def test_public_holidays_are_named_and_ask_for_nothing(entity):
    kofi, ian = person(Role.OPS, entity), person(Role.ADMIN, entity, email="ian@example.com")
    order(entity, received_at=datetime(2026, 12, 1, tzinfo=UTC))
    set_calendar(entity=entity, weekdays=range(5), country="GB", subdivision="SCT", actor=ian)
    at = datetime(2027, 1, 5, 9, 30, tzinfo=UTC)
    asked = {day.day.day: (day.off, [slot.state for slot in day.slots]) for day in days(REJECTED_ORDERS, entity, at, 6)}
    assert asked == {
        31: ("", ["missed"]),
        1: ("New Year's Day", []),
        2: ("Saturday", []),
        3: ("Sunday", []),
        4: ("New Year Holiday (observed)", []),
        5: ("", ["todo"]),
    }
    with pytest.raises(Refused, match="due on Tue 5 Jan at 09:00"):
        sign(routine=REJECTED_ORDERS, entity=entity, now=at - timedelta(days=2), note="", actor=kofi)


def test_own_days_and_peaks_beat_the_rest_and_are_kept_by_ops_and_admin(entity):
    kofi = person(Role.OPS, entity)
    saturday, monday = date(2099, 8, 29), date(2099, 8, 31)
    set_calendar(entity=entity, weekdays=range(5), country="GB", subdivision="ENG", actor=kofi)
    assert work_days(entity).off(monday) == "Late Summer Bank Holiday"
    set_day(entity=entity, day=monday, works=True, name="Sale", actor=kofi)
    set_day(entity=entity, day=date(2099, 9, 1), works=False, name="Stocktaking", actor=kofi)
    mark_peak(routine=REJECTED_ORDERS, entity=entity, day=saturday, actor=kofi)
    asked = days_between(REJECTED_ORDERS, entity, MONDAY, saturday, date(2099, 9, 1))
    assert [(len(day.slots), day.off) for day in asked] == [(2, ""), (0, "Sunday"), (1, ""), (0, "Stocktaking")]
    assert AuditEntry.objects.filter(verb="calendar.day-set").count() == 2
    for day, name, why in ((date(2020, 1, 1), "x", "is over"), (monday, " ", "Say what")):
        with pytest.raises(Refused, match=why):
            set_day(entity=entity, day=day, works=False, name=name, actor=kofi)
    with pytest.raises(NotAllowed):
        set_day(entity=entity, day=monday, works=False, name="x", actor=person(Role.FINANCE, entity, email="f@example.com"))


@pytest.mark.parametrize(
    ("change", "why"),
    [({"weekdays": []}, "at least one"), ({"country": "XX"}, "No holidays"), ({"subdivision": "BY"}, "no region of GB")],
)
def test_a_calendar_that_cannot_be_is_refused(entity, change, why):
    asked = {"weekdays": [0], "country": "GB", "subdivision": ""} | change
    with pytest.raises(Refused, match=why):
        set_calendar(entity=entity, actor=person(Role.ADMIN, entity), **asked)


@given(
    off=st.sets(st.dates(date(2026, 11, 1), date(2026, 12, 31)), max_size=40),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
)
def test_a_weekly_routine_is_asked_for_once_a_week_on_the_first_working_day_from_its_own(off, weekdays):
    work = WorkDays(weekdays=frozenset(weekdays), **FREE | {"own": {day: (False, "Off") for day in off}})
    for week in range(8):
        seven = [date(2026, 11, 2) + timedelta(days=7 * week + n) for n in range(7)]
        working = [day for day in seven if not work.off(day)]
        assert [day for day in seven if asks(VARIANCE, day, work)] == working[:1]
        assert [day for day in seven if asks(REJECTED_ORDERS, day, work)] == working


def a_variance(entity: Entity, *, theirs: int = 15) -> None:
    place = amazon(entity)
    scan(place, summary("BF-TRAY-OAK-40", 12))
    listing = place.listings.get()
    item = ItemFactory(entity=entity, code="TRAY", price=Decimal("4.00"), currency="GBP")
    mapped(listing, (item, 1), since=date(2026, 1, 1))
    counted_at = datetime(2026, 11, 1, tzinfo=UTC)
    ErpStock.objects.create(entity=entity, item=item, node="FBA-UK", on_hand=theirs, as_of=counted_at, source="import:1")


def test_the_variance_is_signed_by_ecommerce_until_the_next_one_and_says_what_became_of_it(entity):
    a_variance(entity)
    tom = person(Role.ECOMMERCE, entity, name="Tom Ashworth")
    (entry,) = VARIANCE.gather(entity, MONDAY)
    assert (entry.label, entry.amount) == ("TRAY, United Kingdom", "£12.00") and "ERP counts 15, Amazon 12: 3 fewer" in entry.why
    for later in range(7):  # a Monday's stays open until the next Monday
        assert due(VARIANCE, entity, MONDAY + timedelta(days=later)).day == MONDAY.date()
    thursday = MONDAY + timedelta(days=3)
    check = sign(routine=VARIANCE, entity=entity, now=thursday, note="Counted again on Friday", actor=tom)
    assert (check.day, len(check.seen)) == (MONDAY.date(), 1)
    assert next_due(VARIANCE, entity, thursday) == "on Mon 23 Nov at 09:00"
    ErpStock.objects.update(on_hand=12)
    second = sign(routine=VARIANCE, entity=entity, now=MONDAY + timedelta(days=7), note="", actor=tom)
    assert (second.seen, second.decided) == ([], [{"label": "TRAY, United Kingdom", "words": "They agree."}])
    month = days_between(VARIANCE, entity, MONDAY + timedelta(days=15), date(2026, 11, 9), date(2026, 12, 1))
    assert [(slot.day.day, slot.state) for day in month for slot in day.slots] == [
        (9, "missed"), (16, "signed"), (23, "signed"), (30, "todo"),
    ]  # fmt: skip
    with pytest.raises(NotAllowed):
        sign(routine=VARIANCE, entity=entity, now=MONDAY, note="", actor=person(Role.OPS, entity, email="k@example.com"))


@given(difference=st.integers(-5000, 5000), counted=st.integers(0, 100_000), worth=st.none() | st.decimals(0, 500, places=2))
def test_what_a_review_asks_about(difference, counted, worth):
    units = abs(difference)
    large = units >= 2 and 100 * units >= 2 * counted
    assert beyond(difference, counted, worth) == bool(units and (large or (worth or 0) >= 50))
    assert beyond(difference, counted, worth) == beyond(-difference, counted, worth)


def test_each_payout_says_what_stands_before_the_books(entity):
    assert PAYOUTS.gather(entity, MONDAY) == [] and PAYOUTS.heading([]).startswith("Every payout")
    held = VersionFactory(settlement__entity=entity, settlement__connection__entity=entity, state="held")
    (entry,) = PAYOUTS.gather(entity, MONDAY)
    assert (entry.kind, entry.settlement) == ("file", held.settlement.settlement_id)
    assert "1 payout is not in the books" in PAYOUTS.heading([entry])
    assert "bank" in PAYOUTS.lacks
    assert Settlement.objects.count() == 1
