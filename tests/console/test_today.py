"""The first page of each role, the first steps of an empty system, sign-in, and the pages for when things go wrong."""

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from apps.core.models import Membership
from apps.core.permissions import Role
from apps.ledger.models import Account
from apps.settlements.models import FeeRule
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, UserFactory, person

PASSWORD = "correct horse battery"


def test_finance_reads_what_needs_them_and_what_it_is_worth(ours: Company):
    page = ours.client(Role.FINANCE).get("/")
    words = page.content.decode()
    assert Page(page).heading == "3 causes need you, worth £108.20"
    assert Page(page).linked("Open the first case").startswith("/cases/")
    assert "Settlements not yet in the books" in words
    assert "Does not tie" in words and "Stopped by 1" in words
    assert "at stake" in words and "It ranks like" in words  # the sum behind a rank


def test_a_team_without_a_check_is_told_so(ours: Company):
    words = ours.client(Role.ADMIN).get("/").content.decode()
    assert "Nothing needs you now" in words
    assert "No check reports to Admin" in words


def test_ecommerce_reads_what_is_watched_for_them_and_no_settlements(ours: Company):
    words = ours.client(Role.ECOMMERCE).get("/").content.decode()
    assert "Nothing needs you now" in words and "Watched for you" in words
    assert "Settlements not yet" not in words


def test_operations_read_of_background_work(ours: Company):
    words = ours.client(Role.OPS).get("/").content.decode()
    assert "Nothing failed" in words and "Settlements not yet" not in words
    assert Page(ours.client(Role.OPS).get("/")).linked("Open the check") == f"/checks/{ours.entity.pk}/rejected-orders/"


def test_a_viewer_reads_what_stops_work_without_being_asked(ours: Company):
    page = ours.client(Role.VIEWER).get("/")
    assert Page(page).heading == "3 causes stop work, worth £108.20"
    assert "Your role reads" in page.content.decode()


@pytest.mark.django_db
def test_an_empty_system_begins_with_a_company():
    client = signed_in(UserFactory(email="ian@example.com"))
    assert client.get("/").url == "/start/"
    page = client.get("/start/")
    assert Page(page).heading == "This system is empty: begin with a company"
    assert "add_person ian@example.com --role admin finance" in page.content.decode()


@pytest.mark.django_db
def test_somebody_without_a_role_is_told_who_gives_one():
    EntityFactory(name="Not theirs")
    page = signed_in(UserFactory()).get("/start/")
    assert Page(page).heading == "You have no role in any company yet"
    assert "Not theirs" not in page.content.decode()


@pytest.mark.django_db
def test_the_first_steps_go_on_as_they_are_done():
    entity = EntityFactory(name="Brackenfold Home Ltd")
    admin = person(Role.ADMIN, entity, name="Ian Grove")
    client = signed_in(admin)
    assert client.get("/").url == "/start/"
    page = client.get("/start/")
    assert Page(page).heading == "3 steps from the first complete journal"
    assert Page(page).linked("Choose a chart of accounts") == "/mapping/chart/"
    assert "Nobody in your companies can yet" in page.content.decode()  # map fees: an admin does not
    seen = client.get("/mapping/chart/", {"chart": "uk", "entity": entity.pk})
    assert "31" in seen.content.decode() and not Account.objects.exists() and not FeeRule.objects.exists()
    applied = client.post("/mapping/chart/", {"chart": "uk", "entity": entity.pk}, follow=True)
    assert "Chart uk is applied to Brackenfold Home Ltd: added 31 accounts" in applied.content.decode()
    again = client.get("/mapping/chart/", {"chart": "uk", "entity": entity.pk})
    assert set(again.context["plan"].added.values()) == {0}
    assert Page(client.get("/start/")).heading == "2 steps from the first complete journal"


@pytest.mark.django_db
def test_sign_in_with_words_for_a_mismatch_and_back_to_where_one_was_going():
    user = UserFactory(email="marta@example.com")
    user.set_password(PASSWORD)
    user.save()
    Membership.objects.create(user=user, entity=EntityFactory(), role=Role.FINANCE)
    client = Client(enforce_csrf_checks=True)
    page = client.get("/login/?next=/audit/")
    assert "continue where you were going" in page.content.decode()
    token = client.cookies["csrftoken"].value
    data = {"username": "marta@example.com", "next": "/audit/", "csrfmiddlewaretoken": token}
    wrong = client.post("/login/", data | {"password": "wrong"})
    assert wrong.status_code == 422 and "do not match" in wrong.content.decode()
    right = client.post("/login/", data | {"password": PASSWORD})
    assert right.status_code == 302 and right["Location"] == "/audit/"
    assert client.post("/logout/").status_code == 403  # without the form's token
    assert "This form was opened before you last signed in" in client.post("/logout/").content.decode()
    assert client.post("/logout/", {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}).url == "/login/"


@pytest.mark.django_db
def test_an_unknown_address_says_what_to_do(client: Client):
    page = client.get("/nothing/here/")
    assert page.status_code == 404
    assert Page(page).heading == "Nothing is at this address, or it is not yours to see"
    assert Page(page).inline == []


def test_the_page_for_our_own_faults_needs_no_database():
    words = render_to_string("500.html")
    assert "This went wrong on our side" in words and 'href="/"' in words


@pytest.mark.django_db
def test_a_stranger_queue_is_not_there():
    entity = EntityFactory()
    client = signed_in(person(Role.ADMIN, entity))
    assert client.get(reverse("queue", args=["warehouse"])).status_code == 404


def test_htmx_comes_from_the_package_and_keeps_its_styles_out(ours: Company):
    words = ours.client(Role.FINANCE).get("/").content.decode()
    assert "/static/django_htmx/htmx-2.min.js" in words
    assert '"includeIndicatorStyles":false' in words and "400|403|404|405|409|422|429" in words
    assert settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["default-src"] == ["'self'"]
