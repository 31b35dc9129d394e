"""Approval: by another person than who mapped, of complete journals in open months, and only as long as the lines hold."""

from datetime import date
from threading import Event

import pytest
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.ledger.approval import hash_of
from apps.ledger.models import Account, Journal, TaxClass, TaxCode
from apps.settlements.approval import ONE_PERSON, approve, preview_approve, withdraw
from apps.settlements.charts import apply_chart
from apps.settlements.exports import export
from apps.settlements.makers import makers
from apps.settlements.models import JournalPart, SettlementJournal
from apps.settlements.operations import choose_tax_code, map_fee
from apps.settlements.resolutions import lock_mapping
from apps.settlements.rule_versions import change_rule, undo_rule
from tests.exceptions.test_concurrency import together
from tests.factories import CaseFactory, ConnectionFactory, person
from tests.polling import eventually
from tests.settlements.books import LATER, NOVEMBER, RETURN_FEE, lock, map_the_fee, settle
from tests.settlements.files import line

pytestmark = pytest.mark.django_db(transaction=True)


def refused(journals, actor) -> str:
    """The words of preview and doing, which are the same."""
    with pytest.raises(Refused) as preview:
        preview_approve(journals=journals, actor=actor)
    with pytest.raises(Refused) as doing:
        approve(journals=journals, actor=actor)
    assert preview.value.words == doing.value.words
    for journal in journals:
        state = journal.state
        journal.refresh_from_db()
        assert journal.state == state
    return doing.value.words


def test_approval_binds_a_journal_to_its_lines(place, ian):
    october, november = settle(place, "30000000001", LATER)
    plan = preview_approve(journals=[october, november], actor=ian)
    assert plan.effect == "Approve 2 journals"
    assert Journal.objects.filter(state="draft").count() == 2, "a preview changes nothing"
    approve(journals=[october, november], actor=ian)
    october.refresh_from_db()
    assert (october.state, october.approved_by) == ("approved", ian)
    assert october.approved_hash == october.lines_hash == hash_of([october])[october.pk]
    assert october.approved_at <= timezone.now()
    entry = AuditEntry.objects.about(f"journal:{october.pk}").get(verb="journal.approved")
    assert (entry.actor, entry.after["journal"], entry.reason) == (ian, "stl:30000000001:202610:1", "")
    assert entry.after["lines"] == october.lines_hash


def test_what_is_not_a_complete_draft_is_not_approved(place, ian):
    (incomplete,) = settle(place, "30000000001", RETURN_FEE)
    assert refused([incomplete], ian) == "A line of it has no account."
    (draft,) = settle(place, "30000000002")
    approve(journals=[draft], actor=ian)
    draft.refresh_from_db()
    assert refused([draft], ian) == "Ian Grove approved it already."


def test_of_several_those_go_that_can_and_the_others_stay_with_their_reason(place, ian):
    (incomplete,), (draft,) = settle(place, "30000000001", RETURN_FEE), settle(place, "30000000002")
    plan = preview_approve(journals=[incomplete, draft], actor=ian)
    assert plan.effect == "Approve the October 2026 journal"
    assert [(each.journal, each.refusal) for each in plan.detail["stay"]] == [
        (incomplete, "A line of it has no account.")
    ]
    assert approve(journals=[incomplete, draft], actor=ian) == [draft]
    incomplete.refresh_from_db()
    assert incomplete.state == "incomplete"


def test_nothing_is_approved_in_a_locked_month(entity, place, ian):
    october, november = settle(place, "30000000001", LATER)
    lock(entity, date(2026, 10, 1), ian)
    assert refused([october], ian) == "October 2026 is locked."
    assert approve(journals=[october, november], actor=ian) == [november]


def test_no_line_posts_to_a_closed_account(entity, place, ian):
    (draft,) = settle(place, "30000000001")
    Account.objects.filter(entity=entity, code="4000").update(closed_at=timezone.now())
    assert refused([draft], ian) == "Account 4000 is closed, and a line of it posts there."


