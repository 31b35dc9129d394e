"""A file of order legs is loaded by itself, unless something was approved or has left: then a person sees first what changes."""

from decimal import Decimal

import pytest

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.ledger.models import Journal
from apps.settlements.approval import approve
from apps.settlements.exports import export
from apps.settlements.leg_changes import foresee, legs_in, load_held, preview_load, put_away
from apps.settlements.models import OrderLeg, RollUp
from tests.factories import person
from tests.settlements.books import LATER, SHIPPED, lock, settle
from tests.settlements.files import SALE, line
from tests.settlements.take import take, take_legs
from tests.settlements.test_corrections import SINCE, amounts, corrections

pytestmark = pytest.mark.django_db(transaction=True)
ORDER = SALE[0]["order-id"]
LATER_ORDER = "202-7777777-7777777"
ABROAD = {ORDER: "GB>DE"}


@pytest.fixture
def exported(place, ian) -> Journal:
    (october,) = approve(journals=settle(place, "30000000002", SHIPPED), actor=ian)
    export(journals=[october], format="generic", actor=ian)
    return october


def stored() -> tuple:
    """All that a preview must leave as it is."""
    cells = RollUp.objects.order_by("pk").values_list("pk", "leg", "lines", "credit", "debit")
    journals = Journal.objects.order_by("pk").values_list("pk", "state", "lines_hash", "period")
    return list(cells), list(journals), list(OrderLeg.objects.values_list("order_id", "ship_from", "ship_to"))


def test_legs_that_change_only_drafts_are_loaded_by_themselves(place):
    (october,) = settle(place, "30000000002", SHIPPED)
    reading = take_legs(place, ABROAD)
    assert (reading.status, reading.words) == (
        "taken",
        "1 order, 1 of them new or changed. 1 settlement was rolled up again.",
    )
    october.refresh_from_db()
    assert october.default_leg_lines == 0
    assert take_legs(place, ABROAD).status == "known"


def test_after_the_export_they_wait_and_the_preview_is_what_is_then_written(place, exported, priya):
    before = stored()
    reading = take_legs(place, ABROAD)
    assert reading.status == "held"
    assert "Loading them would write 1 correction where something was approved or exported" in reading.words
    plan = preview_load(reading)
    assert stored() == before
    (shown,) = plan.detail["seen"].comparison.corrections
    assert (shown.key, shown.posted) == ("stl:30000000002:202610:2", SINCE)
    said = [(line.name.split()[0], line.debit, line.credit) for line in shown.lines]
    assert said == [("2201", "", "£2.00"), ("5110", "", "£10.00"), ("5110", "£12.00", "")]
    assert plan.effect == "Load the legs and write 1 correction"

    load_held(reading=reading, reason="As the carrier says", actor=priya)
    (correction,) = corrections()
    assert (correction.key, correction.period) == (shown.key, shown.posted)
    assert amounts(correction) == {"5110": Decimal("2.00"), "2201": Decimal("-2.00")}
    reading.refresh_from_db()
    assert (reading.status, amounts(exported, correction)["5110"]) == ("taken", Decimal("12.00"))


def test_an_approval_that_would_end_makes_them_wait_too(place, ian):
    approve(journals=settle(place, "30000000002", SHIPPED), actor=ian)
    reading = take_legs(place, ABROAD)
    assert (reading.status, preview_load(reading).detail["seen"].comparison.returned) == ("held", ["stl:30000000002:202610:1"])


def test_the_preview_names_the_open_month_and_splits_by_month(place, ian, priya):
    journals = settle(place, "30000000002", SHIPPED, LATER, SHIPPED | {"posted-date": "03.11.2026",
                      "posted-date-time": "03.11.2026 12:00:00 UTC"})  # fmt: skip
    export(journals=approve(journals=journals, actor=ian), format="generic", actor=ian)
    lock(place.entity, SINCE, priya)
    reading = take_legs(place, ABROAD)
    shown = preview_load(reading).detail["seen"].comparison.corrections
    load_held(reading=reading, reason="As the carrier says", actor=priya)
    assert [(row.key, row.posted) for row in shown] == [(row.key, row.period) for row in corrections()]
    assert [row.posted.month for row in shown] == [11, 11]


def test_what_changes_meanwhile_changes_the_digest(place, exported, priya, ian):
    reading = take_legs(place, ABROAD)
    first = preview_load(reading).digest
    assert preview_load(reading).digest == first
    lock(place.entity, SINCE, priya)
    assert preview_load(reading).digest != first


def test_put_away_it_changes_nothing_and_is_looked_at_again_when_it_comes_again(place, exported, priya):
    before = stored()
    reading = take_legs(place, ABROAD)
    put_away(reading=reading, reason="The old carrier's", actor=priya)
    reading.refresh_from_db()
    assert (reading.status, reading.words) == ("put-away", "Priya Nair put it away: The old carrier's")
    assert stored() == before
    with pytest.raises(Refused, match="does not wait any more"):
        load_held(reading=reading, reason="After all", actor=priya)
    assert take_legs(place, ABROAD).status == "held"
    assert AuditEntry.objects.get(verb="legs.put-away").reason == "The old carrier's"


def test_only_finance_decides(place, exported):
    reading = take_legs(place, ABROAD)
    admin = person(Role.ADMIN, place.entity)
    for decide in (load_held, put_away):
        with pytest.raises(NotAllowed):
            decide(reading=reading, reason="So", actor=admin)
    assert corrections() == []


def test_what_is_foreseen_of_drafts_is_what_comes(place):
    """Also where some of a settlement's orders have a leg already and others get another one."""
    other = line("-24.00", amount_type="ItemFees", amount_description="FBAPerUnitFulfillmentFee", order_id=LATER_ORDER)
    settle(place, "30000000002", SHIPPED, other)
    take_legs(place, {ORDER: "GB>DE"})
    rows = [(ORDER, "GB", "GB"), (LATER_ORDER, "GB", "FR")]
    comparison = foresee(place, rows).comparison
    take_legs(place, {order: f"{ship_from}>{ship_to}" for order, ship_from, ship_to in rows}, name="more.csv")
    after = {row.name.split()[0]: row.after for change in comparison.currencies for row in change.accounts}
    booked = amounts(*Journal.objects.all())
    assert after == {"2201": "£4.50", "5110": "£34.00"}
    assert (booked["2201"], booked["5110"]) == (Decimal("4.50"), Decimal("34.00"))


def test_a_file_that_was_taken_for_a_settlement_is_mended_by_reading_it_as_legs(place):
    raw = f"order-id,ship-from,ship-to\n{ORDER},GB,DE\n".encode()
    assert take(place, raw, name="legs.csv")["status"] == "refused"
    assert Case.objects.live().filter(type="file.layout-unknown").exists()
    reading = take_legs(place, ABROAD)
    assert legs_in(reading.file) == [(ORDER, "GB", "DE")]
    assert not Case.objects.live().filter(type="file.layout-unknown").exists()
