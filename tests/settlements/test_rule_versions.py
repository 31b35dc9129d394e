"""A rule changed or undone is a new version: what was stays on record, the preview is what happens, what left is corrected."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep_entity
from apps.ledger.models import Account, Journal, JournalLine, TaxClass
from apps.settlements import operations
from apps.settlements.approval import approve
from apps.settlements.charts import preview
from apps.settlements.exports import export
from apps.settlements.models import FeeRule, FeeSignature
from apps.settlements.resolutions import resolve
from apps.settlements.rule_versions import change, change_rule, foresee, history, undo, undo_rule
from apps.settlements.rules import Span
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

OCTOBER, NOVEMBER = date(2026, 10, 26), date(2026, 11, 1)
FEE = {"amount_type": "ItemFees", "amount_description": "PilotFee"}
IN_NOVEMBER = {"posted_date": "03.11.2026", "posted_date_time": "03.11.2026 12:00:00 UTC"}
PATTERN = {"marketplace": "", "transaction_type": "Order", "treatment": "", **FEE}


@pytest.fixture
def priya(entity, priya):
    take(
        ConnectionFactory(entity=entity), File(lines=(*SALE, line("-6.00", **FEE), line("-2.00", **FEE, **IN_NOVEMBER)))
    )
    return priya


def account(code: str) -> Account:
    return Account.objects.get(code=code)


def map_fee(priya, since=OCTOBER, code="5110", **pattern) -> FeeRule:
    return operations.map_fee(
        entity=Account.objects.get(code=code).entity, pattern=PATTERN | pattern, since=since, account=account(code),
        tax_class=None, reason="New fee", actor=priya,
    ).rule  # fmt: skip


@pytest.fixture
def rule(priya):
    return map_fee(priya)


def to(rule, code, actor, since=None) -> FeeRule:
    return change_rule(rule=rule, account=account(code), tax_class=None, since=since, reason="Wrong one", actor=actor)


def balance(code: str | None) -> Decimal:
    sides = JournalLine.objects.filter(account__code=code).aggregate(debit=Sum("debit"), credit=Sum("credit"))
    return (sides["debit"] or 0) - (sides["credit"] or 0)


def periods(rule: FeeRule) -> list[tuple]:
    """(account, from, until) of each version of the pattern, the newest first; what maps nothing has no days."""
    return [
        (row.account.code if row.account else None, *("",) * 2)
        if row.period.isempty
        else (row.account.code, row.period.lower, row.period.upper)
        for row in history(rule)
    ]


def test_a_change_from_a_day_on_cuts_the_version_before(rule, priya, entity):
    new = to(rule, "5115", priya, NOVEMBER)
    assert periods(new) == [("5115", NOVEMBER, None), ("5110", OCTOBER, NOVEMBER)]
    assert (balance("5110"), balance("5115")) == (Decimal("6.00"), Decimal("2.00"))
    rule.refresh_from_db()
    assert rule.cut_by == new
    entry = AuditEntry.objects.get(verb="rule.changed")
    assert (entry.subject, entry.actor, entry.reason) == (f"rule:{new.pk}", priya, "Wrong one")
    assert (entry.before["account"], entry.after["account"]) == ("5110 FBA fees", "5115 Returns handling")


@pytest.mark.parametrize("since", [None, OCTOBER, date(2026, 1, 1)])
def test_a_change_from_the_beginning_takes_the_whole_place(rule, priya, since):
    new = to(rule, "5115", priya, since)
    assert periods(new) == [("5115", OCTOBER, None), ("5110", "", "")]
    assert (balance("5110"), balance("5115")) == (Decimal(0), Decimal("8.00"))


def test_a_change_ends_where_the_version_before_ended(rule, priya):
    to(rule, "5115", priya, NOVEMBER)
    rule.refresh_from_db()
    assert periods(to(rule, "5190", priya)) == [
        ("5190", OCTOBER, NOVEMBER), ("5115", NOVEMBER, None), ("5110", "", ""),
    ]  # fmt: skip
    assert (balance("5190"), balance("5115")) == (Decimal("6.00"), Decimal("2.00"))


def test_undoing_a_change_brings_back_what_it_cut(rule, priya):
    new = undo_rule(rule=to(rule, "5115", priya, NOVEMBER), reason="As before", actor=priya)
    assert periods(new) == [("5110", NOVEMBER, None), ("5115", "", ""), ("5110", OCTOBER, NOVEMBER)]
    assert (balance("5110"), balance("5115")) == (Decimal("8.00"), Decimal(0))
    assert AuditEntry.objects.get(verb="rule.undone").subject == f"rule:{new.pk}"


def test_undoing_an_undoing_does_it_again(rule, priya):
    undone = undo_rule(rule=to(rule, "5115", priya, NOVEMBER), reason="As before", actor=priya)
    again = undo_rule(rule=undone, reason="It was right", actor=priya)
    assert periods(again)[:2] == [("5115", NOVEMBER, None), ("5110", "", "")]


def test_without_the_later_version_the_one_changed_meanwhile_maps_its_days(rule, priya):
    later = to(rule, "5115", priya, NOVEMBER)
    rule.refresh_from_db()
    to(rule, "5190", priya, date(2026, 10, 28))
    assert periods(undo_rule(rule=later, reason="Not so", actor=priya))[0] == ("5190", NOVEMBER, None)


def test_undoing_a_first_mapping_leaves_its_fees_unmapped_until_they_are_mapped_again(rule, priya, entity):
    sweep_entity(entity)
    unmapped = Case.objects.live().filter(type="settlement.fee-unmapped")
    assert not unmapped.exists()
    gone = undo_rule(rule=rule, reason="Mapped by mistake", actor=priya)
    assert (gone.account, periods(gone)) == (None, [(None, "", ""), ("5110", "", "")])
    assert balance(None) == Decimal("8.00")
    sweep_entity(entity)
    assert unmapped.get().lines == 2
    again = map_fee(priya, code="5190")
    assert periods(again) == [("5190", OCTOBER, None), (None, "", ""), ("5110", "", "")]
    sweep_entity(entity)
    assert not unmapped.exists()
    assert balance("5190") == Decimal("8.00")


def test_a_less_exact_rule_takes_what_an_undone_one_leaves(rule, priya):
    map_fee(priya, code="5190", amount_description="Pilot*")
    undo_rule(rule=rule, reason="The family has it", actor=priya)
    assert (balance("5190"), balance(None)) == (Decimal("8.00"), Decimal(0))


def test_a_pattern_in_other_spelling_is_the_same_pattern(rule, priya):
    with pytest.raises(Refused) as refused:
        map_fee(priya, amount_description=" pilotFEE ")
    assert refused.value.code == "rule-there"
    undo_rule(rule=rule, reason="Again, please", actor=priya)
    again = map_fee(priya, amount_description=" pilotFEE ")
    assert [row.pk for row in history(again)] == [row.pk for row in history(rule)]


def test_the_preview_of_a_change_is_what_happens(rule, priya, entity):
    step = change(rule, account=account("5115"), tax_class=None, since=NOVEMBER, reason="-", actor=priya)
    seen = foresee(entity, [step])
    assert (seen.fees, seen.comparison.moved, seen.unmapped) == (1, 1, 0)
    (gbp,) = seen.comparison.currencies
    assert [(row.name, row.before, row.after) for row in gbp.accounts] == [
        ("5110 FBA fees", "£8.00", "£6.00"),
        ("5115 Returns handling", "£0.00", "£2.00"),
    ]
    assert FeeRule.objects.filter(source="person").count() == 1, "a preview saves nothing"
    to(rule, "5115", priya, NOVEMBER)
    assert (balance("5110"), balance("5115")) == (Decimal("6.00"), Decimal("2.00"))


def test_the_preview_of_an_undoing_says_which_lines_lose_their_account(rule, priya, entity):
    seen = foresee(entity, [undo(rule, reason="-", actor=priya)])
    assert (seen.unmapped, seen.comparison.payouts[0].complete) == (2, False)


def test_a_changed_world_has_another_digest(rule, priya, entity):
    def digest():
        rule.refresh_from_db()
        return foresee(entity, [undo(rule, reason="-", actor=priya)]).digest

    first = digest()
    assert digest() == first
    take(entity.connections.get(), File(settlement_id="30000000009", lines=(*SALE, line("-1.00", **FEE))))
    assert digest() != first


def test_what_has_left_is_corrected_by_the_difference(rule, priya, entity):
    marta = person(Role.FINANCE, entity, name="Marta Lis")
    approve(journals=Journal.objects.filter(entity=entity), actor=marta)
    export(journals=Journal.objects.filter(entity=entity), format="generic", actor=marta)
    step = change(rule, account=account("5115"), tax_class=None, since=NOVEMBER, reason="-", actor=priya)
    (correction,) = foresee(entity, [step]).comparison.corrections
    assert [(row.name, row.debit, row.credit) for row in correction.lines] == [
        ("5110 FBA fees", "", "£2.00"),
        ("5115 Returns handling", "£2.00", ""),
    ]
    to(rule, "5115", priya, NOVEMBER)
    assert Journal.objects.get(corrects__isnull=False).key == correction.key
    assert (balance("5110"), balance("5115")) == (Decimal("6.00"), Decimal("2.00"))


def test_undoing_what_is_not_exported_yet_says_that_its_correction_goes(rule, priya, entity):
    marta = person(Role.FINANCE, entity, name="Marta Lis")
    approve(journals=Journal.objects.filter(entity=entity), actor=marta)
    export(journals=Journal.objects.filter(entity=entity), format="generic", actor=marta)
    moved = to(rule, "5115", priya, NOVEMBER)
    correction = Journal.objects.get(corrects__isnull=False)
    approve(journals=[correction], actor=marta)
    comparison = foresee(entity, [undo(moved, reason="-", actor=priya)]).comparison
    assert (comparison.dropped, comparison.returned) == ([correction.key], [])
    assert comparison.effect == "drop 1 draft"
    undo_rule(rule=moved, reason="-", actor=priya)
    assert not Journal.objects.filter(corrects__isnull=False).exists()


def test_an_approval_ends_when_its_mapping_changes(rule, priya, entity):
    marta = person(Role.FINANCE, entity, name="Marta Lis")
    approve(journals=Journal.objects.filter(entity=entity), actor=marta)
    to(rule, "5115", priya, NOVEMBER)
    october, november = Journal.objects.order_by("period")
    assert (october.state, november.state) == ("approved", "draft")
    assert november.returned.endswith("Priya Nair moved Order / ItemFees / PilotFee to 5115.")


def test_only_finance_changes_a_rule(rule, entity):
    admin = person(Role.ADMIN, entity)
    with pytest.raises(NotAllowed):
        to(rule, "5115", admin)
    with pytest.raises(NotAllowed):
        undo_rule(rule=rule, reason="-", actor=admin)


def test_what_cannot_be_changed_is_refused_in_words(rule, priya):
    with pytest.raises(Refused, match="already"):
        to(rule, "5110", priya)
    later = to(rule, "5115", priya, NOVEMBER)
    rule.refresh_from_db()
    with pytest.raises(Refused, match="ends before that day"):
        to(rule, "5190", priya, NOVEMBER)
    undo_rule(rule=later, reason="-", actor=priya)
    with pytest.raises(Refused, match="took its place"):
        to(later, "5190", priya)
    with pytest.raises(Refused, match="took its place"):
        undo_rule(rule=later, reason="-", actor=priya)


def test_tax_alone_can_be_changed(rule, priya, entity):
    fba = TaxClass.objects.get(entity=entity, name="FBA fees")
    change_rule(rule=rule, account=account("5110"), tax_class=fba, since=None, reason="VAT is inside", actor=priya)
    assert balance("5110") == Decimal("6.67")


def test_a_chart_does_not_bring_back_what_a_person_undid(priya, entity):
    commission = FeeRule.objects.get(entity=entity, amount_description="Commission")
    undo_rule(rule=commission, reason="We book it elsewhere", actor=priya)
    again = preview(chart="uk", entity=entity, actor=priya)
    assert not any(again.added.values())
    assert [words for words in again.left_alone if "undone" in words] == [
        f"{commission} stays unmapped: that was undone; the chart maps it to {commission.account}."
    ]


def test_signatures_stay_as_first_seen(rule, priya):
    before = list(FeeSignature.objects.values_list("pk", "key"))
    undo_rule(rule=rule, reason="-", actor=priya)
    assert list(FeeSignature.objects.values_list("pk", "key")) == before


DAYS = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)]
steps = st.lists(
    st.tuples(
        st.sampled_from(["change", "undo"]), st.integers(0, 3), st.sampled_from([None, *DAYS]), st.integers(0, 3)
    ),
    max_size=8,
)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(steps)
def test_whatever_is_changed_and_undone_each_day_has_the_account_it_was_given(drawn):
    with transaction.atomic():  # each example on its own: what it leaves is rolled back
        entity = EntityFactory()
        actor = person(Role.FINANCE, entity)
        accounts = [
            Account.objects.create(entity=entity, code=str(n), name="Fees", kind="expense", role="") for n in range(4)
        ]
        first = FeeRule.objects.create(
            entity=entity, **PATTERN, period=(None, None), account=accounts[0], source="person", made_by=actor
        )
        fee = FeeSignature.objects.create(entity=entity, key="fee", **PATTERN | {"treatment": "none"})
        resolve(entity, [fee.pk])

        def mapped() -> list[int | None]:
            rows = {(row.period.lower, row.period.upper): row.rule.account_id for row in fee.resolutions.all()}
            return [next((rows[span] for span in rows if day in Span(*span)), None) for day in DAYS]

        for verb, which, since, to in drawn:
            live = [row for row in history(first) if not row.period.isempty]
            if not live:
                break
            rule, before = live[which % len(live)], mapped()
            mine = [day in Span(rule.period.lower, rule.period.upper) for day in DAYS]
            if verb == "undo":
                new = undo_rule(rule=rule, reason="-", actor=actor)
                wanted = [new.account_id if own else was for own, was in zip(mine, before, strict=True)]
            elif accounts[to] == rule.account or (rule.period.upper and since and since >= rule.period.upper):
                continue
            else:
                new = change_rule(rule=rule, account=accounts[to], tax_class=None, since=since, reason="-", actor=actor)
                later = [own and (since is None or day >= since) for day, own in zip(DAYS, mine, strict=True)]
                wanted = [accounts[to].pk if own else was for own, was in zip(later, before, strict=True)]
                undone = undo_rule(rule=new, reason="-", actor=actor)
                assert mapped() == before, "undoing what was just done leaves no trace in the mapping"
                undo_rule(rule=undone, reason="-", actor=actor)
            assert mapped() == wanted
        transaction.set_rollback(True)
