"""A password that an admin may know is as good as that admin: it opens no company where they are not admin."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.passwords import link_parts
from apps.core.permissions import Role
from apps.core.tokens import holder_of, issue
from apps.integrations.models import Job
from tests.console.conftest import signed_in
from tests.console.test_people import do, text
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db
MALLORYS, HERS = "seven quiet lamps", "nine loud kettles"
EMAIL = "kofi@example.com"


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ian(entity) -> Client:
    return signed_in(person(Role.ADMIN, entity, name="Ian Grove"))


@pytest.fixture
def mallory() -> User:
    return person(Role.ADMIN, EntityFactory(name="Somebody Else SA"), name="Mallory")


@pytest.fixture
def mails(settings) -> None:
    settings.MAIL_SENT = True


def invite(client: Client, entity: Entity, role: str = "finance"):
    return client.post("/people/", {"email": EMAIL, "name": "Kofi Mensah", "entity": entity.pk, "roles": [role]}, follow=True)


def use(page, password: str) -> None:
    """Set a password by the link on the page, or in the mail."""
    link = re.search(r"/login/link/[^\s\"<]+", page if isinstance(page, str) else page.content.decode())[0]
    browser = Client()
    address = browser.get(link, follow=True).redirect_chain[-1][0]
    assert browser.post(address, {"new_password1": password, "new_password2": password}).status_code == 302


def signs_in(password: str) -> bool:
    return Client().post("/login/", {"username": EMAIL, "password": password}).status_code == 302


@pytest.fixture
def known(mallory: User) -> User:
    """Invited by Mallory, who used the link and so is this person."""
    use(invite(signed_in(mallory), Entity.objects.get(memberships__user=mallory), "ops"), MALLORYS)
    assert signs_in(MALLORYS)
    return User.objects.get(email=EMAIL)


def test_it_opens_nothing_once_the_person_joins_another_company(known: User, entity, ian, mails):
    _, clear = issue(user=known, name="Mallory's", expires_at=timezone.now() + timedelta(days=3))
    session = signed_in(known)
    page = invite(ian, entity)
    assert "an admin elsewhere may know" in text(page) and "/login/link/" not in page.content.decode()
    assert not signs_in(MALLORYS) and holder_of(clear) is None and session.get("/").status_code == 302
    assert AuditEntry.objects.get(verb="password.closed").after == {"sessions ended": 2, "tokens revoked": 1}
    assert Job.objects.get(kind="people.send-link").args == {"person": known.pk}
    known.refresh_from_db()
    use(reverse("set_password", kwargs=link_parts(known)), HERS)  # as the mail has it
    assert signs_in(HERS) and known.memberships.filter(entity=entity).exists()
    third = EntityFactory()
    added = invite(signed_in(person(Role.ADMIN, third)), third)
    assert "at the next click" in text(added) and signs_in(HERS), "it came by mail: only the person knows it"


def test_it_holds_where_the_same_admin_adds_the_person(known: User, mallory: User):
    second = EntityFactory()
    Membership.objects.create(user=mallory, entity=second, role=Role.ADMIN)
    assert "at the next click" in text(invite(signed_in(mallory), second)) and signs_in(MALLORYS)


def test_a_new_password_by_the_old_one_is_as_well_known(known: User, entity, ian, mails):
    browser = signed_in(known)
    sent = {"old_password": MALLORYS, "new_password1": HERS, "new_password2": HERS, "password": "1"}
    browser.post("/account/", sent)
    invite(ian, entity)
    assert not signs_in(HERS)


def test_without_mail_nobody_is_added_whose_password_cannot_be_renewed(known: User, entity, ian):
    page = invite(ian, entity)
    assert page.status_code == 422 and "this server sends no mail" in text(page)
    assert not known.memberships.filter(entity=entity).exists() and signs_in(MALLORYS)


def test_who_runs_the_server_hands_over_a_new_one(known: User, entity, capsys):
    call_command("add_person", EMAIL, "--entity", entity.name, "--role", "finance")
    password = re.search(r"shown this once: (\S+)", capsys.readouterr().out)[1]
    assert signs_in(password) and not signs_in(MALLORYS)


def test_roles_given_at_a_further_company_close_it_too_and_say_so_before(known: User, entity, mails):
    home = Entity.objects.get(memberships__user=known)
    both = person(Role.ADMIN, home, name="Ada Both")
    Membership.objects.create(user=both, entity=entity, role=Role.ADMIN)
    address = f"{reverse('person_do', args=[known.pk, 'roles'])}?company={entity.pk}"
    client, said = signed_in(both), {"roles": ["viewer"], "reason": "Helps out"}
    preview = client.post(address, said | {"preview": "1"})
    assert "Mallory may know it" in text(preview) and signs_in(MALLORYS)
    digest = re.search(r'name="digest" value="(\w+)"', preview.content.decode())[1]
    done = client.post(address, said | {"digest": digest}, follow=True)
    assert "need a new link" in text(done) and not signs_in(MALLORYS)


def test_an_admin_lets_who_is_locked_out_in_again(entity, ian):
    marta = person(Role.FINANCE, entity, name="Marta Lis", email=EMAIL)
    marta.set_password(HERS)
    marta.save()
    page = reverse("person", args=[marta.pk])
    assert "Unlock" not in text(ian.get(page))
    for _ in range(5):
        signs_in("wrong")
    assert not signs_in(HERS) and "Marta Lis is locked out" in text(ian.get(page))
    preview, done = do(ian, marta, "unlock", reason="She rang me")
    assert "Let Marta Lis sign in again now" in text(preview) and "can sign in again" in text(done)
    entry = AuditEntry.objects.get(verb="person.unlocked")
    assert (entry.reason, entry.entity, entry.actor_name) == ("She rang me", entity, "Ian Grove")
    assert signs_in(HERS)
    for _ in range(5):
        signs_in("wrong")
    address = f"{reverse('person_do', args=[marta.pk, 'unlock'])}?company={entity.pk}"
    again = ian.post(address, {"reason": "She rang me again", "preview": "1"})
    assert "was unlocked a short while ago" in text(again) and not signs_in(HERS), "nobody guesses on and on by it"


def test_only_an_admin_of_one_of_their_companies_unlocks(known: User, entity, ian):
    for _ in range(5):
        signs_in("wrong")
    address = f"{reverse('person_do', args=[known.pk, 'unlock'])}?company={entity.pk}"
    asked = {"reason": "He is ours too", "preview": "1"}
    assert ian.post(address, asked).status_code == 404
    Membership.objects.create(user=known, entity=entity, role=Role.VIEWER)
    assert "Let Kofi Mensah sign in again" in text(ian.post(address, asked)), "though his whole account is not Ian's to keep"
    assert signed_in(person(Role.FINANCE, entity)).post(address, asked).status_code == 403
