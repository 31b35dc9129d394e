"""Ending a shift and taking one over on the screens: a draft with a preview, a panel on Today, who may, and the list."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import claim
from apps.work.models import ShiftNote
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import person


@pytest.fixture
def priya(ours: Company):
    """A second person in finance."""
    return person(Role.FINANCE, ours.entity, name="Priya Nair")


def address(ours: Company) -> str:
    return reverse("end_shift", args=[ours.entity.pk, "finance"])


def end(client: Client, ours: Company, **data):
    """Preview what the form says, then do it."""
    shown = client.post(address(ours), data | {"preview": "1"}).content.decode()
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', shown)[1]
    return client.post(address(ours), data | {"digest": digest})


def test_a_shift_goes_from_one_to_the_next(ours: Company, priya):
    case, marta = ours.fee_case, ours.people[Role.FINANCE]
    claim(case=case, actor=marta)
    client, other = ours.client(Role.FINANCE), signed_in(priya)
    page = client.get("/")
    draft = client.get(Page(page).linked("End your shift")).content.decode()
    assert "exceptions came in" in draft and "You are at it until" in draft and "Hand over to Finance" in draft
    said = {"to": priya.pk, "words": "See https://files.example/x first.", f"case_{case.pk}": "hand"}
    shown = client.post(address(ours), said | {"preview": "1"}).content.decode()
    assert "Priya Nair’s from now on" in shown and "Hand over to Priya Nair" in shown
    assert not ShiftNote.objects.exists()
    done = end(client, ours, **said)
    note = ShiftNote.objects.get()
    assert done.url == reverse("shift", args=[note.pk])
    case.refresh_from_db()
    assert case.assigned_to == priya
    assert "Nobody has taken over what you left" in client.get("/").content.decode()
    today = other.get("/").content.decode()
    assert "Finance 1 left you a note" in today and 'href="https://files.example/x"' in today
    assert "1 case went to you" in today
    assert "Finance 1 left you a note" in other.get("/queue/finance/").content.decode()
    taken = other.post(reverse("take_over", args=[note.pk]), follow=True).content.decode()
    assert "taken over by Priya Nair" in taken
    assert "left you a note" not in other.get("/").content.decode()
    assert "what you left" not in client.get("/").content.decode()
    assert "Taken over" in client.get(reverse("shifts")).content.decode()


def test_what_changed_since_the_preview_is_shown_first(ours: Company, priya):
    case, marta = ours.fee_case, ours.people[Role.FINANCE]
    client = ours.client(Role.FINANCE)
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', client.get(address(ours)).content.decode())[1]
    claim(case=case, actor=marta)
    answer = client.post(address(ours), {"to": "", "words": "", f"case_{case.pk}": "release", "digest": digest})
    assert answer.status_code == 409 and not ShiftNote.objects.exists()
    assert Case.objects.get(pk=case.pk).claimed_by == marta


def test_a_case_goes_to_somebody_who_is_named(ours: Company, priya):
    case = ours.fee_case
    claim(case=case, actor=ours.people[Role.FINANCE])
    answer = ours.client(Role.FINANCE).post(address(ours), {"to": "", f"case_{case.pk}": "hand", "preview": "1"})
    assert answer.status_code == 422 and "Say to whom: a case goes to one person." in answer.content.decode()


def test_who_is_alone_in_the_team_is_told_so(ours: Company):
    page = ours.client(Role.FINANCE).get(address(ours)).content.decode()
    assert "Nobody else works for Finance at Brackenfold 1" in page and "data-primary" not in page


def test_a_second_note_says_that_it_carries_the_first(ours: Company, priya):
    first = ours.shift_note
    page = signed_in(priya).get(address(ours)).content.decode()
    assert "Finance 1’s note is not taken over yet: this one carries it along" in page
    end(signed_in(priya), ours, to="", words="And this")
    second = ShiftNote.objects.waiting().get()
    shown = ours.client(Role.FINANCE).get(reverse("shift", args=[second.pk])).content.decode()
    assert "Amazon calls Finance 1 back at nine." in shown
    gone = signed_in(priya).post(reverse("take_over", args=[first.pk]))
    assert gone.status_code == 409 and "A later note carries this one" in gone.content.decode()
    assert "carries it along" in signed_in(priya).get(reverse("shift", args=[first.pk])).content.decode()


def test_only_the_team_takes_over_and_all_who_read_its_queue_read_it(ours: Company):
    take, read = (reverse(name, args=[ours.shift_note.pk]) for name in ("take_over", "shift"))
    for role, status in ((Role.VIEWER, 403), (Role.ADMIN, 403), (Role.OPS, 404)):
        assert ours.client(role).post(take).status_code == status, role
    page = ours.client(Role.VIEWER).get(read).content.decode()
    assert "The people of Finance take it over." in page and "Take over" not in page
    own = ours.client(Role.FINANCE).post(take)
    assert own.status_code == 409 and "whoever comes next takes it over" in own.content.decode()


def test_several_desks_are_chosen_from(ours: Company, theirs: Company):
    finance = ours.people[Role.FINANCE]
    finance.memberships.create(entity=theirs.entity, role=Role.FINANCE)
    client = signed_in(finance)
    chosen = Page(client.get("/")).linked("End your shift")
    assert chosen == "/shifts/#desks"
    assert Page(client.get("/shifts/")).linked("Finance, Brackenfold 2").endswith(f"/{theirs.entity.pk}/end/finance/")
