"""Closing an account: what still points at it is a case, until its rules are moved or it is open again."""

from datetime import date
from decimal import Decimal

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions import operations as engine
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.ledger.models import Account, Journal, JournalLine
from apps.settlements import operations
from apps.settlements.accounts import close_account, move_rules, reopen_account, waiting_on, why_not_closed
from apps.settlements.approval import approve
from apps.settlements.charts import preview
from apps.settlements.exception_types.accounts import MOVE_RULES, REOPEN
from apps.settlements.exports import export
from apps.settlements.models import FeeRule
from tests.factories import ConnectionFactory, person
from tests.settlements.files import File
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

CODE = "ledger.account-missing"


@pytest.fixture
def priya(entity, priya):
    take(ConnectionFactory(entity=entity), File())
    return priya


def account(code: str) -> Account:
    return Account.objects.select_related("entity").get(code=code)


def close(code: str, actor) -> Account:
    return close_account(account=account(code), reason="Merged", actor=actor)


def look(entity) -> Case | None:
    sweep(CODE, Scope(entity=entity))
    return Case.objects.live().filter(type=CODE, entity=entity).first()


@pytest.fixture
def case(entity, priya) -> Case:
    close("5100", priya)
    return look(entity)


def test_closing_says_who_and_why_and_opens_a_case_for_what_points_at_it(case, entity, priya):
    entry = AuditEntry.objects.get(verb="account.closed")
    assert (entry.subject, entry.actor, entry.reason) == (f"account:{account('5100').pk}", priya, "Merged")
    rules = FeeRule.objects.filter(account__code="5100").count()
    assert case.kind.headline(case) == f"5100 Referral fees is closed, but {rules} rules still post to it"
    assert (case.subject, case.lines, case.stake) == ("5100", 1, Decimal("12.50"))
    assert case.facts["blocked"] == {"GBP": "105.00"}
    html = render_to_string("cases/account_missing.html", {"case": case})
    assert "ItemFees / Commission" in html and "30000000001" in html


def test_a_closed_account_that_nothing_uses_is_no_case(entity, priya):
    for rule in FeeRule.objects.filter(account__code="2300"):
        FeeRule.objects.filter(pk=rule.pk).delete()
    close("2300", priya)
    assert look(entity) is None


def test_moving_its_rules_is_previewed_and_resolves_the_case(case, entity, priya):
    data = {"account": account("5190").pk, "since": "", "reason": "5100 was merged into it"}
    form, plan = engine.plan(case=case, action=MOVE_RULES, actor=priya, data=data)
    assert plan, form.errors
    count = FeeRule.objects.filter(account__code="5100").count()
    assert plan.effect == f"Move {count} rules to 5190 and rebuild 1 journal"
    (gbp,) = plan.detail["seen"].comparison.currencies
    assert [(row.name, row.before, row.after) for row in gbp.accounts] == [
        ("5100 Referral fees", "£12.50", "£0.00"),
        ("5190 Other Amazon fees", "£0.00", "£12.50"),
    ]
    assert "5190 Other Amazon fees" in render_to_string("cases/rule_plan.html", {"case": case, "plan": plan})
    outcome = engine.perform(case=case, action=MOVE_RULES, actor=priya, data=data, digest=plan.digest)
    assert outcome.words == f"Moved. {count} rules post to 5190 Other Amazon fees now."
    case.refresh_from_db()
    assert (case.state, case.ended_by) == (State.RESOLVED, priya)
    assert not FeeRule.objects.in_force().filter(account__code="5100").exists()
    assert not JournalLine.objects.filter(account__code="5100").exists()
    assert AuditEntry.objects.filter(verb="rule.changed").count() == count


def test_the_day_proposed_is_the_first_month_that_waits(case, priya):
    assert MOVE_RULES.form(case, priya).initial["since"] == date(2026, 10, 1)


