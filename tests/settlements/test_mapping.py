"""Mapping a fee from its case: the preview is what happens, the case closes, the drafts become complete."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db.models import Sum
from django.template.loader import render_to_string

from apps.core.errors import NotAllowed
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions import operations as engine
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep_entity
from apps.integrations.models import StoredFile
from apps.ledger.models import Account, Journal, JournalLine, TaxClass, TaxCode, TaxRule
from apps.settlements import journals
from apps.settlements.exception_types.choose_tax_code import CHOOSE_TAX_CODE
from apps.settlements.exception_types.map_fee import MAP_FEE
from apps.settlements.models import (
    FeeRule,
    FeeSignature,
    JournalPart,
    Resolution,
    RollUp,
    Settlement,
    SettlementVersion,
)
from apps.settlements.resolutions import resolve
from apps.settlements.rules import signature_key
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.take import live_cases

pytestmark = pytest.mark.django_db(transaction=True)

END = datetime(2026, 11, 7, tzinfo=UTC)
RETURN_FEE = ("Amazon.co.uk", "Refund", "ItemFees", "FBACustomerReturnPerUnitFee", "none")
SALE = ("Amazon.co.uk", "Order", "ItemPrice", "Principal", "seller")
FULFILMENT = ("Amazon.co.uk", "Order", "ItemFees", "FBAPerUnitFulfillmentFee", "none")


def settle(entity, settlement_id: str, cells: list[tuple], *, currency="GBP", end=END) -> SettlementVersion:
    """A taken settlement of roll-ups, as an ingest leaves them. A cell: (signature, day, amount, lines[, leg])."""
    place = entity.connections.first() or ConnectionFactory(entity=entity)
    total = sum(Decimal(cell[2]) for cell in cells)
    file = StoredFile.objects.create(
        connection=place, sha256=settlement_id.zfill(64), name=f"{settlement_id}.txt", size=1, path=settlement_id
    )
    settlement = Settlement.objects.create(
        entity=entity, connection=place, settlement_id=settlement_id, currency=currency,
        start_at=datetime(2026, 10, 24, tzinfo=UTC), end_at=end, deposit_at=end,
    )  # fmt: skip
    version = SettlementVersion.objects.create(
        settlement=settlement, number=1, file=file, state="taken", rows_hash=settlement_id, total=total, sum=total,
        lines=sum(cell[3] for cell in cells), encoding="utf-8", line_end="lf", date_style="dotted",
        decimal_style="point",
    )  # fmt: skip
    for parts, day, amount, lines, *leg in cells:
        signature, _ = FeeSignature.objects.get_or_create(
            entity=entity,
            key=signature_key(*parts),
            defaults=dict(
                zip(
                    ("marketplace", "transaction_type", "amount_type", "amount_description", "treatment"),
                    parts,
                    strict=True,
                )
            ),
        )
        value = Decimal(amount)
        RollUp.objects.create(
            version=version,
            signature=signature,
            day=day,
            leg="".join(leg),
            lines=lines,
            credit=max(value, 0),
            debit=max(-value, 0),
        )
    resolve(entity, None)
    journals.rebuild([version.pk], because="A test built it.")
    sweep_entity(entity)
    return version


@pytest.fixture
def stopped(entity, priya):
    """Two settlements over a month's end, both stopped by the return fee, one of them by the Vine fee as well."""
    october, november = date(2026, 10, 26), date(2026, 11, 3)
    common = [(SALE, october, "1000.00", 10), (FULFILMENT, october, "-300.00", 10), (RETURN_FEE, october, "-60.00", 20)]
    settle(entity, "11924306741", [*common, (RETURN_FEE, november, "-24.00", 8)])
    settle(
        entity,
        "11921480036",
        [*common, (("Amazon.co.uk", "Order", "ItemFees", "NewVineFee", "none"), november, "-5.00", 1)],
    )
    return Case.objects.get(subject=signature_key(*RETURN_FEE))


def form_data(case, **changes) -> dict:
    data = {
        "account": Account.objects.get(entity=case.entity, code="5110").pk,
        "tax": TaxClass.objects.get(entity=case.entity, name="FBA fees").pk,
        "where": "everywhere",
        "match": "exact",
        "since": "2026-10-26",
        "reason": "New return fee, announced for autumn 2026",
    }
    return data | changes


