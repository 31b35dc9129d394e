import re
from io import StringIO
from zoneinfo import available_timezones

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import RequestFactory

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.operations import add_person, create_entity, set_one_person
from apps.core.permissions import Role
from tests.factories import EntityFactory, UserFactory, person

pytestmark = pytest.mark.django_db

NEW_COMPANY = ["--country", "GB", "--zone", "Europe/London", "--currency", "GBP"]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("add_person", *arguments, stdout=out)
    return out.getvalue()


def test_the_first_admin_comes_with_the_company_and_can_log_in():
    said = run("ian@example.com", "--name", "Ian Grove", "--entity", "Brightfold Ltd", "--role", "admin", *NEW_COMPANY)
    password = re.search(r"Password, shown this once: (\S+)", said)[1]
    user = authenticate(RequestFactory().post("/login/"), username="ian@example.com", password=password)
    entity = Entity.objects.get()
    assert user.roles_in(entity.pk) == {Role.ADMIN}
    assert (entity.name, entity.zone, entity.base_currency) == ("Brightfold Ltd", "Europe/London", "GBP")
    assert list(AuditEntry.objects.order_by("id").values_list("verb", flat=True)) == ["entity.created", "person.added"]
    assert password not in str(list(AuditEntry.objects.values()))


def test_a_person_with_an_account_gets_more_roles_and_no_password():
    entity = EntityFactory(name="Brightfold Ltd")
    user = UserFactory(email="marta@example.com", name="Marta Lis")
    Membership.objects.create(user=user, entity=entity, role=Role.VIEWER)
    said = run("Marta@Example.com", "--entity", "Brightfold Ltd", "--role", "finance", "--role", "viewer")
    assert said == "Marta Lis <marta@example.com> at Brightfold Ltd: Finance, Viewer\n"
    entry = AuditEntry.objects.get()
    assert (entry.before["roles"], entry.after["roles"]) == (["viewer"], ["finance", "viewer"])


def test_roles_that_are_there_already_leave_no_trace():
    entity = EntityFactory()
    add_person(email="marta@example.com", name="Marta Lis", entity=entity, roles=[Role.FINANCE])
    again = add_person(email="marta@example.com", name="", entity=entity, roles=[Role.FINANCE])
    assert again.password is None
    assert AuditEntry.objects.count() == 1


def test_an_unknown_company_is_named_with_the_known_ones():
    EntityFactory(name="Brightfold Ltd")
    with pytest.raises(CommandError, match=r"no company “Nordlicht” \(there: Brightfold Ltd\)"):
        run("ian@example.com", "--name", "Ian", "--entity", "Nordlicht", "--role", "admin")


def test_a_fault_leaves_nothing_behind():
    with pytest.raises(CommandError, match="Email: "):
        run("not an address", "--name", "Ian", "--entity", "Brightfold", "--role", "admin", *NEW_COMPANY)
    assert not Entity.objects.exists()
    assert not User.objects.exists()


def test_a_new_account_needs_a_name():
    with pytest.raises(Refused) as refusal:
        add_person(email="ian@example.com", name="", entity=EntityFactory(), roles=[Role.ADMIN])
    assert refusal.value.field == "name"


def test_the_database_knows_each_zone_that_a_company_can_have():
    entity = EntityFactory()
    for zone in sorted(available_timezones() - {"localtime"}):
        Entity.objects.filter(pk=entity.pk).update(zone=zone)
    with pytest.raises(DatabaseError, match="not recognized"), transaction.atomic():
        Entity.objects.filter(pk=entity.pk).update(zone="Europe/Atlantis")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"zone": "London"}, "zone"),
        ({"zone": "localtime"}, "zone"),
        ({"country": "GBR"}, "country"),
        ({"name": " "}, "name"),
    ],
)
def test_a_company_is_checked(change, field):
    right = {"name": "Brightfold", "country": "GB", "zone": "Europe/London", "base_currency": "GBP"}
    with pytest.raises(Refused) as refusal:
        create_entity(**right | change)
    assert refusal.value.field == field


def test_a_company_name_is_there_once():
    EntityFactory(name="Brightfold")
    with pytest.raises(Refused, match="already exists"):
        create_entity(name="Brightfold", country="GB", zone="Europe/London", base_currency="GBP")


def test_an_admin_lets_one_person_map_and_approve_for_a_reason():
    entity = EntityFactory()
    ian = person(Role.ADMIN, entity, name="Ian Grove")
    set_one_person(entity=entity, on=True, reason=" Marta is on leave ", actor=ian)
    entity.refresh_from_db()
    assert entity.one_person
    entry = AuditEntry.objects.about(f"entity:{entity.pk}").get()
    assert (entry.verb, entry.actor, entry.reason) == ("entity.one-person", ian, "Marta is on leave")
    assert (entry.before, entry.after) == ({"one person": False}, {"one person": True})
    set_one_person(entity=entity, on=False, reason="She is back", actor=ian)
    entity.refresh_from_db()
    assert not entity.one_person


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_only_an_admin_changes_the_one_person_setting(role):
    entity = EntityFactory()
    with pytest.raises(NotAllowed, match="Admin can"):
        set_one_person(entity=entity, on=True, reason="Mine", actor=person(role, entity))
    entity.refresh_from_db()
    assert not entity.one_person
    assert not AuditEntry.objects.exists()


def test_an_admin_elsewhere_does_not_change_it_here():
    with pytest.raises(NotAllowed):
        set_one_person(entity=EntityFactory(), on=True, reason="Mine", actor=person(Role.ADMIN, EntityFactory()))


def test_the_one_person_setting_needs_a_reason_and_a_change():
    entity = EntityFactory()
    ian = person(Role.ADMIN, entity)
    with pytest.raises(Refused) as without_reason:
        set_one_person(entity=entity, on=True, reason=" ", actor=ian)
    assert without_reason.value.field == "reason"
    with pytest.raises(Refused, match="is off already"):
        set_one_person(entity=entity, on=False, reason="Again", actor=ian)
