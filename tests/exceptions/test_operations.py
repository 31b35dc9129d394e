"""What people do to a case: permission, preview bound to apply, audit, and one transaction."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.lapses import wake_lapsed
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import DetectorFailed, sweep, sweep_entity
from apps.exceptions.types import Scope
from tests.exceptions.facts import FIX, HOLDS, LOOSE, drop, facts_of, put
from tests.factories import EntityFactory, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]

DATA = {"account": "5110", "reason": "A new fee"}


@pytest.fixture
def case(entity) -> Case:
    put(entity)
    sweep_entity(entity)
    return Case.objects.get()


@pytest.fixture
def odd_case(entity) -> Case:
    put(entity, code=LOOSE)
    sweep_entity(entity)
    return Case.objects.get()


def previewed(case, actor, data=DATA) -> str:
    _, plan = operations.plan(case=case, action=FIX, actor=actor, data=data)
    return plan.digest


def fix(case, actor, data=DATA, digest=None) -> operations.Outcome:
    if digest is None:
        digest = previewed(case, actor, data)
    return operations.perform(case=case, action=FIX, actor=actor, data=data, digest=digest)


def nothing_was_done(case) -> bool:
    unchanged = Case.objects.get(pk=case.pk)
    only_opened = AuditEntry.objects.exclude(verb="case.opened")
    return unchanged.is_live and "alpha" in facts_of(case.entity, HOLDS) and not only_opened.exists()


# -- acting ------------------------------------------------------------------------------------------------------------


def test_a_preview_says_what_would_happen_and_changes_nothing(case, marta):
    form, plan = operations.plan(case=case, action=FIX, actor=marta, data=DATA)
    assert form.is_valid()
    assert (plan.effect, plan.says) == ("Post 1 lines to 5110", "Frees 100 GBP.")
    assert nothing_was_done(case)


def test_a_form_with_a_fault_has_no_plan(case, marta):
    form, plan = operations.plan(case=case, action=FIX, actor=marta, data={})
    assert plan is None
    assert form.errors == {"account": ["Choose an account."]}


def test_the_fix_resolves_the_case_in_the_persons_name(case, marta):
    outcome = fix(case, marta)
    assert outcome.words == "Posted to 5110."
    assert outcome.resolved
    assert outcome.resolved_ids == (case.pk,)
    case = outcome.case
    assert (case.state, case.ended_by, case.ending["words"]) == (State.RESOLVED, marta, "Posted to 5110.")
    timeline = AuditEntry.objects.about(case.audit_subject).order_by("id")
    assert list(timeline.values_list("verb", "actor_name")) == [
        ("case.opened", "opsconsole"),
        ("case.fix", "Marta Lis"),
        ("case.resolved", "Marta Lis"),
    ]
    assert timeline[1].reason == "A new fee"


def test_what_else_the_action_clears_is_resolved_and_opened_at_once(case, entity, marta):
    put(entity, "beta")
    put(entity, "odd", code=LOOSE)
    outcome = fix(case, marta)
    assert outcome.resolved_ids == (case.pk,)
    assert set(Case.objects.filter(pk__in=outcome.opened_ids).values_list("type", "subject")) == {
        (HOLDS, "beta"),
        (LOOSE, "odd"),
    }


def test_a_changed_world_is_refused_with_the_new_plan(case, entity, marta):
    digest = previewed(case, marta)
    put(entity, stake="250")
    with pytest.raises(operations.PlanChanged) as refusal:
        fix(case, marta, digest=digest)
    assert refusal.value.plan.says == "Frees 250 GBP."
    assert refusal.value.form.cleaned_data["account"] == "5110"
    assert nothing_was_done(case)
    assert fix(case, marta, digest=refusal.value.plan.digest).resolved


def test_another_choice_than_the_previewed_one_is_refused(case, marta):
    with pytest.raises(operations.PlanChanged):
        fix(case, marta, data={"account": "5120"}, digest=previewed(case, marta))
    assert nothing_was_done(case)


def test_without_a_preview_nothing_is_done(case, marta):
    with pytest.raises(operations.PlanChanged):
        fix(case, marta, digest="")
    assert nothing_was_done(case)


def test_a_fault_in_the_form_comes_back_with_it(case, marta):
    with pytest.raises(operations.InvalidForm) as refusal:
        fix(case, marta, data={"account": " "}, digest="any")
    assert refusal.value.form.errors == {"account": ["Choose an account."]}
    assert nothing_was_done(case)


def test_a_detector_that_fails_undoes_the_fix_in_words(case, entity, marta, caplog):
    digest = previewed(case, marta)
    put(entity, "unreadable")
    with pytest.raises(DetectorFailed, match="failed, so nothing was changed"):
        fix(case, marta, digest=digest)
    drop(entity, "unreadable")
    assert nothing_was_done(case)
    assert "this fact cannot be read" in caplog.text


def test_an_action_of_another_type_is_refused(odd_case, marta):
    with pytest.raises(Refused, match="“Fix it” is no action for “A test fact is odd”"):
        fix(odd_case, marta, digest="any")
    with pytest.raises(Refused, match="has no action “fix”"):
        operations.find_action(odd_case, "fix")


def test_two_people_with_the_same_preview_fix_it_once(case, entity, marta):
    ian = person(Role.FINANCE, entity, name="Ian Grove")
    digest = previewed(case, marta)
    fix(case, marta, digest=digest)
    with pytest.raises(Refused) as refusal:
        fix(case, ian, digest=digest)
    assert refusal.value.words == "This exception is resolved already. Posted to 5110."


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER, Role.OPS, Role.ECOMMERCE])
def test_the_wrong_role_hears_who_can(case, entity, marta, role):
    person(Role.FINANCE, entity, name="Ian Grove")
    person(Role.FINANCE, EntityFactory(), name="Somebody Else")
    actor = person(role, entity)
    with pytest.raises(NotAllowed) as refusal:
        fix(case, actor, digest=previewed(case, marta))
    assert refusal.value.words == "Your role cannot map fees to accounts. Ian Grove and Marta Lis can."
    with pytest.raises(NotAllowed):
        operations.plan(case=case, action=FIX, actor=actor, data=DATA)
    assert nothing_was_done(case)


def test_a_stranger_hears_no_names(case, marta):
    stranger = person(Role.FINANCE, EntityFactory())
    with pytest.raises(NotAllowed) as refusal:
        fix(case, stranger, digest=previewed(case, marta))
    assert "Marta" not in refusal.value.words
    assert nothing_was_done(case)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "Nobody at Brightfold Ltd can yet: an admin gives the role."),
        (["Ann"], "Ann can."),
        (["Ann", "Bo", "Cy"], "Ann, Bo and Cy can."),
        (["Ann", "Bo", "Cy", "Di", "Ed"], "Ann, Bo, Cy and 2 more can."),
    ],
)
def test_who_can(test_types, names, words):
    company = EntityFactory(name="Brightfold Ltd")
    for name in names:
        person(Role.FINANCE, company, name=name)
    person(Role.FINANCE, company, name="Left", is_active=False)
    put(company)
    sweep_entity(company)
    with pytest.raises(NotAllowed) as refusal:
        operations.claim(case=Case.objects.get(), actor=person(Role.VIEWER, company))
    assert refusal.value.words == f"Your role cannot work on Finance exceptions. {words}"


def test_queues_are_seen_by_their_team_admins_and_viewers_of_the_company(case, entity, marta):
    sees = {role: Case.objects.visible_to(person(role, entity)).exists() for role in Role}
    assert sees == {Role.FINANCE: True, Role.ADMIN: True, Role.VIEWER: True, Role.ECOMMERCE: False, Role.OPS: False}
    assert not Case.objects.visible_to(person(Role.ADMIN, EntityFactory())).exists()


def test_handing_over_moves_the_case_between_queues(case, entity, marta):
    ops = person(Role.OPS, entity)
    operations.hand_over(case=case, actor=marta, team=Team.OPS, reason="The file is theirs")
    assert not Case.objects.visible_to(marta).exists()
    assert Case.objects.visible_to(ops).get() == case
    operations.claim(case=case, actor=ops)
    with pytest.raises(NotAllowed):
        operations.note(case=case, actor=marta, text="Still watching")


# -- moving ------------------------------------------------------------------------------------------------------------


def in_a_day() -> datetime:
    return timezone.now() + timedelta(days=1)


def test_a_claim_keeps_others_from_moving_the_case(case, entity, marta):
    ian = person(Role.FINANCE, entity, name="Ian Grove")
    claimed = operations.claim(case=case, actor=marta)
    assert (claimed.state, claimed.claimed_by) == (State.CLAIMED, marta)
    for move in (
        lambda: operations.claim(case=case, actor=ian),
        lambda: operations.release(case=case, actor=ian),
        lambda: operations.snooze(case=case, actor=ian, until=in_a_day(), reason="Later"),
        lambda: operations.hand_over(case=case, actor=ian, team=Team.OPS, reason="Theirs"),
    ):
        with pytest.raises(Refused, match=r"Marta Lis is on this until \d\d:\d\d"):
            move()
    released = operations.release(case=case, actor=marta)
    assert (released.state, released.claimed_by, released.claimed_until) == (State.OPEN, None, None)
    operations.claim(case=case, actor=ian)


def test_a_claim_does_not_keep_others_from_the_fix(case, entity, marta):
    operations.claim(case=case, actor=person(Role.FINANCE, entity))
    assert fix(case, marta).resolved


def test_a_claim_and_a_snooze_lapse(case, entity, marta):
    put(entity, "beta")
    put(entity, "gamma")
    sweep_entity(entity)
    beta, gamma = Case.objects.get(subject="beta"), Case.objects.get(subject="gamma")
    operations.claim(case=case, actor=marta)
    operations.snooze(case=beta, actor=marta, until=in_a_day(), reason="Waits")
    operations.snooze(case=gamma, actor=marta, until=in_a_day(), reason="Waits")
    assert wake_lapsed() == 0
    past = datetime(2026, 1, 1, tzinfo=UTC)
    Case.objects.filter(pk=case.pk).update(claimed_until=past)
    Case.objects.filter(pk=beta.pk).update(snoozed_until=past)
    assert wake_lapsed() == 2
    assert set(Case.objects.filter(state=State.OPEN, claimed_by=None, snoozed_until=None)) == {case, beta}
    entry = AuditEntry.objects.about(case.audit_subject).get(verb="case.woken")
    assert (entry.reason, entry.before["claimed_by"]) == ("The claim ran out.", "Marta Lis")
    assert wake_lapsed() == 0


def test_a_snooze_ends_early(case, marta):
    snoozed = operations.snooze(case=case, actor=marta, until=in_a_day(), reason="Waits for Amazon")
    assert snoozed.is_live
    assert AuditEntry.objects.get(verb="case.snoozed").reason == "Waits for Amazon"
    assert operations.wake(case=case, actor=marta).state == State.OPEN


def test_what_holds_work_back_is_not_dismissed(case, marta):
    with pytest.raises(Refused) as refusal:
        operations.dismiss(case=case, actor=marta, reason="Never mind")
    assert refusal.value.words == "It holds work back, so it cannot be dismissed. Fix it or snooze it."


def test_a_dismissal_ends_the_case_for_a_reason(odd_case, marta):
    dismissed = operations.dismiss(case=odd_case, actor=marta, reason="Known and harmless")
    assert (dismissed.state, dismissed.ended_by) == (State.DISMISSED, marta)
    assert dismissed.ending["words"] == "Known and harmless"
    with pytest.raises(Refused, match=r"This exception is dismissed already\. Known and harmless"):
        operations.claim(case=odd_case, actor=marta)


@pytest.mark.parametrize(
    ("move", "field"),
    [
        (lambda case, actor: operations.snooze(case=case, actor=actor, until=in_a_day(), reason=" "), "reason"),
        (
            lambda case, actor: operations.snooze(
                case=case, actor=actor, until=timezone.now() - timedelta(minutes=1), reason="Waits"
            ),
            "until",
        ),
        (lambda case, actor: operations.dismiss(case=case, actor=actor, reason=""), "reason"),
        (lambda case, actor: operations.hand_over(case=case, actor=actor, team=Team.OPS, reason=""), "reason"),
        (lambda case, actor: operations.hand_over(case=case, actor=actor, team=Team.FINANCE, reason="x"), "team"),
        (lambda case, actor: operations.note(case=case, actor=actor, text="\n"), "text"),
    ],
)
def test_a_move_without_what_it_needs_names_the_field(odd_case, marta, move, field):
    with pytest.raises(Refused) as refusal:
        move(odd_case, marta)
    assert refusal.value.field == field
    assert Case.objects.get().state == State.OPEN


def test_a_note_stands_on_the_timeline(case, marta):
    operations.note(case=case, actor=marta, text=" Asked Amazon, case 1234 ")
    entry = AuditEntry.objects.about(case.audit_subject).first()
    assert (entry.verb, entry.actor, entry.reason) == ("case.noted", marta, "Asked Amazon, case 1234")


def test_a_case_that_ended_in_between_is_not_moved(case, entity, marta):
    drop(entity)
    sweep(HOLDS, Scope(entity=entity))
    with pytest.raises(Refused, match="This exception is cleared already"):
        operations.claim(case=case, actor=marta)
