"""Bulk actions on their screens: from the ticks in a queue to what became of each case."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.models import Entity, User
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.work.bulk.models import Bulk
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import CaseFactory, EntityFactory, person
from tests.work.bulks import worked

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "/queue/finance/bulk/"
SNOOZE = {"action": "snooze", "until": "2099-01-01T09:00", "reason": "Peak season", "filled": "1"}
FACTS = {"file": "march.txt", "words": "Line 1 has no header.", "sha256": "00", "connection_id": 1}


@pytest.fixture
def entity(transactional_db) -> Entity:
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def marta(entity) -> User:
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def client(marta) -> Client:
    return signed_in(marta)


@pytest.fixture
def cases(entity) -> list[Case]:
    kind = {"type": "file.layout-unknown", "holds_back": False, "facts": FACTS}
    return CaseFactory.create_batch(3, entity=entity, **kind)


def checked() -> Bulk:
    return worked(Bulk.objects.first())


def said(response) -> str:
    return " ".join(response.content.decode().split())


def test_from_ticks_to_results(client, entity, marta, cases):
    ian = person(Role.FINANCE, entity, name="Ian Grove")
    Case.objects.filter(pk=cases[0].pk).update(state="resolved", ended_at="2026-11-20T10:00Z", ending={"words": "Gone."})
    form = client.post(NEW, {"action": "assign", "to": ian.pk, "case": [case.pk for case in cases]})
    bulk = Bulk.objects.get()
    assert form["Location"] == f"/bulk/{bulk.pk}/"
    assert Page(client.get(form["Location"])).heading == "3 exceptions are being checked"

    checked()
    dry = client.get(form["Location"])
    assert Page(dry).heading == "Assign: it fits 2 of 3 exceptions"
    assert "They have ended already" in said(dry) and "This exception is resolved already. Gone." in said(dry)
    bulk.refresh_from_db()
    client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest})
    checked()
    page = client.get(form["Location"])
    assert Page(page).heading == "2 assigned, 0 skipped, 0 failed, 1 not eligible"
    assert set(Case.objects.filter(assigned_to=ian)) == set(cases[1:])
    lines = b"".join(client.get(f"/bulk/{bulk.pk}/results.csv").streaming_content).decode().splitlines()
    assert len(lines) == 4 and lines[2].endswith("Brackenfold Home Ltd,Done,")


def test_all_that_match_is_a_choice_and_asks_what_it_needs(client, cases):
    asked = client.post(f"{NEW}?type=file.layout-unknown", {"action": "snooze", "which": "all"})
    assert asked.status_code == 200 and Page(asked).heading == "Snooze: 3 exceptions"
    assert "aria-invalid" not in said(asked)
    wrong = client.post(f"{NEW}?type=file.layout-unknown", SNOOZE | {"which": "all", "reason": ""})
    assert wrong.status_code == 422 and "This field is required." in said(wrong)
    past = client.post(f"{NEW}?type=file.layout-unknown", SNOOZE | {"which": "all", "until": "2020-01-01T09:00"})
    assert past.status_code == 422 and "Choose a time that is still to come." in said(past)
    begun = client.post(f"{NEW}?type=file.layout-unknown", SNOOZE | {"which": "all"})
    bulk = Bulk.objects.get()
    assert begun["Location"] == f"/bulk/{bulk.pk}/"
    assert (bulk.members, bulk.filter) == (3, {"team": "finance", "type": "file.layout-unknown"})
    checked()
    client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": Bulk.objects.get().digest})
    checked()
    assert {str(case.snoozed_until) for case in Case.objects.all()} == {"2099-01-01 09:00:00+00:00"}


def test_an_action_of_the_type_is_offered_where_all_are_of_it(client, cases):
    assert "Process again…" not in said(client.get("/queue/finance/"))
    filtered = said(client.get("/queue/finance/?type=file.layout-unknown"))
    names = [action.name for action in cases[0].kind.actions]
    assert names and all(f'value="{name}"' in filtered for name in names)


def test_stop_and_retry_of_what_was_left(client, cases):
    client.post(NEW, {"action": "claim", "which": "all"})
    bulk = checked()
    client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest})
    assert "Stop it" in said(client.get(f"/bulk/{bulk.pk}/"))
    client.post(f"/bulk/{bulk.pk}/stop/")
    page = client.get(f"/bulk/{bulk.pk}/")
    assert Page(page).heading == "Stopped: 0 taken, 0 skipped, 0 failed, 3 not reached"
    retry = client.post(f"/bulk/{bulk.pk}/retry/")
    assert retry["Location"] == f"/bulk/{Bulk.objects.first().pk}/" != f"/bulk/{bulk.pk}/"
    assert said(client.get("/bulk/")).count("Take them, 3 exceptions") == 2


def test_what_cannot_be_done_is_said_in_its_place(client, entity, cases):
    nothing = client.post(NEW, {"action": "claim"})
    assert nothing.status_code == 422 and "No exception is chosen." in said(nothing)
    client.post(NEW, {"action": "claim", "which": "all"})
    bulk = checked()
    stale = client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": "another"})
    assert stale.status_code == 422 and "This is not the dry run that you looked at." in said(stale)
    ian = signed_in(person(Role.FINANCE, entity))
    assert ian.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest}).status_code == 403
    assert 'aria-label="Confirm"' not in said(ian.get(f"/bulk/{bulk.pk}/"))
    assert ian.get("/bulk/?show=all").status_code == 200
    elsewhere = signed_in(person(Role.FINANCE, EntityFactory()))
    assert elsewhere.get(f"/bulk/{bulk.pk}/").status_code == 404
    assert reverse("bulk", args=[bulk.pk]) not in said(elsewhere.get("/bulk/?show=all"))
    assert elsewhere.post(NEW, {"action": "claim", "case": [cases[0].pk]}).status_code == 422
