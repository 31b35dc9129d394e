"""After the export only the difference is booked, in the first open month; before it, an approval ends with a change."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from apps.exceptions import operations as engine
from apps.exceptions.models import Case
from apps.ledger.models import Account, Journal, JournalLine, TaxClass
from apps.settlements import journals
from apps.settlements.approval import approve
from apps.settlements.exception_types.map_fee import MAP_FEE
from apps.settlements.exports import export
from apps.settlements.leg_changes import load_order_legs
from apps.settlements.models import FeeRule, JournalPart, RollUp, SettlementVersion
from apps.settlements.rule_versions import change_rule, undo_rule
from tests.settlements.books import LATER, RETURN_FEE, SHIPPED, lock, map_the_fee, settle
from tests.settlements.files import SALE, line

pytestmark = pytest.mark.django_db(transaction=True)
SINCE = date(2026, 10, 1)
ANOTHER_FEE = line("-6.00", amount_type="ItemFees", amount_description="OtherFee")


@pytest.fixture
def rule(entity, priya) -> FeeRule:
    return map_the_fee(entity, priya).rule


@pytest.fixture
def exported(place, ian, rule) -> list[Journal]:
    """October and November of a settlement with the fee, exported."""
    found = approve(journals=settle(place, "30000000001", RETURN_FEE, LATER), actor=ian)
    export(journals=found, format="generic", actor=ian)
    return found


def move(rule: FeeRule, code: str, actor) -> FeeRule:
    account = Account.objects.get(entity=rule.entity, code=code)
    return change_rule(rule=rule, account=account, tax_class=rule.tax_class, since=SINCE, reason="Better there", actor=actor)


def amounts(*found: Journal) -> dict[str, Decimal]:
    """Account code -> debit less credit, without zeros."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in JournalLine.objects.filter(journal__in=found).select_related("account"):
        sums[row.account.code if row.account else row.label] += row.debit - row.credit
    return {code: amount for code, amount in sums.items() if amount}


def corrections() -> list[Journal]:
    return list(Journal.objects.filter(corrects__isnull=False).order_by("key"))


def test_a_fee_moved_after_the_export_makes_a_journal_of_only_the_difference(exported, rule, priya):
    october, _ = exported
    move(rule, "5120", priya)
    (correction,) = corrections()
    assert (correction.key, correction.corrects, correction.state) == ("stl:30000000001:202610:2", october, "draft")
    assert (correction.period, correction.dated) == (date(2026, 10, 1), date(2026, 10, 31))
    assert amounts(correction) == {"5110": Decimal("-4.20"), "5120": Decimal("4.20")}
    parts = JournalPart.objects.filter(journal_line__journal=correction).order_by("journal_line__account__code")
    assert list(parts.values_list("lines", "amount")) == [(-1, Decimal("4.2000")), (1, Decimal("-4.2000"))]
    october.refresh_from_db()
    assert (october.state, amounts(october)["5110"]) == ("exported", Decimal("4.20"))


def test_it_is_posted_in_the_first_month_that_is_open(exported, rule, entity, priya):
    for month in (10, 11):
        lock(entity, date(2026, month, 1), priya)
    move(rule, "5120", priya)
    (correction,) = corrections()
    assert (correction.period, correction.dated) == (date(2026, 12, 1), date(2026, 12, 1))
    assert correction.key.startswith("stl:30000000001:202610:")


def test_it_is_posted_no_earlier_than_what_it_corrects(exported, rule, entity, priya, ian):
    october = lock(entity, SINCE, priya)
    second = move(rule, "5120", priya)
    export(journals=approve(journals=corrections(), actor=ian), format="generic", actor=ian)
    october.unlock_reason, october.unlock_asked_by, october.unlock_asked_at = "Late file", priya, october.locked_at
    october.unlocked_by, october.unlocked_at = ian, october.locked_at
    october.save()
    move(second, "5130", priya)
    first, third = corrections()
    assert (first.period, third.period, third.dated) == (date(2026, 11, 1),) * 3


def test_moved_back_before_it_left_nothing_remains(exported, rule, priya):
    move(move(rule, "5120", priya), "5110", priya)
    assert corrections() == []


def test_a_correction_that_left_is_corrected_in_turn(exported, rule, priya, ian):
    second = move(rule, "5120", priya)
    export(journals=approve(journals=corrections(), actor=ian), format="generic", actor=ian)
    move(second, "5130", priya)
    first, third = corrections()
    assert (third.key, third.corrects) == ("stl:30000000001:202610:3", first)
    assert amounts(third) == {"5120": Decimal("-4.20"), "5130": Decimal("4.20")}
    assert amounts(*exported, first, third)["5130"] == Decimal("4.20")


def test_undone_after_the_export_the_fee_waits_in_an_incomplete_correction(exported, rule, priya):
    undo_rule(rule=rule, reason="Not ours", actor=priya)
    (correction,) = corrections()
    assert correction.state == "incomplete"
    assert amounts(correction) == {"5110": Decimal("-4.20"), "No account: Order / ItemFees / NewReturnFee": Decimal("4.20")}
    map_the_fee(rule.entity, priya, code="5110")
    assert corrections() == []