def planned(case, actor, **changes):
    form, plan = engine.plan(case=case, action=MAP_FEE, actor=actor, data=form_data(case, **changes))
    assert plan, form.errors
    return plan


def balances(entity) -> dict[str, Decimal]:
    lines = JournalLine.objects.filter(journal__entity=entity).values("account__code", "account__name")
    return {
        f"{row['account__code']} {row['account__name']}" if row["account__code"] else "No account": row["debit"]
        - row["credit"]
        for row in lines.annotate(debit=Sum("debit"), credit=Sum("credit"))
    }


def test_the_case_says_what_stops_and_what_it_blocks(stopped):
    assert (
        stopped.kind.headline(stopped)
        == "A charge at Amazon.co.uk called FBACustomerReturnPerUnitFee has no ledger account since 26 October"
    )
    assert (stopped.stake, stopped.lines) == (Decimal("144.00"), 48)
    assert stopped.facts["blocked"] == {"GBP": "1251.00"}
    assert [row["amount"] for row in stopped.facts["settlements"]] == ["-60.00", "-84.00"]
    labels = JournalLine.objects.filter(account=None, label__contains="Return").values_list("label", flat=True)
    assert set(labels) == {"No account: Refund / ItemFees / FBACustomerReturnPerUnitFee"}


def test_the_preview_is_what_happens(stopped, entity, priya):
    before = balances(entity)
    rules = FeeRule.objects.count()
    plan = planned(stopped, priya)
    assert FeeRule.objects.count() == rules, "a preview saves nothing"
    assert balances(entity) == before
    comparison = plan.detail["map"].comparison
    assert comparison.lines == 48
    (change,) = comparison.currencies
    assert change.before == change.after
    assert [(row.name, row.before, row.after) for row in change.accounts] == [
        ("No account", "£149.00", "£5.00"),
        ("2201 Input VAT", "£100.00", "£124.00"),
        ("5110 FBA fees", "£500.00", "£620.00"),
    ]
    assert [(row.settlement_id, row.complete, row.months) for row in comparison.payouts] == [
        ("11921480036", False, "Oct, Nov"),
        ("11924306741", True, "Oct, Nov"),
    ]
    vine = Case.objects.get(subject__contains="newvinefee")
    assert [(stop.label, stop.case) for stop in comparison.payouts[0].stops] == [
        ("No account: Order / ItemFees / NewVineFee", vine.pk)
    ]
    assert comparison.freed_words == "£616.00"
    assert plan.effect == "Map the fee and rebuild 3 journals"
    html = render_to_string("cases/fee_plan.html", {"case": stopped, "plan": plan})
    assert "<b>48 lines</b> get an account, <b>3 draft journals</b> are rebuilt, <b>1 case</b> closes." in html
    assert f'href="/cases/{vine.pk}/"' in html

    outcome = engine.perform(case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped), digest=plan.digest)

    after = balances(entity)
    assert outcome.words == "Mapped. 48 lines now post to 5110."
    assert after["No account"] == Decimal("5.00")
    assert after["5110 FBA fees"] == Decimal("620.00")
    assert after["2201 Input VAT"] == Decimal("124.00")
    stopped.refresh_from_db()
    assert (stopped.state, stopped.ended_by) == (State.RESOLVED, priya)
    assert Case.objects.live().get(type="settlement.fee-unmapped") == vine
    states = {journal.key: journal.state for journal in Journal.objects.all()}
    assert states["stl:11924306741:202610:1"] == states["stl:11924306741:202611:1"] == "draft"
    assert states["stl:11921480036:202611:1"] == "incomplete"
    entry = AuditEntry.objects.get(verb="fee.mapped")
    assert (entry.actor, entry.after["account"], entry.after["lines"]) == (priya, "5110 FBA fees", 48)
    assert entry.reason == "New return fee, announced for autumn 2026"


