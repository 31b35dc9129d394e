import re
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.operations import add_person, create_entity
from apps.core.permissions import Role
from tests.factories import EntityFactory, UserFactory

pytestmark = pytest.mark.django_db

NEW_COMPANY = ["--country", "GB", "--zone", "Europe/London", "--currency", "GBP"]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("add_person", *arguments, stdout=out)
    return out.getvalue()


def test_the_first_admin_comes_with_the_company_and_can_log_in():
    said = run("ian@example.com", "--name", "Ian Grove", "--entity", "Brightfold Ltd", "--role", "admin", *NEW_COMPANY)
    password = re.search(r"Password, shown this once: (\S+)", said)[1]
    user = authenticate(username="ian@example.com", password=password)
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


@pytest.mark.parametrize(
    ("change", "field"), [({"zone": "London"}, "zone"), ({"country": "GBR"}, "country"), ({"name": " "}, "name")]
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
