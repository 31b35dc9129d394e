"""A change above the company's limits: one person asks, another approves the same preview, and only then is it done."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, ReferenceRate, User
from apps.core.operations import set_one_person, set_second_person
from apps.core.permissions import Role
from apps.exceptions import operations
from apps.exceptions.models import Case
from apps.exceptions.operations import PlanChanged, find_action
from apps.exceptions.types import Plan, Weight
from apps.exceptions.weighing import NeedsSecondPerson, weighed
from apps.ledger.models import Account
from apps.settlements.models import FeeRule
from apps.settlements.rule_deeds import CHANGE
from apps.work import deeds, proposals
from apps.work.models import Proposal
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

FEE = {"amount_type": "ItemFees", "amount_description": "PilotFee"}


@pytest.fixture
def case(entity: Entity, priya: User) -> Case:
    take(ConnectionFactory(entity=entity), File(lines=(*SALE, line("-6.00", **FEE), line("-2.00", **FEE))))
    limit(entity, "5.00")
    return Case.objects.get(type="settlement.fee-unmapped")


def limit(entity: Entity, above: str | None, lines: int | None = None) -> None:
    admin = person(Role.ADMIN, entity)
    amount = above and Decimal(above)
    set_second_person(entity=entity, above=amount, lines_above=lines, reason="Four eyes", actor=admin)


def account(code: str) -> Account:
    return Account.objects.get(code=code)


def mapped_to(code: str) -> dict:
    return {
        "account": account(code).pk, "tax": "none", "where": "everywhere", "match": "exact", "since": "2026-10-01",
        "reason": "A new fee",
    }  # fmt: skip


def previewed(case: Case, actor: User, code: str = "5110") -> Plan:
    case = Case.objects.get(pk=case.pk)  # with the limits of its company as they are now
    action = find_action(case, "map-fee")
    _, plan = operations.plan(case=case, action=action, actor=actor, data=mapped_to(code))
    return plan


def ask(case: Case, actor: User, code: str = "5110") -> Proposal:
    digest = previewed(case, actor, code).digest
    case = Case.objects.get(pk=case.pk)
    return proposals.propose(
        kind="case", record=case, name="map-fee", actor=actor, data=mapped_to(code), digest=digest
    )


def approve(row: Proposal, actor: User) -> str:
    return proposals.approve(proposal=row, actor=actor, digest=proposals.review(row).plan.digest)


def test_below_the_limit_one_person_is_enough(case, priya):
    limit(case.entity, "8.00")
    plan = previewed(case, priya)
    assert (plan.over, plan.weight) == ("", Weight(lines=2, money={"GBP": Decimal("8.0000")}))
    with pytest.raises(Refused, match="One person may do this alone"):
        ask(case, priya)
    action = find_action(case, "map-fee")
    assert operations.perform(case=case, action=action, actor=priya, data=mapped_to("5110"), digest=plan.digest).resolved


def test_above_it_nothing_is_done_without_a_second_person(case, priya):
    plan = previewed(case, priya)
    assert plan.over == "£8.00 is more than the £5.00 that one person may change alone."
    action = find_action(case, "map-fee")
    asked = {"case": case, "action": action, "actor": priya, "data": mapped_to("5110"), "digest": plan.digest}
    with pytest.raises(NeedsSecondPerson):
        operations.perform(**asked)
    with pytest.raises(NotAllowed, match="Who asked for a change does not approve it"):
        operations.perform(**asked, second=priya)
    with pytest.raises(NotAllowed, match="cannot map fees"):
        operations.perform(**asked, second=person(Role.ECOMMERCE, case.entity, name="Kofi"))
    assert not FeeRule.objects.filter(source="person").exists()


def test_lines_count_as_well_as_money(case, priya):
    limit(case.entity, None, 1)
    assert previewed(case, priya).over == "2 lines are more than the 1 that one person may change alone."


def test_the_second_person_sees_the_same_preview_and_both_stand_in_the_audit(case, priya, ian):
    row = ask(case, priya)
    seen = proposals.review(row)
    assert (seen.plan.digest, seen.changed, seen.differs) == (row.digest, False, [])
    assert approve(row, ian) == "Mapped. 2 lines now post to 5110."
    row.refresh_from_db()
    assert (row.state, row.asked_by, row.decided_by) == ("approved", priya, ian)
    assert FeeRule.objects.get(source="person").made_by == priya
    case.refresh_from_db()
    assert (case.state, case.ended_by) == ("resolved", priya)
    told = {entry.verb: entry for entry in AuditEntry.objects.about(case.audit_subject)}
    assert told["case.map-fee"].after["approved by"] == "Ian Grove"
    approved = told["change.approved"]
    assert (approved.actor, approved.after["asked by"], approved.after["approved by"]) == (ian, "Priya Nair", "Ian Grove")


def test_who_asked_does_not_decide_and_who_may_not_do_it_neither(case, priya):
    row = ask(case, priya)
    with pytest.raises(NotAllowed, match="You asked for it"):
        approve(row, priya)
    with pytest.raises(NotAllowed, match="You asked for it"):
        proposals.decline(proposal=row, words="No", actor=priya)
    for role in (Role.ADMIN, Role.ECOMMERCE, Role.VIEWER):
        with pytest.raises(NotAllowed, match="cannot map fees"):
            approve(row, person(role, case.entity))
    with pytest.raises(NotAllowed, match="cannot map fees"):
        approve(row, person(Role.FINANCE, EntityFactory()))
    assert not FeeRule.objects.filter(source="person").exists()


def test_the_database_knows_that_the_second_person_is_another(case, priya):
    row = ask(case, priya)
    with pytest.raises(IntegrityError, match="second_person_is_another"), transaction.atomic():
        Proposal.objects.filter(pk=row.pk).update(state="approved", decided_by=priya)


def test_what_moved_since_is_said_and_what_moves_meanwhile_stops_it(case, priya, ian):
    row = ask(case, priya)
    old = proposals.review(row).plan.digest
    more = File(settlement_id="30000000002", lines=(*SALE, line("-9.00", **FEE)))
    take(ConnectionFactory(entity=case.entity), more)
    seen = proposals.review(row)
    assert seen.changed
    assert ("Money", "£8.00", "£17.00") in seen.differs and ("Lines", "2", "3") in seen.differs
    with pytest.raises(PlanChanged):
        proposals.approve(proposal=row, actor=ian, digest=old)
    row.refresh_from_db()
    assert row.is_waiting and not FeeRule.objects.filter(source="person").exists()
    assert approve(row, ian) == "Mapped. 3 lines now post to 5110."


def test_two_approve_at_once_and_it_is_done_once(case, priya, ian):
    row = ask(case, priya)
    digest = proposals.review(row).plan.digest
    others = [ian, person(Role.FINANCE, case.entity, name="Marta Lis")]
    both, said = Barrier(2), []

    def decide(actor: User) -> None:
        try:
            both.wait()
            said.append(proposals.approve(proposal=row, actor=actor, digest=digest))
        except Refused as refused:
            said.append(refused.code)
        finally:
            connection.close()

    threads = [Thread(target=decide, args=[actor]) for actor in others]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(said) == ["Mapped. 2 lines now post to 5110.", "decided"]
    assert FeeRule.objects.filter(source="person").count() == 1


def test_declined_in_words_and_asked_again(case, priya, ian):
    row = ask(case, priya)
    with pytest.raises(Refused, match="Say why"):
        proposals.decline(proposal=row, words=" ", actor=ian)
    proposals.decline(proposal=row, words="It is storage", actor=ian)
    with pytest.raises(Refused, match="Ian Grove was first: declined"):
        approve(row, person(Role.FINANCE, case.entity))
    assert not FeeRule.objects.filter(source="person").exists()
    assert ask(case, priya, "5115").is_waiting


def test_what_would_change_a_record_that_is_gone_is_declined(case, priya, ian):
    row = ask(case, priya)
    Proposal.objects.filter(pk=row.pk).update(record=0)
    assert "Decline or withdraw it" in proposals.review(Proposal.objects.get()).fault
    with pytest.raises(NotAllowed):
        proposals.decline(proposal=row, words="It is gone.", actor=person(Role.ECOMMERCE, case.entity))
    assert proposals.decline(proposal=row, words="It is gone.", actor=ian).state == "declined"


def test_one_change_of_a_record_waits_at_a_time(case, priya, ian):
    row = ask(case, priya)
    with pytest.raises(Refused, match="A change of it waits already: “Give it an account”, which Priya Nair asked for"):
        ask(case, ian, "5115")
    with pytest.raises(NotAllowed, match="Priya Nair asked for it and can withdraw it"):
        proposals.withdraw(proposal=row, actor=ian)
    proposals.withdraw(proposal=row, actor=priya)
    assert ask(case, ian, "5115").is_waiting


def test_it_lapses_after_a_week(case, priya, ian):
    row = ask(case, priya)
    digest = proposals.review(row).plan.digest
    Proposal.objects.update(lapses_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refused, match="It lapsed"):
        proposals.approve(proposal=row, actor=ian, digest=digest)
    assert not Proposal.objects.for_second(ian).exists()
    ask(case, priya)
    row.refresh_from_db()
    assert (row.state, row.decided_by) == ("lapsed", None)
    assert AuditEntry.objects.about(case.audit_subject).filter(verb="change.lapsed", actor=None).exists()


def test_who_lost_the_role_cannot_have_it_done(case, priya, ian):
    row = ask(case, priya)
    digest = proposals.review(row).plan.digest
    priya.memberships.all().delete()
    row = Proposal.objects.get(pk=row.pk)
    assert "Priya Nair may not do this any more" in proposals.review(row).fault
    with pytest.raises(Refused, match="Priya Nair may not do this any more"):
        proposals.approve(proposal=Proposal.objects.get(pk=row.pk), actor=ian, digest=digest)


def test_a_rule_waits_as_a_case_does(case, priya, ian):
    limit(case.entity, None)
    plan = previewed(case, priya)
    action = find_action(case, "map-fee")
    operations.perform(case=case, action=action, actor=priya, data=mapped_to("5110"), digest=plan.digest)
    rule = FeeRule.objects.get(source="person")
    limit(case.entity, "7.99")
    data = {"account": account("5115").pk, "tax": "none", "since": "", "reason": "It is handling"}
    seen = deeds.preview(CHANGE, rule, priya, data)
    assert seen.plan.weight == Weight(lines=2, money={"GBP": Decimal("8.0000")})
    with pytest.raises(NeedsSecondPerson):
        deeds.perform(CHANGE, rule, priya, data, seen.plan.digest)
    row = proposals.propose(kind="rule", record=rule, name="change", actor=priya, data=data, digest=seen.plan.digest)
    assert FeeRule.objects.filter(source="person").count() == 1
    assert approve(row, ian).startswith("Changed. Order / ItemFees / PilotFee posts to 5115")
    assert [row.made_by for row in FeeRule.objects.filter(source="person")] == [priya, priya]


def test_the_one_person_setting_leaves_nothing_to_wait(case, priya):
    set_one_person(entity=case.entity, on=True, reason="Alone", actor=person(Role.ADMIN, case.entity))
    case.refresh_from_db()
    assert previewed(case, priya).over == ""


@pytest.mark.parametrize(
    ("rate", "over"),
    [("0.5", ""), ("0.9", "£18.00 is more than the £10.00 that one person may change alone."),
     (None, "£20.00 is more than the £10.00 that one person may change alone. EUR counts 1:1, because no rate is entered.")],
)  # fmt: skip
def test_money_counts_in_the_base_currency(entity, rate, over):
    entity.second_above = Decimal(10)
    if rate:
        ReferenceRate.objects.create(entity=entity, currency="EUR", since="2020-01-01", rate=rate)
    plan = Plan(effect="", says="", digest="", weight=Weight(lines=1, money={"EUR": Decimal(20)}))
    assert weighed(entity, plan).over == over


def test_only_admins_set_limits_and_say_why(entity, priya):
    admin = person(Role.ADMIN, entity)
    limits = {"entity": entity, "above": Decimal(5), "lines_above": None}
    with pytest.raises(NotAllowed):
        set_second_person(**limits, reason="x", actor=priya)
    with pytest.raises(Refused, match="Say why"):
        set_second_person(**limits, reason=" ", actor=admin)
    set_second_person(**limits, reason="Four eyes", actor=admin)
    with pytest.raises(Refused, match="already"):
        set_second_person(**limits, reason="Again", actor=admin)
    entry = AuditEntry.objects.get(verb="entity.second-person")
    assert (entry.before["money above"], entry.after["money above"]) == ("no limit", "£5.00")