def test_legs_that_become_known_after_the_export_correct_the_tax(place, priya, ian):
    (october,) = approve(journals=settle(place, "30000000002", SHIPPED), actor=ian)
    export(journals=[october], format="generic", actor=ian)
    assert october.default_leg_lines == 1
    load_order_legs(connection=place, rows=[(SALE[0]["order-id"], "GB", "DE")], actor=priya)
    (correction,) = corrections()
    assert amounts(correction) == {"5110": Decimal("2.00"), "2201": Decimal("-2.00")}
    assert amounts(october, correction)["5110"] == Decimal("12.00")


def test_the_preview_shows_the_correction_before_anything_is_saved(place, priya, ian, rule):
    """A narrower rule for a fee that is stopped elsewhere moves lines that have left already."""
    export(journals=approve(journals=settle(place, "30000000001", RETURN_FEE), actor=ian), format="generic", actor=ian)
    undo_rule(rule=rule, reason="By marketplace", actor=priya)
    settle(place, "30000000003", RETURN_FEE)
    case = Case.objects.live().get(type="settlement.fee-unmapped")
    data = {
        "account": Account.objects.get(entity=place.entity, code="5130").pk, "tax": "none", "where": "everywhere",
        "match": "exact", "since": "2026-10-01", "reason": "New fee",
    }  # fmt: skip
    _, plan = engine.plan(case=case, action=MAP_FEE, actor=priya, data=data)
    comparison = plan.detail["map"].comparison
    assert plan.effect == "Map the fee and rebuild 1 journal and write 1 correction"
    (shown,) = comparison.corrections
    assert (shown.key, shown.posted) == ("stl:30000000001:202610:2", SINCE)
    assert [(row.name.split()[0], row.debit, row.credit) for row in shown.lines] == [("5110", "", "£4.20"), ("5130", "£4.20", "")]
    engine.perform(case=case, action=MAP_FEE, actor=priya, data=data, digest=plan.digest)
    (written,) = corrections()
    assert amounts(written) == {"5110": Decimal("-4.20"), "5130": Decimal("4.20")}


def test_an_approved_journal_that_changes_goes_back_to_draft_and_says_why(place, priya, ian, rule):
    approve(journals=settle(place, "30000000001", RETURN_FEE, LATER), actor=ian)
    move(rule, "5120", priya)
    october, november = Journal.objects.order_by("key")
    assert (october.state, october.approved_by, november.state) == ("draft", None, "approved")
    assert october.returned == (
        "Ian Grove had approved it. Then it changed: Priya Nair moved Order / ItemFees / NewReturnFee to 5120."
    )


def test_an_approval_holds_where_only_the_way_to_the_lines_changes(place, priya, ian):
    """Legs known to be the default one: other parts, the same figures."""
    (october,) = approve(journals=settle(place, "30000000002", SHIPPED), actor=ian)
    load_order_legs(connection=place, rows=[(SALE[0]["order-id"], "GB", "GB")], actor=priya)
    october.refresh_from_db()
    assert (october.state, october.default_leg_lines) == ("approved", 0)
    assert set(JournalPart.objects.exclude(leg="").values_list("leg", "default_leg")) == {("GB>GB", False)}


def test_building_again_writes_nothing(exported, rule, priya):
    move(rule, "5120", priya)
    versions = list(SettlementVersion.objects.values_list("pk", flat=True))

    def rows():
        return list(Journal.objects.order_by("key").values_list("key", "built_at", "lines__pk", "lines__parts__pk"))

    before = rows()
    journals.rebuild(versions, because="Nothing changed.")
    assert rows() == before


def test_two_fees_of_one_name_at_two_marketplaces_stay_two(exported, place, priya, ian):
    abroad = {**RETURN_FEE, "marketplace-name": "Amazon.ie"}
    found = settle(place, "30000000004", RETURN_FEE, abroad)
    export(journals=approve(journals=found, actor=ian), format="generic", actor=ian)
    undo_rule(rule=FeeRule.objects.in_force().get(source="person"), reason="Looked at again", actor=priya)
    correction = Journal.objects.get(key="stl:30000000004:202610:2")
    assert correction.lines.filter(account=None).count() == 2
    assert sum(row.debit - row.credit for row in correction.lines.all()) == 0


def test_the_parts_of_all_journals_are_the_roll_ups(exported, rule, place, priya, ian):
    settle(place, "30000000005", RETURN_FEE, ANOTHER_FEE)
    move(rule, "5120", priya)
    parts: dict = defaultdict(Decimal)
    for signature, amount in JournalPart.objects.values_list("signature", "amount"):
        parts[signature] += amount
    cells: dict = defaultdict(Decimal)
    for signature, credit, debit in RollUp.objects.values_list("signature", "credit", "debit"):
        cells[signature] += credit - debit
    assert parts == cells


def test_a_tax_class_changed_after_the_export_books_tax_and_net_apart(exported, rule, priya):
    selling = TaxClass.objects.get(entity=rule.entity, name="Selling fees")
    change_rule(rule=rule, account=rule.account, tax_class=selling, since=SINCE, reason="Invoiced with VAT", actor=priya)
    (correction,) = corrections()
    assert amounts(correction) == {"5110": Decimal("-0.70"), "2201": Decimal("0.70")}
