"""Whose a case is, and how long it may sleep."""

import pytest

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from tests.exceptions.facts import HOLDS, drop, put
from tests.factories import EntityFactory, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("test_types")]


@pytest.fixture
def case(entity) -> Case:
    put(entity)
    sweep(HOLDS, Scope(entity=entity))
    return Case.objects.get()


@pytest.fixture
def ian(entity):
    return person(Role.FINANCE, entity, name="Ian Grove")


# -- assigning ---------------------------------------------------------------------------------------------------------


def test_a_case_is_given_to_somebody_of_its_team_and_taken_back(case, marta, ian):
    assert operations.assign(case=case, actor=marta, to=ian).assigned_to == ian
    with pytest.raises(Refused, match="It is Ian Grove’s already"):
        operations.assign(case=case, actor=marta, to=ian)
    operations.claim(case=case, actor=ian)
    assert operations.release(case=case, actor=ian).assigned_to == ian
    assert operations.assign(case=case, actor=ian, to=None).assigned_to is None
    entry = AuditEntry.objects.get(verb="case.assigned", after__assigned_to="Ian Grove")
    assert (entry.actor, entry.before) == (marta, {"assigned_to": None})


def test_nobody_gets_a_case_that_he_cannot_work(case, entity, marta):
    for to in (person(Role.OPS, entity, name="Tom Reed"), person(Role.ADMIN, entity), person(Role.FINANCE, EntityFactory())):
        with pytest.raises(Refused, match="does not work on Finance exceptions") as refusal:
            operations.assign(case=case, actor=marta, to=to)
        assert refusal.value.field == "to"
    gone = person(Role.FINANCE, entity)
    gone.is_active = False
    gone.save()
    with pytest.raises(Refused, match="does not work on"):
        operations.assign(case=case, actor=marta, to=gone)
    with pytest.raises(NotAllowed):
        operations.assign(case=case, actor=person(Role.VIEWER, entity), to=marta)
    assert not AuditEntry.objects.filter(verb="case.assigned").exists()


def test_a_case_that_somebody_is_at_is_not_given_away_under_his_hands(case, marta, ian):
    operations.claim(case=case, actor=ian)
    with pytest.raises(Refused, match="Ian Grove is on this until"):
        operations.assign(case=case, actor=marta, to=marta)


def test_whose_it_is_ends_with_the_case_or_when_it_leaves(case, entity, marta, ian):
    operations.assign(case=case, actor=marta, to=ian)
    moved = operations.hand_over(case=case, actor=marta, team=Team.OPS, reason="A parcel, no fee")
    assert (moved.assigned_to, moved.team, moved.state) == (None, Team.OPS, State.OPEN)
    entry = AuditEntry.objects.get(verb="case.handed-over")
    assert entry.before["assigned_to"] == "Ian Grove" and entry.reason == "A parcel, no fee"
    tom = person(Role.OPS, entity)
    operations.assign(case=case, actor=tom, to=tom)
    drop(entity)
    sweep(HOLDS, Scope(entity=entity))
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == (State.CLEARED, None)
