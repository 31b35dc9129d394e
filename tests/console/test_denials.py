"""Whatever is not answered is a page that says what happened, who can, and the next step; inside a page it is a note."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.permissions import Role
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true", "HX-Current-URL": "http://testserver/orders/"}


@pytest.fixture
def elin() -> Client:
    entity = EntityFactory()
    person(Role.ADMIN, entity, name="Ian Grove")
    person(Role.FINANCE, entity, name="Marta Lis")
    return signed_in(person(Role.VIEWER, entity, name="Elin Berg"))


def text(response) -> str:
    return " ".join(response.content.decode().split())


DENIED = {  # what is asked -> the status, the finding, and what helps
    ("GET", "/people/"): (403, "Your role cannot invite people or change their roles. Ian Grove can.", "Nothing was changed"),
    ("GET", "/journals/approve/"): (403, "Your role cannot approve journals. Marta Lis can.", "signed in as"),
    ("GET", "/nothing/"): (404, "Nothing is at this address, or it is not yours to see", "An admin of that company gives roles"),
    ("GET", "/cases/1/"): (404, "Nothing is at this address, or it is not yours to see", "An admin of that company gives roles"),
    ("GET", "/company/"): (405, "This address only takes what a form on another page sends", "Open the page with the form"),
    ("POST", "/audit/"): (405, "This address only takes what a form on another page sends", "Open the page with the form"),
}


@pytest.mark.parametrize(("asked", "said"), DENIED.items(), ids=[" ".join(asked) for asked in DENIED])
def test_a_denial_is_a_page_in_words(elin, asked, said):
    (method, path), (status, finding, helps) = asked, said
    response = elin.generic(method, path)
    page = Page(response)
    assert (response.status_code, page.heading) == (status, finding)
    assert helps in text(response) and page.inline == []
    assert page.linked("Go to today") == "/"


@pytest.mark.parametrize(("asked", "said"), DENIED.items(), ids=[" ".join(asked) for asked in DENIED])
def test_inside_a_page_it_is_a_note(elin, asked, said):
    (method, path), (status, finding, _) = asked, said
    response = elin.generic(method, path, headers=PART)
    assert response.status_code == status and response["HX-Retarget"] == "#notices"
    assert finding in text(response) and "<html" not in text(response)


@pytest.mark.parametrize("headers", [{}, PART])
def test_a_form_from_before_the_last_sign_in(headers):
    user = person(Role.VIEWER, EntityFactory())
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    response = client.post("/company/", {"company": ""}, headers=headers)
    assert response.status_code == 403
    assert "This form was opened before you last signed in, so nothing was saved" in text(response)
    assert "load the page again" in text(response)
    assert response.get("HX-Retarget", "") == ("#notices" if headers else "")


def test_an_expired_session_says_that_nothing_was_saved_and_leads_back_to_the_form():
    form = "http://testserver/settlements/upload/?kind=legs"
    response = Client().post(reverse("upload"), {}, headers={"Referer": form})
    assert response["Location"] == "/login/?next=/settlements/upload/%3Fkind%3Dlegs&unsent=1"
    page = Client().get(response["Location"])
    assert "You were signed out before this was sent, so nothing was saved" in text(page)
    elsewhere = Client().post(reverse("upload"), {}, headers={"Referer": "https://elsewhere.example/"})
    assert elsewhere["Location"] == "/login/?next=/&unsent=1"
    part = Client().post(reverse("upload"), {}, headers=PART)
    assert part["HX-Redirect"] == "/login/?next=/orders/&unsent=1"


def test_a_session_that_is_ended_while_it_answers_is_not_brought_back(elin):
    assert elin.get("/account/").status_code == 200
    elin.session.delete()
    assert elin.get("/account/")["Location"].startswith("/login/")


def test_a_part_of_a_page_needs_no_page_of_words_for_a_host_that_is_not_ours():
    response = Client().get("/login/", headers={"Host": "elsewhere.example"})
    assert response.status_code == 400
    assert Page(response).heading == "This request was broken on its way, so we could not read it"
