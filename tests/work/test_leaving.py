"""Who leaves a team leaves its cases to it: at once, on their timelines, and told."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from apps.core import leaving
from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.people import set_roles, switch_off
from apps.core.permissions import Role, Team
from apps.exceptions.models import Case
from apps.work.alerts.channels import add_channel
from apps.work.alerts.models import Alert
from apps.work.deeds import preview
from apps.work.people_deeds import ROLES, InCompany
from tests.factories import CaseFactory, EntityFactory, MembershipFactory, person

pytestmark = pytest.mark.django_db
WHY = {"reason": "She moves to Cardiff"}


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ada(entity) -> User:
    return person(Role.ADMIN, entity, name="Ada Admin")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")


def had_by(marta: User, entity: Entity, team: Team = Team.FINANCE) -> dict[str, Case]:
    usual = {"entity": entity, "team": team, "due_at": timezone.now() + timedelta(days=1)}
    claimed = {"state": "claimed", "claimed_by": marta, "claimed_until": timezone.now() + timedelta(hours=1)}
    return {
        "hers": CaseFactory(**usual, assigned_to=marta),
        "asleep": CaseFactory(**usual, assigned_to=marta, state="snoozed", snoozed_above=900),
        "at it": CaseFactory(**usual, **claimed),
        "both": CaseFactory(**usual, **claimed, assigned_to=marta),
    }


def stands(case: Case) -> tuple:
    case.refresh_from_db()
    return case.state, case.assigned_to, case.claimed_by, case.claimed_until


def test_cases_of_who_leaves_are_the_teams_and_it_is_told(entity, ada, marta):
    cases = had_by(marta, entity)
    ian = person(Role.FINANCE, entity)
    other = CaseFactory(entity=entity, assigned_to=ian)
    channel = add_channel(
        entity=entity, team=Team.FINANCE, name="Finance", kind="email", address="finance@brackenfold.example", actor=ian
    )
    set_roles(person=marta, entity=entity, roles=[], actor=ada, **WHY)
    assert {name: stands(case) for name, case in cases.items()} == {
        "hers": ("open", None, None, None),
        "asleep": ("snoozed", None, None, None),
        "at it": ("open", None, None, None),
        "both": ("open", None, None, None),
    }
    assert stands(other)[1] == ian
    entry = AuditEntry.objects.about(cases["both"].audit_subject).get(verb="case.returned")
    assert (entry.actor, entry.before) == (ada, {"assigned_to": "Marta Lis", "state": "claimed", "claimed_by": "Marta Lis"})
    assert entry.reason == "Marta Lis does not work on Finance exceptions at Brackenfold Home Ltd any more."
    (alert,) = Alert.objects.filter(channel=channel)
    assert alert.subject.startswith("Back with the team: 4 exceptions of Marta Lis") and alert.state == "waiting"


def test_what_she_works_on_still_stays_hers(entity, ada, marta):
    MembershipFactory(user=marta, entity=entity, role=Role.OPS)
    of_finance, of_ops = had_by(marta, entity), had_by(marta, entity, Team.OPS)
    elsewhere = EntityFactory()
    MembershipFactory(user=marta, entity=elsewhere)
    there = CaseFactory(entity=elsewhere, assigned_to=marta)
    member = InCompany(person=marta, entity=entity)
    seen = preview(ROLES, member, ada, QueryDict("roles=ops&roles=viewer"))
    assert seen.plan.detail["exceptions"] == "4 exceptions go back to the team"
    set_roles(person=marta, entity=entity, roles=[Role.OPS, Role.VIEWER], actor=ada, **WHY)
    assert stands(of_finance["both"])[1:] == (None, None, None)
    assert stands(of_ops["both"])[:3] == ("claimed", marta, marta)
    assert stands(there)[1] == marta


def test_an_account_that_is_switched_off_has_no_cases_in_any_company(entity, ada, marta):
    second = EntityFactory()
    MembershipFactory(user=marta, entity=second)
    MembershipFactory(user=ada, entity=second, role=Role.ADMIN)
    had_by(marta, entity)
    had_by(marta, second)
    switch_off(person=marta, reason="Left", actor=User.objects.get(pk=ada.pk))
    assert not Case.objects.filter(assigned_to=marta).exists() and not Case.objects.filter(claimed_by=marta).exists()
    assert AuditEntry.objects.filter(verb="case.returned").count() == 8


def test_the_roles_stay_where_the_cases_cannot_go_back(entity, ada, marta, monkeypatch):
    def fail(**said) -> None:
        raise Refused("Not now.")

    monkeypatch.setattr(leaving, "HANDLERS", [*leaving.HANDLERS, fail])
    case = had_by(marta, entity)["hers"]
    with pytest.raises(Refused):
        set_roles(person=marta, entity=entity, roles=[], actor=ada, **WHY)
    assert stands(case)[1] == marta and marta.memberships.exists()
