"""People and accounts on the screens: each change previewed, with a reason, in force at the next click."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.models import ApiToken, AuditEntry, Entity, Membership, SignIn, User
from apps.core.permissions import Role
from apps.core.tokens import holder_of, issue
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db
GOOD, NEW = "seven quiet lamps", "nine loud kettles"


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def ian(entity) -> Client:
    return signed_in(person(Role.ADMIN, entity, name="Ian Grove"))


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis", email="marta@example.com")


def text(response) -> str:
    return " ".join(response.content.decode().split())


def do(client: Client, user: User, name: str, **data):
    """Look at the preview, then press its button."""
    entity = user.memberships.first().entity_id
    address = f"{reverse('person_do', args=[user.pk, name])}?company={entity}"
    preview = client.post(address, data | {"preview": "1"})
    assert preview.status_code == 200, text(preview)
    assert not AuditEntry.objects.filter(reason=data["reason"]).exists(), "a preview writes nothing"
    digest = re.search(r'name="digest" value="(\w+)"', preview.content.decode())[1]
    return preview, client.post(address, data | {"digest": digest}, follow=True)


def test_the_list_names_who_works_in_the_companies_of_the_admin_alone(entity, ian, marta):
    other = EntityFactory(name="Somebody Else SA")
    person(Role.FINANCE, other, name="Stranger")
    Membership.objects.create(user=marta, entity=other, role=Role.VIEWER)
    User.objects.filter(pk=person(Role.OPS, entity, name="Kofi Mensah").pk).update(is_active=False)
    page = ian.get("/people/")
    assert Page(page).heading == "3 people work here, 1 switched off"
    body = text(page)
    assert "Marta Lis" in body and "Finance" in body and "Switched off" in body
    assert "Stranger" not in body and "Somebody Else" not in body
    assert signed_in(marta).get("/people/").status_code == 403
    assert ian.get(reverse("person", args=[User.objects.get(name="Stranger").pk])).status_code == 404


def test_the_list_takes_as_many_queries_for_fifty_as_for_one(entity, ian):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ian.get("/people/").status_code == 200
        return len(queries)

    few = count()
    for _ in range(50):
        user = person(Role.OPS, entity)
        Membership.objects.create(user=user, entity=entity, role=Role.VIEWER)
        now = timezone.now()
        SignIn.objects.create(user=user, session_key=f"k{user.pk}", began_at=now, seen_at=now)
    assert count() == few
    assert "Next 50" in text(ian.get("/people/"))


def test_roles_change_after_a_preview_of_what_is_lost_and_hold_in_open_sessions(entity, ian, marta):
    hers = signed_in(marta)
    assert hers.get("/journals/").status_code == 200
    preview, done = do(ian, marta, "roles", roles=["ops"], reason="Moves to the warehouse")
    assert "approve journals" in text(preview) and "sign the daily check" in text(preview)
    assert "Marta Lis at Brackenfold Home Ltd: Operations" in text(done)
    refused = hers.get("/journals/")
    assert refused.status_code == 403 and "Your role cannot read settlements and journals" in text(refused)
    assert hers.get("/runs/").status_code == 200
    body = text(ian.get(reverse("person", args=[marta.pk])))
    assert "changed the roles at Brackenfold Home Ltd: Operations. Before: Finance." in body
    assert "Moves to the warehouse" in body


def test_roles_of_none_take_the_company_away(entity, ian, marta):
    hers = signed_in(marta)
    _, clear = issue(user=marta, name="Patchworks", expires_at=timezone.now() + timedelta(days=3))
    _, done = do(ian, marta, "roles", reason="She left")
    assert done.redirect_chain[-1][0] == "/people/" and "Marta Lis" not in Page(done).heading
    assert "You have no role in any company yet" in text(hers.get("/", follow=True))
    assert holder_of(clear) is None


def test_a_change_needs_a_reason_and_a_preview_that_still_holds(entity, ian, marta):
    address = f"{reverse('person_do', args=[marta.pk, 'roles'])}?company={entity.pk}"
    fault = ian.post(address, {"roles": ["ops"], "reason": " "})
    assert fault.status_code == 422 and "This field is required" in text(fault)
    assert ian.post(address, {"roles": ["ops"], "reason": "So", "digest": "old"}).status_code == 409
    assert marta.roles_in(entity.pk) == {Role.FINANCE}


def test_whoever_is_switched_off_gets_no_roles_by_an_invitation(entity, ian, marta):
    User.objects.filter(pk=marta.pk).update(is_active=False)
    asked = {"email": marta.email, "name": "Marta Lis", "entity": entity.pk, "roles": ["ops"]}
    answer = ian.post("/people/", asked)
    assert answer.status_code == 422 and "This account is switched off" in text(answer)
    assert list(marta.memberships.values_list("role", flat=True)) == ["finance"]


def test_the_names_of_tokens_are_told_only_to_who_keeps_the_account(entity, ian, marta):
    Membership.objects.create(user=marta, entity=EntityFactory(), role=Role.VIEWER)
    issue(user=marta, name="Patchworks", expires_at=timezone.now() + timedelta(days=3))
    for asked in ({"preview": "1"}, {}):
        answer = ian.post(reverse("person_do", args=[marta.pk, "tokens"]), asked)
        assert answer.status_code == 403 and "Patchworks" not in text(answer)


def test_an_admin_of_one_company_neither_sees_nor_changes_another(entity, ian, marta):
    other = EntityFactory(name="Somebody Else SA")
    Membership.objects.create(user=marta, entity=other, role=Role.VIEWER)
    page = ian.get(reverse("person", args=[marta.pk]))
    assert "not yours alone to keep" in text(page) and "Somebody Else" not in text(page)
    address = reverse("person_do", args=[marta.pk, "roles"])
    assert ian.post(f"{address}?company={other.pk}", {"roles": []}).status_code == 404
    for name in ("switch-off", "sign-out", "tokens"):
        refused = ian.post(reverse("person_do", args=[marta.pk, name]), {"reason": "x", "token": "all", "preview": "1"})
        assert refused.status_code == 403 and "not yours alone to keep" in text(refused), name
    assert ian.post(reverse("person_do", args=[marta.pk, "link"])).status_code == 403


def test_nobody_gives_themselves_a_role_on_the_screen_either(entity, ian):
    me = User.objects.get(name="Ian Grove")
    address = f"{reverse('person_do', args=[me.pk, 'roles'])}?company={entity.pk}"
    refused = ian.post(address, {"roles": ["admin", "finance"], "reason": "I need it", "preview": "1"})
    assert refused.status_code == 422 and "Nobody gives themselves a role" in text(refused)
    invited = ian.post("/people/", {"email": me.email, "name": "Ian", "entity": entity.pk, "roles": ["finance"]})
    assert invited.status_code == 403
    assert me.roles_in(entity.pk) == {Role.ADMIN}


def test_an_invited_person_gets_a_link_sets_a_password_and_is_in(entity, ian):
    wrong = ian.post("/people/", {"email": "kofi", "name": "", "entity": entity.pk})
    assert wrong.status_code == 422 and "valid email" in text(wrong)
    asked = {"email": "kofi@example.com", "name": "Kofi Mensah", "entity": entity.pk, "roles": ["ops"]}
    page = ian.post("/people/", asked)
    assert Page(page).heading == "Hand this link to Kofi Mensah"
    assert "This server sends no mail" in text(page) and page["Cache-Control"] == "no-store"
    link = re.search(r'value="http://testserver(/login/link/[^"]+)"', page.content.decode())[1]
    his = Client()
    address = his.get(link, follow=True).redirect_chain[-1][0]
    his.post(address, {"new_password1": NEW, "new_password2": NEW})
    assert his.post("/login/", {"username": "kofi@example.com", "password": NEW}).status_code == 302
    assert his.get("/runs/").status_code == 200
    assert AuditEntry.objects.get(verb="password.link-given").actor.name == "Ian Grove"
    assert link.split("/")[-2] not in str(list(AuditEntry.objects.values()))


def test_who_has_an_account_is_added_without_a_link(entity, ian):
    other = person(Role.FINANCE, EntityFactory(name="Somebody Else SA"), name="Agency Ada", email="ada@example.com")
    asked = {"email": "ada@example.com", "name": "x", "entity": entity.pk, "roles": ["finance"]}
    page = ian.post("/people/", asked, follow=True)
    assert "Agency Ada had an account already" in text(page) and "/login/link/" not in page.content.decode()
    assert other.memberships.count() == 2


def test_a_company_that_is_not_the_admins_cannot_be_invited_to(ian):
    asked = {"email": "x@example.com", "name": "X", "entity": EntityFactory().pk, "roles": ["finance"]}
    assert ian.post("/people/", asked).status_code == 422
    assert not User.objects.filter(email="x@example.com").exists()


def test_an_account_is_switched_off_and_on_and_its_sessions_and_tokens_with_it(entity, ian, marta):
    hers = signed_in(marta)
    _, clear = issue(user=marta, name="Patchworks", expires_at=timezone.now() + timedelta(days=3))
    preview, done = do(ian, marta, "switch-off", reason="Lost laptop")
    assert "1 session end now" in text(preview) and "1 token open nothing" in text(preview)
    assert Page(done).heading == "Marta Lis is switched off"
    assert hers.get("/")["Location"].startswith("/login/") and holder_of(clear) is None
    do(ian, marta, "switch-on", reason="Found it")
    assert hers.get("/")["Location"].startswith("/login/"), "the old session stays over"
    assert holder_of(clear) == marta


def test_an_admin_ends_sessions_and_revokes_tokens(entity, ian, marta):
    hers = signed_in(marta)
    token, clear = issue(user=marta, name="Patchworks", expires_at=timezone.now() + timedelta(days=3))
    _, done = do(ian, marta, "sign-out", reason="A strange address")
    assert "Marta Lis is signed out everywhere" in text(done)
    assert hers.get("/")["Location"].startswith("/login/")
    _, done = do(ian, marta, "tokens", token=str(token.pk), reason="The partner changed")
    assert "Revoked 1 token" in text(done) and holder_of(clear) is None
    assert AuditEntry.objects.get(verb="token.revoked").reason == "The partner changed"


def test_wrong_passwords_stand_on_the_persons_page(ian, marta):
    for _ in range(5):
        Client().post("/login/", {"username": "marta@example.com", "password": "wrong"}, REMOTE_ADDR="10.0.0.7")
    body = text(ian.get(reverse("person", args=[marta.pk])))
    assert "10.0.0.7" in body and "Locked until" in body


def test_one_changes_ones_own_password_and_is_signed_out_elsewhere(marta):
    marta.set_password(GOOD)
    marta.save()
    here, elsewhere = signed_in(marta), signed_in(marta)
    assert "At least 12 characters" in text(here.get("/account/")), "the rules stand there before"
    sent = {"old_password": "not it", "new_password1": NEW, "new_password2": NEW, "password": "1"}
    wrong = here.post("/account/", sent)
    assert wrong.status_code == 422 and "This is not your password" in text(wrong)
    common = here.post("/account/", sent | {"new_password1": "qwertyuiop12", "new_password2": "qwertyuiop12"})
    assert common.status_code == 422
    done = here.post("/account/", sent | {"old_password": GOOD}, follow=True)
    assert "Your password is changed" in text(done)
    assert elsewhere.get("/account/").status_code == 302
    assert SignIn.objects.get(ended_at=None).session_key == here.session.session_key
    assert Client().post("/login/", {"username": marta.email, "password": NEW}).status_code == 302


def test_sessions_are_listed_and_ended_from_elsewhere(marta):
    here, phone, office = signed_in(marta), signed_in(marta), signed_in(marta)
    page = text(here.get("/account/"))
    assert "signed in 3 times" in page and page.count("This one") == 1
    row = SignIn.objects.get(session_key=phone.session.session_key)
    assert "1 session ended" in text(here.post("/account/sessions/", {"session": row.pk}, follow=True))
    assert phone.get("/account/").status_code == 302 and office.get("/account/").status_code == 200
    here.post("/account/sessions/")
    assert office.get("/account/").status_code == 302 and here.get("/account/").status_code == 200


def test_nobody_ends_anothers_session_or_token(marta, entity):
    kofi = person(Role.OPS, entity)
    signed_in(kofi)
    token, clear = issue(user=kofi, name="His", expires_at=timezone.now() + timedelta(days=3))
    hers = signed_in(marta)
    assert hers.post("/account/sessions/", {"session": SignIn.objects.get(user=kofi).pk}).status_code == 404
    assert hers.post(f"/account/tokens/{token.pk}/").status_code == 404
    assert SignIn.objects.get(user=kofi).ended_at is None and holder_of(clear) == kofi


def test_a_token_is_shown_once_and_revoked(marta):
    client = signed_in(marta)
    day = timezone.localdate() + timedelta(days=30)
    page = client.post("/account/", {"token": "1", "name": "Patchworks", "expires_on": str(day)})
    clear = re.search(r'value="(oc_[^"]+)"', page.content.decode())[1]
    assert holder_of(clear) == marta and page["Cache-Control"] == "no-store"
    again = client.get("/account/").content.decode()
    assert clear not in again and clear[:9] in again
    done = client.post(f"/account/tokens/{ApiToken.objects.get().pk}/", follow=True)
    assert "is revoked" in text(done) and holder_of(clear) is None


@pytest.mark.parametrize(("days", "status"), [(365, 200), (366, 422), (-1, 422)])
def test_a_token_ends_within_a_year(marta, days, status):
    day = timezone.localdate() + timedelta(days=days)
    page = signed_in(marta).post("/account/", {"token": "1", "name": "x", "expires_on": str(day)})
    assert page.status_code == status
    assert ("ends within a year" in text(page)) == (status == 422)


def test_an_agency_switches_between_twelve_companies_and_the_choice_stays():
    entities = [EntityFactory(name=f"Brand {number:02} Ltd") for number in range(12)]
    ada = person(Role.FINANCE, entities[0], name="Agency Ada")
    Membership.objects.bulk_create(
        Membership(user=ada, entity=each, role=Role.FINANCE if each.pk % 2 else Role.VIEWER) for each in entities[1:]
    )
    EntityFactory(name="Not hers Ltd")
    client = signed_in(ada)
    page = client.get("/queue/finance/").content.decode()
    assert [f"Brand {number:02} Ltd" in page for number in range(12)] == [True] * 12 and "Not hers" not in page
    for entity in entities:
        assert client.post("/company/", {"company": entity.pk, "next": "/journals/"})["Location"] == "/journals/"
        assert f'<option value="{entity.pk}" selected>' in client.get("/settlements/").content.decode()
    assert f'<option value="{entities[-1].pk}" selected>' in client.get("/audit/").content.decode(), "it stays"
    client.post("/company/", {"company": Entity.objects.get(name="Not hers Ltd").pk, "next": "/"})
    assert "selected" not in client.get("/settlements/").content.decode().split("</select>")[0]
