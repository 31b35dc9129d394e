"""Bulk actions on their screens: from the ticks in a queue to what became of each case."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.console.timeline import timeline
from apps.core.models import Entity, User
from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.exceptions import operations
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.work.bulk.models import Bulk
from apps.work.models import Proposal
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.exceptions.conftest import fact_table as fact_table
from tests.exceptions.conftest import test_types as test_types
from tests.exceptions.facts import HOLDS, put
from tests.factories import CaseFactory, EntityFactory, MembershipFactory, person
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


def test_what_was_done_is_put_back_from_its_page(client, entity, cases):
    client.post(NEW, {"action": "claim", "which": "all"})
    bulk = checked()
    assert "Put back what it did" not in said(client.get(f"/bulk/{bulk.pk}/"))
    client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest})
    checked()
    viewer = signed_in(person(Role.VIEWER, entity))
    assert "Put back what it did" not in said(viewer.get(f"/bulk/{bulk.pk}/"))
    assert viewer.post(f"/bulk/{bulk.pk}/put-back/").status_code == 403
    assert "Put back what it did" in said(client.get(f"/bulk/{bulk.pk}/"))
    operations.release(case=cases[0], actor=bulk.made_by)
    begun = client.post(f"/bulk/{bulk.pk}/put-back/")
    undo = checked()
    assert begun["Location"] == f"/bulk/{undo.pk}/"
    dry = client.get(begun["Location"])
    assert Page(dry).heading == "Put back: it fits 2 of 3 exceptions"
    assert "Changed since by Marta Lis" in said(dry) and "Somebody has changed them since" in said(dry)
    client.post(f"/bulk/{undo.pk}/confirm/", {"digest": undo.digest})
    checked()
    assert Page(client.get(begun["Location"])).heading == "2 put back, 0 skipped, 0 failed, 1 not eligible"
    done = said(client.get(f"/bulk/{bulk.pk}/"))
    assert f"By bulk action {undo.pk}" in done and "Put back what it did" not in done
    newest = timeline(cases[1])[0]
    assert (newest.did, newest.more) == ("put it back where it stood.", f"As it was before bulk action {bulk.pk}.")
    again = client.post(f"/bulk/{bulk.pk}/put-back/")
    assert again.status_code == 422 and f"Marta Lis puts it back already, by bulk action {undo.pk}." in said(again)


def test_many_exceptions_sleep_until_an_amount(client, cases):
    Case.objects.update(due_at=timezone.now() + timedelta(days=1))
    asked = said(client.post(NEW, {"action": "snooze", "which": "all"}))
    assert "more than an amount is at stake, or the deadline comes" in asked
    amount = {"action": "snooze", "which": "all", "reason": "Small", "filled": "1", "wakes": "amount"}
    assert "Say which amount." in said(client.post(NEW, amount | {"currency": "GBP"}))
    client.post(NEW, amount | {"currency": "GBP", "above": "50"})
    bulk = checked()
    page = said(client.get(f"/bulk/{bulk.pk}/"))
    assert "Snooze: it fits 3 of 3" in page and "more than an amount is at stake" in page
    client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest})
    checked()
    assert {case.snoozed_above for case in Case.objects.all()} == {Decimal(50)}


def test_the_list_is_of_the_company_that_the_header_shows(client, entity, marta, cases):
    other = EntityFactory(name="Brackenfold GmbH")
    MembershipFactory(user=marta, entity=other)
    for each, action in ((cases[0], "claim"), (CaseFactory(entity=other, type="file.layout-unknown", facts=FACTS), "note")):
        client.post(NEW, {"action": action, "text": "Asked", "filled": "1", "case": [each.pk]})
    assert Bulk.objects.count() == 2
    both = said(client.get("/bulk/"))
    assert "Take them, 1 exception" in both and "Add a note, 1 exception" in both
    client.post("/company/", {"company": other.pk})
    one = said(client.get("/bulk/"))
    assert "Take them, 1 exception" not in one and "Add a note, 1 exception" in one


@pytest.mark.usefixtures("test_types")
def test_what_is_too_much_for_one_is_asked_of_a_second_from_its_page(client, entity):
    admin = person(Role.ADMIN, entity)
    set_second_person(entity=entity, above=Decimal(150), lines_above=None, reason="Four eyes", actor=admin)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM test_fact")
    for subject in ("alpha", "beta"):
        put(entity, subject)
    sweep(HOLDS, Scope(entity=entity))
    ids = list(Case.objects.filter(type=HOLDS).values_list("pk", flat=True))
    client.post(NEW, {"action": "fix", "account": "5110", "filled": "1", "case": ids})
    bulk = checked()
    page = said(client.get(f"/bulk/{bulk.pk}/"))
    assert "£200.00 is more than the £150.00 that one person may change alone." in page and "Ask a second person" in page
    pressed = client.post(f"/bulk/{bulk.pk}/confirm/", {"digest": bulk.digest})
    assert pressed.status_code == 422 and "Nothing was changed." in said(pressed)
    asked = said(client.post(f"/bulk/{bulk.pk}/ask/", {"digest": bulk.digest}, follow=True))
    assert "A change waits for a second person." in asked and "Fix it: 2 exceptions" in asked
    row = Proposal.objects.get()
    second = signed_in(person(Role.FINANCE, entity, name="Ian Grove"))
    seen = said(second.get(f"/approvals/{row.pk}/"))
    assert f'href="/bulk/{bulk.pk}/"' in seen and "Approve: Fix it: 2 exceptions" in seen
    second.post(f"/approvals/{row.pk}/approve/", {"digest": row.digest})
    assert checked().done == 2
