"""Sheets of accounts and GL rules: what finance is shown, what is booked, what goes back; every sheet exported is a no-op."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.errors import Refused
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.imports.importable import SHEETS
from apps.imports.operations import preview_undo, undo
from apps.imports.writing import export
from apps.ledger.models import Account, Journal
from apps.settlements.models import FeeRule, Resolution
from tests.console.conftest import Company, company
from tests.imports.sheets import bring, csv_of, faults, outcomes, save, xlsx

pytestmark = pytest.mark.django_db(transaction=True)
RULES = [
    "Transaction type", "Amount type", "Amount description", "Marketplace", "Treatment", "From", "Account", "Tax class"
]  # fmt: skip
NEW_FEE = ["Order", "ItemFees", "NewReturnFee", "", "", "2026-01-01", "5110", "No tax"]


@pytest.fixture
def ours(transactional_db) -> Company:
    return company(1)


@pytest.fixture
def marta(ours):
    return ours.people[Role.FINANCE]


def books(entity) -> list:
    lines = Journal.objects.filter(entity=entity).order_by("key", "lines__number")
    return list(lines.values_list("key", "state", "lines__account__code", "lines__debit", "lines__credit"))


def test_accounts_are_added_and_renamed_and_go_back(ours, marta):
    before = list(Account.objects.filter(entity=ours.entity).values())
    content = xlsx([["Account", "Name", "Kind"], [9990, "Amazon odds and ends", "Expense"], ["5110", "FBA", "expense"]])
    row = save(bring(ours.entity, marta, content, sheet="accounts"), marta)
    assert (row.added, row.changed) == (1, 1)
    assert Account.objects.get(entity=ours.entity, code="9990").kind == "expense"
    undo(row=row, reason="Wrong", actor=marta)
    assert list(Account.objects.filter(entity=ours.entity).values()) == before


def test_an_account_in_use_keeps_the_import_from_being_undone(ours, marta):
    content = xlsx([["Account", "Name", "Kind"], ["9990", "Odds", "Expense"]])
    row = save(bring(ours.entity, marta, content, sheet="accounts"), marta)
    rules = xlsx([RULES, [*NEW_FEE[:6], "9990", "No tax"]])
    save(bring(ours.entity, marta, rules, sheet="gl-rules"), marta)
    with pytest.raises(Refused, match=r"9990, which it added, (has rules|stands in journals)"):
        preview_undo(row)


def test_a_rule_closes_its_fee_and_frees_the_payout_and_goes_back(ours, marta):
    assert Case.objects.live().filter(type="settlement.fee-unmapped").count() == 1
    before = books(ours.entity)
    row = bring(ours.entity, marta, xlsx([RULES, NEW_FEE]), sheet="gl-rules")
    assert row.effect["closes"] == 1
    assert row.effect["says"].startswith("closes 1 exception and frees £")
    assert books(ours.entity) == before
    save(row, marta)
    assert not Case.objects.live().filter(type="settlement.fee-unmapped").exists()
    assert books(ours.entity) != before
    assert "1 rule goes back" in preview_undo(row).says
    undo(row=row, reason="Wrong", actor=marta)
    assert books(ours.entity) == before
    assert Case.objects.live().filter(type="settlement.fee-unmapped").count() == 1


def test_a_rule_is_changed_from_a_day_on_and_the_first_version_stays_until_then(ours, marta):
    save(bring(ours.entity, marta, xlsx([RULES, NEW_FEE]), sheet="gl-rules"), marta)
    later = ["order", "ITEMFEES", "newreturnfee", "", "", "2026-10-01", "5120", "No tax"]
    row = save(bring(ours.entity, marta, csv_of([RULES, later]), sheet="gl-rules"), marta)
    versions = FeeRule.objects.filter(entity=ours.entity, amount_description__iexact="NewReturnFee").in_force()
    assert [(rule.period.lower.isoformat(), rule.account.code) for rule in versions.order_by("period")] == [
        ("2026-01-01", "5110"),
        ("2026-10-01", "5120"),
    ]
    undo(row=row, reason="Wrong", actor=marta)
    assert {won.rule.account.code for won in Resolution.objects.filter(signature__amount_description="NewReturnFee")} == {
        "5110"
    }


def test_as_many_queries_to_take_back_many_rules_as_one(ours, marta):
    def asked(count: int, account: str) -> int:
        rows = [[*NEW_FEE[:2], f"Fee {count} {n}", *NEW_FEE[3:6], account, "No tax"] for n in range(count)]
        save(bring(ours.entity, marta, xlsx([RULES, *rows]), sheet="gl-rules"), marta)
        changed = [[*row[:5], "2026-10-01", "5120", "No tax"] for row in rows]
        row = save(bring(ours.entity, marta, xlsx([RULES, *changed]), sheet="gl-rules"), marta)
        with CaptureQueriesContext(connection) as queries:
            assert preview_undo(row).says.startswith(f"{count} rule")
        return len(queries)

    assert asked(1, "5110") == asked(7, "5110")


def test_faults_of_rules_name_what_is_nearest(ours, marta):
    content = xlsx(
        [
            RULES,
            [*NEW_FEE[:6], "5111", "No tax"],
            [*NEW_FEE[:2], "Other", *NEW_FEE[3:6], "5110", ""],
            [*NEW_FEE[:2], "Third", "", "", "", "5110", "No tax"],
        ]
    )
    row = bring(ours.entity, marta, content, sheet="gl-rules")
    assert outcomes(row) == dict.fromkeys((2, 3, 4), "bad")
    said = {number: words for number, [[_, words]] in faults(row).items()}
    assert said[2].startswith("Not an account here. Nearest: 511")
    assert said[3] == "Empty. Expected a value."
    assert said[4] == "Empty. Expected the first day of a new rule."


@pytest.mark.parametrize("format", ["xlsx", "csv"])
@pytest.mark.parametrize("sheet", ["accounts", "gl-rules"])
def test_export_edit_import_is_a_no_op(ours, marta, sheet, format):
    content = export(SHEETS[sheet], ours.entity, format).read()
    row = bring(ours.entity, marta, content, sheet=sheet)
    assert row.rows_read > 20 and row.same == row.rows_read, faults(row)