def test_who_mapped_in_it_does_not_approve_it(entity, place, priya, ian):
    (mapped,), (other,) = settle(place, "30000000001", RETURN_FEE), settle(place, "30000000002")
    map_the_fee(entity, priya)
    mapped.refresh_from_db()
    assert refused([mapped], priya) == (
        "You mapped Order / ItemFees / NewReturnFee to 5110 FBA fees. Another person approves it."
    )
    assert approve(journals=[mapped, other], actor=priya) == [other], "a chart is nobody's change"
    assert approve(journals=[mapped], actor=ian) == [mapped]


def test_a_maker_is_one_on_the_days_of_the_month_alone(entity, place, priya):
    """The fee of October was mapped from November on only: nobody changed October."""
    fee = RETURN_FEE | {"posted-date": NOVEMBER, "posted-date-time": f"{NOVEMBER} 12:00:00 UTC"}
    october, november = settle(place, "30000000001", fee)
    map_the_fee(entity, priya, since=date(2026, 11, 1))
    assert makers([october, november]) == {
        november.pk: {priya: ["mapped Order / ItemFees / NewReturnFee to 5110 FBA fees"]}
    }


def test_who_chose_a_tax_code_in_it_does_not_approve_it(entity, place, priya):
    (draft,) = settle(place, "30000000001")
    fees = TaxClass.objects.get(entity=entity, name="Selling fees")
    choose_tax_code(
        entity=entity,
        tax_class=fees,
        leg="GB>GB",
        tax_code=TaxCode.objects.get(entity=entity, code="VAT0"),
        since=date(2026, 10, 1),
        reason="As invoiced",
        actor=priya,
    )
    draft.refresh_from_db()
    assert refused([draft], priya).startswith("You chose ")
    assert "for Selling fees, GB>GB. Another person approves it." in refused([draft], priya)


def test_the_one_person_setting_lets_the_maker_and_the_audit_says_so(entity, place, priya):
    (mapped,) = settle(place, "30000000001", RETURN_FEE)
    map_the_fee(entity, priya)
    entity.one_person = True
    entity.save()
    (review,) = preview_approve(journals=[mapped], actor=priya).detail["go"]
    assert review.by_maker
    approve(journals=[mapped], actor=priya)
    assert AuditEntry.objects.get(verb="journal.approved").reason == ONE_PERSON


@pytest.mark.parametrize("role", [role for role in Role if role != Role.FINANCE])
def test_no_other_role_approves_not_even_admins(entity, place, role):
    (draft,) = settle(place, "30000000001")
    with pytest.raises(NotAllowed, match="Finance can"):
        approve(journals=[draft], actor=person(role, entity))


def test_journals_of_two_companies_are_not_taken_at_once(place, ian):
    elsewhere = ConnectionFactory()
    ian.memberships.create(entity=elsewhere.entity, role=Role.FINANCE)
    apply_chart(chart="uk", entity=elsewhere.entity, actor=ian)
    (ours,), (theirs,) = settle(place, "30000000001"), settle(elsewhere, "30000000002")
    assert "several companies" in refused([ours, theirs], ian)


def test_a_change_of_the_mapping_returns_it_to_draft_and_says_so(entity, place, priya, ian):
    (changed,), (same,) = settle(place, "30000000001", RETURN_FEE), settle(place, "30000000002")
    map_the_fee(entity, priya)
    approve(journals=[changed, same], actor=ian)
    map_the_fee(entity, priya, since=date(2026, 9, 1), code="5115")  # other days: no figure changes
    changed.refresh_from_db()
    assert changed.state == "approved"
    map_the_sale_elsewhere(entity, priya)
    for journal in (changed, same):
        journal.refresh_from_db()
        assert (journal.state, journal.approved_by, journal.approved_hash) == ("draft", None, "")
        assert journal.returned.startswith("Ian Grove had approved it. Then it changed: ")
    approve(journals=[same], actor=ian)
    same.refresh_from_db()
    assert same.returned == ""


