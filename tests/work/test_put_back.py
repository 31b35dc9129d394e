"""What a bulk did is put back: exactly, what nobody has touched since; not at all, what somebody has."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.work.bulk.models import Bulk
from apps.work.bulk.moves import BULK_MOVES
from apps.work.bulk.operations import confirm, put_back, retry_failed, stop
from tests.exceptions.facts import HOLDS, LOOSE, drop, put
from tests.factories import CaseFactory, EntityFactory, person
from tests.work.bulks import checked, done, results, worked

pytestmark = pytest.mark.django_db(transaction=True)
WHY = {"reason": "Peak season"}


@pytest.fixture
def entity(transactional_db) -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def ian(entity) -> User:
    return person(Role.FINANCE, entity, name="Ian Grove")


def undone(bulk: Bulk, by: User | None = None) -> Bulk:
    undo = worked(put_back(bulk=bulk, user=by or bulk.made_by))
    return done(undo) if undo.eligible else undo


def stands(case: Case) -> dict[str, Any]:
    """The whole row, but for what its notes make it found by and when it changed last."""
    row = Case.objects.filter(pk=case.pk).values().get()
    return {name: value for name, value in row.items() if name not in ("words", "changed_at")}


def shapes(me: User, ian: User) -> list[dict[str, Any]]:
    now = timezone.now()
    return [
        {},
        {"assigned_to": ian},
        {"holds_back": False, "assigned_to": me, "notes": "Asked Amazon"},
        {"state": "claimed", "claimed_by": me, "claimed_until": now + timedelta(hours=1, microseconds=7)},
        {"state": "claimed", "claimed_by": ian, "claimed_until": now - timedelta(hours=1), "holds_back": False},
        {"state": "snoozed", "snoozed_until": now + timedelta(hours=1), "holds_back": False},
        {"state": "snoozed", "snoozed_above": "700.0500", "assigned_to": ian},
        {"state": "snoozed", "snoozed_for_run": now - timedelta(days=1), "holds_back": False},
    ]


def asked_for(ian: User) -> dict[str, dict[str, Any]]:
    """Each move that stands somewhere, with what its form is given."""
    tomorrow = timezone.now() + timedelta(days=1)
    return {
        "assign": {"to": ian.pk},
        "claim": {},
        "release": {},
        "snooze": {"until": tomorrow.isoformat(), **WHY},
        "wake": {},
        "hand-over": {"team": "ops", **WHY},
        "dismiss": WHY,
    }


TOUCHES = {
    "nothing": lambda case, ian: None,
    "a note": lambda case, ian: operations.note(case=case, actor=ian, text="Seen"),
    "assigned": lambda case, ian: Case.objects.live().filter(pk=case.pk).update(assigned_to=ian, claimed_by=None, state="open"),
    "ended": lambda case, ian: Case.objects.filter(pk=case.pk).update(
        state="cleared", ended_at=timezone.now(), assigned_to=None, ending={"words": "Gone."}
    ),
}
LEAVES = ("nothing", "a note")  # where it stands


def test_every_move_that_can_be_put_back_is_tried(marta):
    assert set(asked_for(marta)) | {"note"} == set(BULK_MOVES)


@settings(max_examples=3, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("action", ["assign", "claim", "release", "snooze", "wake", "hand-over", "dismiss"])
def test_what_nobody_touched_is_exactly_as_it_was(action: str, data):
    entity = EntityFactory()
    me, ian = person(Role.FINANCE, entity), person(Role.FINANCE, entity, name="Ian Grove")
    usual = {"entity": entity, "due_at": timezone.now() + timedelta(days=1)}
    cases = [CaseFactory(**usual | shape) for shape in shapes(me, ian)]
    before = {case.pk: stands(case) for case in cases}
    bulk = checked(me, action, asked_for(ian)[action], cases)
    bulk = done(bulk)
    moved = [case for case in cases if results(bulk)[case.pk][0] == "done"]
    touched, stood = {}, {}
    for case in moved:
        touched[case.pk] = data.draw(st.sampled_from(sorted(TOUCHES)))
        if not (action in ("hand-over", "dismiss") and touched[case.pk] == "a note"):  # Ian may not, or it is over
            TOUCHES[touched[case.pk]](case, ian)
        stood[case.pk] = stands(case)
    undo = undone(bulk)
    assert set(results(undo)) == {case.pk for case in moved}
    for case in moved:
        row, (verdict, code) = stands(case), results(undo)[case.pk]
        if stood[case.pk] == before[case.pk]:  # such as given to whom it was given before: nothing to lose either way
            assert row == before[case.pk]
        elif touched[case.pk] in LEAVES:
            assert (verdict, code) == ("done", "")
            assert row == before[case.pk] | {"notes": row["notes"]}
        elif row != stood[case.pk]:
            assert touched[case.pk] == "assigned" and row == before[case.pk]  # as the bulk left it
    for case in cases:
        if case not in moved:
            assert stands(case) == before[case.pk]


def test_what_changed_since_stays_and_says_by_whom(entity, marta, ian):
    cases = CaseFactory.create_batch(4, entity=entity)
    bulk = done(checked(marta, "assign", {"to": marta.pk}, cases))
    same, given, held, later = cases
    operations.assign(case=given, actor=ian, to=ian)
    operations.claim(case=held, actor=ian)
    undo = worked(put_back(bulk=bulk, user=marta))
    assert (undo.eligible, undo.not_eligible, undo.undo_of) == (2, 2, bulk)
    why = undo.cases.get(case=given.pk).why
    assert why.startswith("Changed since by Ian Grove, ") and why.endswith(" It stays as it is.")
    operations.assign(case=later, actor=ian, to=None)  # between the dry run and its turn
    undo = done(undo)
    assert results(undo) == {
        same.pk: ("done", ""),
        given.pk: ("not-eligible", "changed-since"),
        held.pk: ("not-eligible", "changed-since"),
        later.pk: ("skipped", "changed-since"),
    }
    assert dict(Case.objects.values_list("pk", "assigned_to__name")) == {
        same.pk: None, given.pk: "Ian Grove", held.pk: "Marta Lis", later.pk: None,
    }  # fmt: skip
    (entry,) = AuditEntry.objects.filter(verb="case.put-back")
    assert (entry.subject, entry.before["assigned_to"], entry.after["undoes"]) == (same.audit_subject, "Marta Lis", bulk.pk)
    assert "assigned_to" not in entry.after and entry.reason == f"As it was before bulk action {bulk.pk}."


def test_what_was_handed_over_comes_back_although_it_is_another_teams_now(entity, marta):
    cases = CaseFactory.create_batch(2, entity=entity, assigned_to=marta)
    bulk = done(checked(marta, "hand-over", {"team": "ops", **WHY}, cases))
    assert not Case.objects.visible_to(marta).exists()
    undo = undone(bulk)
    assert undo.done == 2 and Bulk.objects.visible_to(marta).filter(pk=undo.pk).exists()
    assert set(Case.objects.values_list("team", "assigned_to")) == {(Team.FINANCE, marta.pk)}
    entry = AuditEntry.objects.about(cases[0].audit_subject).filter(verb="case.handed-over").first()
    assert (entry.before["team"], entry.after["team"]) == ("ops", "finance")  # the money by team is read from these


def test_once_for_a_week_and_what_was_thrown_away_does_not_count(entity, marta, ian):
    cases = CaseFactory.create_batch(2, entity=entity)
    bulk = checked(marta, "claim", cases=cases)
    with pytest.raises(Refused, match="Wait for its end"):
        put_back(bulk=bulk, user=marta)
    bulk = done(bulk)
    stop(bulk=put_back(bulk=bulk, user=marta), user=marta)
    undo = undone(bulk)
    with pytest.raises(Refused, match=f"Marta Lis puts it back already, by bulk action {undo.pk}"):
        put_back(bulk=bulk, user=ian)
    with pytest.raises(Refused, match="is not put back in bulk"):
        put_back(bulk=undo, user=marta)
    old = done(checked(marta, "claim", cases=cases))
    Bulk.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=8))
    with pytest.raises(Refused, match="more than 7 days ago"):
        put_back(bulk=old, user=marta)
    noted = done(checked(marta, "note", {"text": "Asked"}, cases))
    with pytest.raises(Refused, match="is not put back in bulk"):
        put_back(bulk=noted, user=marta)
    none = done(checked(marta, "assign", {"to": marta.pk}, cases))
    none.cases.update(was=None)
    with pytest.raises(Refused, match="before opsconsole kept where each of them stood"):
        put_back(bulk=none, user=marta)
    Bulk.objects.filter(pk=none.pk).update(done=0)
    with pytest.raises(Refused, match="nothing to put back"):
        put_back(bulk=none, user=marta)


def test_by_who_may_do_the_move_and_not_under_anybodys_hands(entity, marta, ian):
    cases = CaseFactory.create_batch(2, entity=entity)
    assigned = done(checked(marta, "assign", {"to": marta.pk}, cases))
    with pytest.raises(NotAllowed):
        put_back(bulk=assigned, user=person(Role.VIEWER, entity))
    claimed = done(checked(marta, "claim", cases=cases[:1]))
    undo = undone(claimed, by=ian)
    assert results(undo) == {cases[0].pk: ("not-eligible", "claimed")}
    assert results(undone(assigned, by=ian)) == {cases[0].pk: ("not-eligible", "changed-since"), cases[1].pk: ("done", "")}


def test_nothing_sleeps_again_that_has_grown_beyond_what_it_slept_until(entity, marta):
    grown, same = CaseFactory.create_batch(2, entity=entity, stake=500, state="snoozed", snoozed_above="700")
    bulk = done(checked(marta, "wake", cases=[grown, same]))
    Case.objects.filter(pk=grown.pk).update(stake=900)
    undo = undone(bulk)
    assert results(undo) == {grown.pk: ("not-eligible", "at-stake"), same.pk: ("done", "")}
    assert set(Case.objects.values_list("pk", "state")) == {(grown.pk, "open"), (same.pk, "snoozed")}


def test_nobody_gets_a_case_back_who_has_left_its_team(entity, marta, ian):
    case = CaseFactory(entity=entity, assigned_to=ian)
    bulk = done(checked(marta, "assign", {"to": marta.pk}, [case]))
    ian.memberships.all().delete()
    undo = undone(bulk)
    assert undo.cases.get().why == "Ian Grove had it, and does not work on it any more."


def test_dismissed_causes_open_again_unless_they_went_or_returned(entity, marta, test_types):
    for subject in ("alpha", "beta", "gamma"):
        put(entity, subject, code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    alpha, beta, gamma = Case.objects.order_by("subject")
    bulk = done(checked(marta, "dismiss", WHY, [alpha, beta, gamma]))
    for subject in ("beta", "gamma"):
        drop(entity, subject, code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    put(entity, "gamma", code=LOOSE)
    sweep(LOOSE, Scope(entity=entity))
    undo = undone(bulk)
    assert results(undo) == {
        alpha.pk: ("done", ""), beta.pk: ("not-eligible", "cause-gone"), gamma.pk: ("not-eligible", "cause-gone"),
    }  # fmt: skip
    assert set(Case.objects.live().values_list("subject", flat=True)) == {"alpha", "gamma"}
    alpha.refresh_from_db()
    assert (alpha.state, alpha.ended_at, alpha.ending) == (State.OPEN, None, {})


def test_what_was_not_reached_is_put_back_by_a_retry(entity, marta):
    cases = CaseFactory.create_batch(2, entity=entity)
    bulk = done(checked(marta, "claim", cases=cases))
    undo = worked(put_back(bulk=bulk, user=marta))
    confirm(bulk=undo, user=marta, digest=undo.digest)
    stop(bulk=undo, user=marta)
    again = done(worked(retry_failed(bulk=undo, user=marta)))
    assert (again.done, again.undo_of) == (2, bulk)
    assert set(Case.objects.values_list("state", flat=True)) == {State.OPEN}


def test_an_action_of_a_type_is_not_put_back_here(entity, marta, test_types):
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    bulk = done(checked(marta, "fix", {"account": "5110"}, Case.objects.all()))
    with pytest.raises(Refused, match="is not put back in bulk"):
        put_back(bulk=bulk, user=marta)