def test_reopening_resolves_it_too(case, entity, priya):
    data = {"reason": "Closed by mistake"}
    _, plan = engine.plan(case=case, action=REOPEN, actor=priya, data=data)
    engine.perform(case=case, action=REOPEN, actor=priya, data=data, digest=plan.digest)
    case.refresh_from_db()
    assert (case.state, account("5100").closed_at) == (State.RESOLVED, None)
    assert AuditEntry.objects.get(verb="account.reopened").reason == "Closed by mistake"


def test_rules_moved_from_a_later_day_leave_what_waits_before_it(case, entity, priya):
    move_rules(
        account=account("5100"), to=account("5190"), since=timezone.localdate(), reason="From today", actor=priya
    )
    case = look(entity)
    assert case.facts["rule_count"] == 0
    assert case.kind.headline(case) == "5100 Referral fees is closed, but journals of 1 settlement stand on it"
    move_rules(account=account("5100"), to=account("5190"), since=None, reason="All of it", actor=priya)
    assert look(entity) is None


def test_what_has_left_may_stand_on_a_closed_account_and_its_correction_says_so(entity, priya):
    marta = person(Role.FINANCE, entity, name="Marta Lis")
    approve(journals=Journal.objects.filter(entity=entity), actor=marta)
    export(journals=Journal.objects.filter(entity=entity), format="generic", actor=marta)
    close("5100", priya)
    assert look(entity).facts["settlements"] == []
    move_rules(account=account("5100"), to=account("5190"), since=None, reason="All of it", actor=priya)
    correction = Journal.objects.get(corrects__isnull=False)
    assert correction.lines.filter(account__code="5100").exists()
    assert look(entity).facts["rule_count"] == 0, "the correction still has to leave: reopen, export, close"
    assert waiting_on([account("5100")])[account("5100").pk].lines == 1


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1200", "1200 Amazon clearing has the role “Amazon clearing”: journals are built with it, so it stays open."),
        ("1220", "1220 Carried forward has the role “Carried forward”: journals are built with it, so it stays open."),
        ("2201", "The tax of 20 %, included is posted to 2201 Input VAT, so it stays open."),
    ],
)
def test_what_journals_are_built_with_cannot_be_closed(priya, code, why):
    assert why_not_closed(account(code)) == why
    with pytest.raises(Refused) as refused:
        close(code, priya)
    assert refused.value.words == why


def test_who_may_close_and_who_may_move(entity, priya):
    admin, viewer = person(Role.ADMIN, entity), person(Role.VIEWER, entity)
    with pytest.raises(NotAllowed, match="Admin and Finance can"):
        close("5100", viewer)
    close("5100", admin)
    with pytest.raises(NotAllowed):
        move_rules(account=account("5100"), to=account("5190"), since=None, reason="-", actor=admin)
    with pytest.raises(Refused, match="closed already"):
        close("5100", admin)
    with pytest.raises(Refused, match="is open"):
        reopen_account(account=account("5190"), reason="-", actor=admin)


def test_nothing_new_is_mapped_to_a_closed_account(case, entity, priya):
    pattern = {
        "marketplace": "",
        "transaction_type": "",
        "amount_type": "ItemFees",
        "amount_description": "X",
        "treatment": "",
    }
    with pytest.raises(Refused, match="5100 Referral fees is closed"):
        operations.map_fee(
            entity=entity,
            pattern=pattern,
            since=date(2026, 1, 1),
            account=account("5100"),
            tax_class=None,
            reason="-",
            actor=priya,
        )
    assert account("5100") not in Account.objects.postable()


def test_a_chart_points_no_new_rule_at_a_closed_account(case, entity, priya):
    rule = FeeRule.objects.get(entity=entity, amount_description="RenewedProgramFee")
    FeeRule.objects.filter(pk=rule.pk).delete()
    again = preview(chart="uk", entity=entity, actor=priya)
    assert again.added["mapping rules"] == 0
    assert f"{rule} gets no rule: 5100 Referral fees is closed." in again.left_alone