def map_the_sale_elsewhere(entity, actor):
    pattern = {"transaction_type": "Order", "amount_type": "ItemPrice", "amount_description": "Principal"}
    map_fee(
        entity=entity,
        pattern=pattern | {"marketplace": "Amazon.co.uk", "treatment": "seller"},
        since=date(2026, 10, 1),
        account=Account.objects.get(entity=entity, code="4300"),
        tax_class=None,
        reason="Other income",
        actor=actor,
    )


def test_lines_that_are_not_as_built_are_not_approved(place, ian):
    (draft,) = settle(place, "30000000001")
    draft.lines.filter(number=1).update(label="Something else")
    assert "not those that were built" in refused([draft], ian)


def test_a_journal_that_a_change_dropped_while_its_approval_waited(entity, place, priya, ian):
    """The correction is not needed any more once the change before it is undone, as a job or another person may do."""
    rule = map_the_fee(entity, priya).rule
    journals = settle(place, "30000000001", RETURN_FEE)
    export(journals=approve(journals=journals, actor=ian), format="generic", actor=ian)
    other = Account.objects.get(entity=entity, code="5120")
    changed = change_rule(rule=rule, account=other, tax_class=None, since=date(2026, 10, 1), reason="x", actor=priya)
    correction = Journal.objects.get(corrects__isnull=False)
    holds = Event()

    def undo() -> None:
        with transaction.atomic():
            lock_mapping(entity.pk)
            holds.set()
            eventually(somebody_waits, "the approval to wait")
            undo_rule(rule=changed, reason="x", actor=priya)

    def ask() -> None:
        holds.wait()
        with pytest.raises(Refused, match=r"^Nothing is left to book in it: a change came first\.$"):
            approve(journals=[correction], actor=ian)

    together(undo, ask)


def somebody_waits() -> bool:
    with database.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return cursor.fetchone()[0]


def test_a_broken_chain_and_a_default_leg_warn_and_block_nothing(entity, place, ian):
    fee = line("-3.00", amount_type="ItemFees", amount_description="FBAPerUnitFulfillmentFee")
    (draft,) = settle(place, "30000000001", fee)
    case = CaseFactory(entity=entity, type="settlement.reserve-chain-broken", subject="30000000001")
    (review,) = preview_approve(journals=[draft], actor=ian).detail["go"]
    assert review.warnings == (
        "1 line, £3.00, took the default leg.",
        "The reserve chain is broken at settlement 30000000001.",
    )
    assert review.chain == case.pk
    approve(journals=[draft], actor=ian)
    entry = AuditEntry.objects.get(verb="journal.approved")
    assert entry.after["warnings"] == list(review.warnings)


def test_an_approval_is_taken_back_with_a_reason_until_the_journal_leaves(place, ian):
    (journal,) = settle(place, "30000000001")
    with pytest.raises(Refused, match="no approval to take back"):
        withdraw(journal=journal, reason="Too early", actor=ian)
    approve(journals=[journal], actor=ian)
    with pytest.raises(Refused) as asked:
        withdraw(journal=journal, reason="  ", actor=ian)
    assert asked.value.field == "reason"
    withdraw(journal=journal, reason="Too early", actor=ian)
    journal.refresh_from_db()
    assert (journal.state, journal.returned) == ("draft", "Ian Grove took the approval back: Too early")
    assert AuditEntry.objects.get(verb="journal.withdrawn").reason == "Too early"


def test_as_many_queries_for_ten_journals_as_for_one(place, ian):
    journals = [journal for n in range(10) for journal in settle(place, f"3000000{n:04}")]
    preview_approve(journals=journals[:1], actor=ian)  # reads the person's roles
    with CaptureQueriesContext(database) as one:
        preview_approve(journals=journals[:1], actor=ian)
    with CaptureQueriesContext(database) as many:
        preview_approve(journals=journals, actor=ian)
    assert len(one) == len(many)
    with CaptureQueriesContext(database) as one:
        approve(journals=journals[:1], actor=ian)
    with CaptureQueriesContext(database) as many:
        approve(journals=journals[1:], actor=ian)
    assert len(one) == len(many)
    assert JournalPart.objects.exists() and SettlementJournal.objects.count() == 10