def test_a_changed_world_shows_the_new_plan_and_does_nothing(stopped, entity, priya):
    plan = planned(stopped, priya)
    settle(entity, "11924306803", [(RETURN_FEE, date(2026, 10, 27), "-3.00", 1)])
    with pytest.raises(engine.PlanChanged) as refused:
        engine.perform(case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped), digest=plan.digest)
    assert refused.value.plan.detail["map"].comparison.lines == 49
    assert not FeeRule.objects.filter(source="person").exists()


def test_another_role_cannot_map(stopped, entity):
    viewer = person(Role.VIEWER, entity)
    with pytest.raises(NotAllowed):
        engine.plan(case=stopped, action=MAP_FEE, actor=viewer, data=form_data(stopped))


def test_a_later_start_leaves_the_earlier_lines_waiting(stopped, priya):
    plan = planned(stopped, priya, since="2026-11-01")
    assert plan.detail["map"].comparison.lines == 8
    assert plan.detail["map"].cases == 0
    engine.perform(
        case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped, since="2026-11-01"), digest=plan.digest
    )
    stopped.refresh_from_db()
    assert stopped.is_live
    assert stopped.lines == 40
    earlier = planned(stopped, priya)
    engine.perform(case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped), digest=earlier.digest)
    stopped.refresh_from_db()
    assert stopped.state == State.RESOLVED
    periods = FeeRule.objects.filter(source="person").order_by("period").values_list("period", flat=True)
    assert [(period.lower, period.upper) for period in periods] == [
        (date(2026, 10, 26), date(2026, 11, 1)),
        (date(2026, 11, 1), None),
    ]


def test_a_family_takes_its_members(entity, priya):
    fees = [("Amazon.co.uk", "Order", "ItemFees", f"PilotProgrammeFee{n:03d}", "none") for n in range(3)]
    settle(entity, "11924306741", [(fee, date(2026, 11, 2), "-2.00", 1) for fee in fees])
    case = live_cases().order_by("subject").first()
    plan = planned(case, priya, match="family")
    assert (plan.detail["map"].comparison.lines, plan.detail["map"].cases) == (3, 3)
    engine.perform(case=case, action=MAP_FEE, actor=priya, data=form_data(case, match="family"), digest=plan.digest)
    assert not live_cases().exists()
    assert FeeRule.objects.get(source="person").amount_description == "PilotProgrammeFee*"


def test_a_charge_on_an_income_account_is_said(stopped, priya):
    income = Account.objects.get(entity=stopped.entity, code="4000")
    (warning,) = planned(stopped, priya, account=income.pk, tax="none").detail["map"].warnings
    assert warning.startswith("These are charges, and 4000 Sales UK is an income account.")


def test_the_form_says_what_is_missing_beside_the_field(stopped, priya):
    form, plan = engine.plan(case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped, tax="", reason=""))
    assert plan is None
    assert set(form.errors) == {"tax", "reason"}


def test_no_account_of_another_company_can_be_chosen(stopped, priya):
    other = EntityFactory()
    foreign = Account.objects.create(entity=other, code="5110", name="Theirs", kind="expense")
    form, plan = engine.plan(case=stopped, action=MAP_FEE, actor=priya, data=form_data(stopped, account=foreign.pk))
    assert plan is None
    assert set(form.errors) == {"account"}


def test_the_suggestion_fills_the_form_gives_reasons_and_saves_nothing(stopped, entity, priya):
    rules = FeeRule.objects.count()
    form = MAP_FEE.form(stopped, priya)
    assert form.initial["account"] == Account.objects.get(entity=entity, code="5110").pk
    assert form.initial["since"] == date(2026, 10, 26)
    html = render_to_string("cases/fee.html", {"case": stopped})
    assert "Suggested: 5110 FBA fees, taxed as FBA fees" in html
    assert "All its 48 lines are charges, as on every fee mapped to 5110." in html
    assert FeeRule.objects.count() == rules


def test_reading_files_adds_no_rule(stopped, entity):
    before = FeeRule.objects.count()
    settle(
        entity,
        "11924306999",
        [(("Amazon.co.uk", "Order", "ItemFees", "Brand New Fee", "none"), date(2026, 11, 2), "-2.00", 1)],
    )
    assert FeeRule.objects.count() == before


