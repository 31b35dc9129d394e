"""Who may change whose roles and account: one company at a time, never one's own, never the last admin."""

import pytest

from apps.core import people
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.operations import add_person
from apps.core.permissions import Role
from tests.factories import EntityFactory, UserFactory, person

pytestmark = pytest.mark.django_db
FINANCE, ADMIN, VIEWER = Role.FINANCE, Role.ADMIN, Role.VIEWER


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ian(entity) -> User:
    return person(ADMIN, entity, name="Ian Grove")


@pytest.fixture
def marta(entity) -> User:
    return person(FINANCE, entity, name="Marta Lis")


def roles_of(user: User, entity: Entity) -> set[str]:
    return set(user.memberships.filter(entity=entity).values_list("role", flat=True))


def test_an_admin_changes_roles_in_one_company_and_the_audit_says_so(entity, ian, marta):
    elsewhere = EntityFactory()
    Membership.objects.create(user=marta, entity=elsewhere, role=FINANCE)
    people.set_roles(person=marta, entity=entity, roles=[VIEWER, Role.OPS], reason="Moves to the warehouse", actor=ian)
    assert roles_of(marta, entity) == {"viewer", "ops"}
    assert roles_of(marta, elsewhere) == {"finance"}
    entry = AuditEntry.objects.get(verb="person.roles")
    assert (entry.actor, entry.entity, entry.reason) == (ian, entity, "Moves to the warehouse")
    assert (entry.before["roles"], entry.after["roles"]) == (["finance"], ["ops", "viewer"])


@pytest.mark.parametrize("role", [role for role in Role if role != ADMIN])
def test_nobody_but_an_admin_changes_roles(role, entity, marta):
    with pytest.raises(NotAllowed, match="Admin can"):
        people.set_roles(person=marta, entity=entity, roles=[], reason="Mine", actor=person(role, entity))
    assert roles_of(marta, entity) == {"finance"}


def test_an_admin_elsewhere_changes_nothing_here(entity, marta):
    with pytest.raises(NotAllowed):
        people.set_roles(person=marta, entity=entity, roles=[], reason="Mine", actor=person(ADMIN, EntityFactory()))


def test_nobody_gives_themselves_a_role_and_is_told_who_can(entity, ian):
    with pytest.raises(NotAllowed, match="invite another"):
        people.set_roles(person=ian, entity=entity, roles=[ADMIN, FINANCE], reason="I need it", actor=ian)
    person(ADMIN, entity, name="Elin Berg")
    with pytest.raises(NotAllowed, match="Elin Berg can"):
        people.set_roles(person=ian, entity=entity, roles=[ADMIN, FINANCE], reason="I need it", actor=ian)
    with pytest.raises(NotAllowed, match="Nobody gives themselves"):
        add_person(email=ian.email.upper(), name="", entity=entity, roles=[FINANCE], actor=ian)
    assert roles_of(ian, entity) == {"admin"}


def test_the_last_admin_stays_one(entity, ian):
    other = person(ADMIN, entity, name="Elin Berg", is_active=False)  # one who is switched off does not count
    with pytest.raises(Refused, match="last admin of Brackenfold Home Ltd"):
        people.set_roles(person=ian, entity=entity, roles=[], reason="I leave", actor=ian)
    other.is_active = True
    other.save()
    people.set_roles(person=ian, entity=entity, roles=[], reason="I leave", actor=ian)
    assert roles_of(ian, entity) == set()
    with pytest.raises(Refused, match="last admin"):
        people.set_roles(person=other, entity=entity, roles=[], reason="I leave too", actor=other)


def test_the_last_admin_is_not_switched_off(entity, ian):
    branch = EntityFactory(name="Lindwick GmbH")
    elin = person(ADMIN, entity, name="Elin Berg")
    Membership.objects.create(user=elin, entity=branch, role=ADMIN)
    Membership.objects.create(user=ian, entity=branch, role=ADMIN)
    people.switch_off(person=elin, reason="She left", actor=ian)
    elin.refresh_from_db()
    assert not elin.is_active
    people.switch_on(person=elin, reason="She is back", actor=ian)
    assert User.objects.get(pk=elin.pk).is_active
    with pytest.raises(NotAllowed, match="your own account"):
        people.switch_off(person=ian, reason="Bye", actor=ian)


def test_an_account_that_works_elsewhere_too_is_not_one_admins_to_keep(entity, ian, marta):
    Membership.objects.create(user=marta, entity=EntityFactory(name="Somebody Else SA"), role=FINANCE)
    for verb in (people.switch_off, people.sign_out):
        with pytest.raises(NotAllowed) as refusal:
            verb(person=marta, reason="Gone", actor=ian)
        assert "Somebody Else" not in refusal.value.words
    assert User.objects.get(pk=marta.pk).is_active
    people.set_roles(person=marta, entity=entity, roles=[], reason="Gone from here", actor=ian)


@pytest.mark.parametrize("verb", [people.switch_off, people.switch_on])
def test_a_switch_needs_a_reason_and_a_change(verb, ian, marta):
    with pytest.raises(Refused) as without_reason:
        verb(person=marta, reason=" ", actor=ian)
    assert without_reason.value.field == "reason"
    if verb is people.switch_on:
        with pytest.raises(Refused, match="on already"):
            verb(person=marta, reason="Again", actor=ian)


def test_an_invited_person_has_no_password_and_the_audit_names_who_invited(entity, ian):
    added = add_person(email="kofi@example.com", name="Kofi Mensah", entity=entity, roles=[Role.OPS], actor=ian)
    assert added.password is None and not added.user.has_usable_password()
    assert AuditEntry.objects.get(verb="person.added").actor == ian
    with pytest.raises(NotAllowed):
        add_person(email="x@example.com", name="X", entity=entity, roles=[FINANCE], actor=UserFactory())


def test_what_happens_to_an_account_is_read_by_who_keeps_it_and_its_person(entity, ian, marta):
    people.switch_off(person=marta, reason="Left", actor=ian)
    people.switch_on(person=marta, reason="Back", actor=ian)
    mine = AuditEntry.objects.filter(entity=None)
    assert mine.visible_to(User.objects.get(pk=ian.pk)).count() == mine.visible_to(marta).count() == 2
    assert mine.visible_to(person(VIEWER, entity)).count() == 0
    assert mine.visible_to(person(ADMIN, EntityFactory())).count() == 0