def test_rebuilding_keeps_the_journals_and_every_figure(stopped, entity):
    def shown():
        lines = JournalLine.objects.values_list("journal__pk", "journal__key", "number", "label", "debit", "credit")
        return list(lines.order_by("journal", "number")), JournalPart.objects.aggregate(
            n=Sum("lines"), amount=Sum("amount")
        )

    before = shown()
    journals.rebuild([version.pk for version in SettlementVersion.objects.all()], because="A test built it.")
    assert shown() == before


def test_a_version_that_is_taken_no_longer_loses_its_drafts(stopped):
    version = SettlementVersion.objects.get(settlement__settlement_id="11924306741")
    version.state = "superseded"
    version.save()
    journals.rebuild([version.pk], because="A test built it.")
    assert not Journal.objects.filter(key__startswith="stl:11924306741").exists()


def test_a_leg_without_tax_stops_its_journal_until_a_code_is_chosen(entity, priya):
    fba = TaxClass.objects.get(entity=entity, name="FBA fees")
    TaxRule.objects.filter(tax_class=fba, leg="*", period__contains=date(2026, 11, 2)).delete()
    settle(
        entity,
        "11924306741",
        [(SALE, date(2026, 11, 2), "99.00", 1), (FULFILMENT, date(2026, 11, 2), "-9.80", 1, "GB>DE")],
    )
    case = live_cases().get()
    assert (case.type, case.subject) == ("ledger.tax-code-unmapped", "FBA fees | GB>DE")
    assert case.kind.headline(case) == "No tax code for FBA fees from GB to DE"
    assert Journal.objects.get().state == "incomplete"
    assert "FBAPerUnitFulfillmentFee" in render_to_string("cases/tax_code.html", {"case": case})
    data = {"tax_code": TaxCode.objects.get(code="VAT0").pk, "since": "2024-08-01", "reason": "Zero-rated, see invoice"}
    form, plan = engine.plan(case=case, action=CHOOSE_TAX_CODE, actor=priya, data=data)
    assert plan, form.errors
    assert plan.detail["comparison"].freed_words == "£89.20"
    assert "Complete" in render_to_string("cases/tax_code_plan.html", {"case": case, "plan": plan})
    engine.perform(case=case, action=CHOOSE_TAX_CODE, actor=priya, data=data, digest=plan.digest)
    case.refresh_from_db()
    assert case.state == State.RESOLVED
    assert Journal.objects.get().state == "draft"
    assert balances(entity)["5110 FBA fees"] == Decimal("9.80")


def test_facilitator_tax_that_is_not_withheld_in_full_opens_a_case(entity, priya):
    tax = ("Amazon.co.uk", "Order", "ItemPrice", "Tax", "facilitator")
    withheld = ("Amazon.co.uk", "Order", "ItemWithheldTax", "MarketplaceFacilitatorVAT-Principal", "facilitator")
    settle(entity, "11924306741", [(tax, date(2026, 11, 2), "28.50", 1), (withheld, date(2026, 11, 2), "-28.50", 1)])
    assert not live_cases().exists()
    settle(entity, "11924306803", [(tax, date(2026, 11, 2), "28.50", 1), (withheld, date(2026, 11, 2), "-20.00", 1)])
    case = live_cases().get()
    assert (case.type, case.subject, case.stake) == ("settlement.facilitator-not-zero", "11924306803", Decimal("8.50"))
    assert (
        case.kind.headline(case) == "£8.50 of facilitator tax is collected but not withheld in settlement 11924306803"
    )
    assert "£8.50" in render_to_string("cases/facilitator.html", {"case": case})


def test_resolutions_are_recomputed_for_just_the_signatures_asked_for(stopped, entity, priya):
    FeeRule.objects.create(
        entity=entity, transaction_type="Refund", amount_type="ItemFees", period=(date(2026, 10, 26), None),
        amount_description="FBACustomerReturnPerUnitFee", account=Account.objects.get(code="5115"),
        source="person", made_by=priya,
    )  # fmt: skip
    untouched = set(Resolution.objects.values_list("pk", flat=True))
    signature = FeeSignature.objects.get(key=stopped.subject)
    assert resolve(entity, [signature.pk]) == {signature.pk}
    assert untouched < set(Resolution.objects.values_list("pk", flat=True))
    assert resolve(entity, None) == set()
