"""Month close: what a month still needs, locking after a preview, asking and unlocking, one person or two."""

import re

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.ledger.models import Journal, PeriodLock
from apps.settlements.approval import approve
from apps.settlements.exports import export
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import EntityFactory, person
from tests.settlements.files import File
from tests.settlements.take import take

HTMX = {"HX-Request": "true"}
OCTOBER = "2026-10"


@pytest.fixture
def client(ours: Company) -> Client:
    return ours.client(Role.FINANCE)


def month(company: Company, do: str = "") -> str:
    return reverse("close_month", args=[company.entity.pk, OCTOBER]) + (f"?do={do}" if do else "")


def setting(company: Company) -> str:
    return reverse("one_person", args=[company.entity.pk])


def do(client: Client, address: str, **data: str):
    """Press the button under the preview as it is shown now."""
    shown = client.post(address, data | {"preview": "1"}).content.decode()
    digest = re.search(r'name="digest" value="([^"]+)"', shown)
    return client.post(address, data | {"digest": digest.group(1) if digest else ""}, follow=True)


def all_exported(company: Company) -> None:
    """The settlement that a fee stops is left out: only a second one, within October, and it leaves."""
    Journal.objects.filter(entity=company.entity).delete()
    when = {"start": "10.10.2026 00:00:00 UTC", "end": "24.10.2026 12:00:00 UTC"}
    take(company.connection, File(settlement_id="70000000001", **when))
    rows = Journal.objects.filter(entity=company.entity)
    actor = person(Role.FINANCE, company.entity)
    approve(journals=rows, actor=actor)
    export(journals=rows, format="generic", actor=actor)


def test_the_heading_says_what_the_oldest_open_month_still_needs(client: Client, ours: Company):
    page = Page(client.get(reverse("close")))
    assert page.heading == "October 2026 has 1 journal that is not exported"
    assert page.linked("October 2026") == page.linked("Close October 2026…") == month(ours)


def test_a_month_shows_its_journals_what_holds_it_back_and_its_balances(client: Client, ours: Company):
    response = client.get(month(ours))
    words, page = response.content.decode(), Page(response)
    assert page.heading == "October 2026 has 1 journal that is not exported"
    assert f"{reverse('journals')}?month={OCTOBER}&state=incomplete" in [href for _, href in page.links]
    held_back = {f"/cases/{case.pk}/" for case in Case.objects.filter(entity=ours.entity, holds_back=True)}
    assert held_back <= {href for _, href in page.links}, "the fee, and the settlement that does not tie"
    for said in ("1220 Carried forward", "£100.80", "It was never locked", "1 journal of £120.00 will wait"):
        assert said in words, said


def test_a_month_of_exported_journals_can_be_closed(client: Client, ours: Company):
    all_exported(ours)
    Case.objects.filter(entity=ours.entity).delete()
    assert Page(client.get(month(ours))).heading == "October 2026 can be closed: its journal is exported"
    done = do(client, month(ours, "lock"))
    assert Page(done).heading == "October 2026 is locked: its journal is exported"
    assert "October 2026 is locked." in done.content.decode()
    assert Page(client.get(reverse("close"))).heading == "Every month that is over is locked"


def test_a_settlement_that_is_not_taken_holds_its_months_back(client: Client, ours: Company):
    all_exported(ours)
    Case.objects.filter(entity=ours.entity, type="settlement.fee-unmapped").delete()
    heading = Page(client.get(month(ours))).heading
    assert heading == "October 2026 is held back by 1 exception, although its journal is exported"


def test_locking_opens_the_case_of_what_waits(client: Client, ours: Company):
    done = do(client, month(ours, "lock"))
    assert done.redirect_chain == [(month(ours), 302)]
    assert Page(done).heading == "October 2026 is locked, and 1 journal waits for it"
    case = Case.objects.live().get(entity=ours.entity, type="erp.period-closed")
    shown = client.get(reverse("case", args=[case.pk])).content.decode()
    for said in ("What waits", "Locked by", "Finance 1", "Post in the first open month", "Payouts blocked"):
        assert said in shown, said


def test_what_waits_is_posted_later_from_its_case(client: Client, ours: Company):
    do(client, month(ours, "lock"))
    case = Case.objects.live().get(entity=ours.entity, type="erp.period-closed")
    done = do(client, reverse("act", args=[case.pk, "post-later"]), reason="October is reported")
    assert "1 journal is posted in November 2026 now." in done.content.decode()
    assert set(Journal.objects.filter(entity=ours.entity).values_list("period__month", flat=True)) == {11}


@pytest.mark.parametrize("digest", ["", "another"])
def test_without_the_preview_that_was_seen_nothing_is_locked(client: Client, ours: Company, digest: str):
    response = client.post(month(ours, "lock"), {"digest": digest})
    assert response.status_code == 409
    assert "The figures changed since your preview, so nothing was saved." in response.content.decode()
    assert not PeriodLock.objects.exists()


def test_a_preview_over_htmx_is_the_panel_alone(client: Client, ours: Company):
    part = client.post(month(ours, "lock"), {"preview": "1"}, headers=HTMX).content.decode()
    assert "<h1" not in part and 'id="preview"' in part and "Lock October 2026" in part


def test_one_asks_another_unlocks_and_the_history_names_both(client: Client, ours: Company):
    do(client, month(ours, "lock"))
    empty = client.post(month(ours, "ask"), {"reason": " ", "digest": "any"})
    assert empty.status_code == 422 and "This field is required." in empty.content.decode()
    asked = do(client, month(ours, "ask"), reason="Amazon sent a late file")
    words = asked.content.decode()
    assert "asks to unlock it: Amazon sent a late file" in words and "Keep October 2026 locked" in words
    own = client.post(month(ours, "unlock"), {"digest": "any"})
    assert own.status_code == 422 and "another person unlocks it" in own.content.decode()
    marta = signed_in(person(Role.FINANCE, ours.entity, name="Marta Lis"))
    unlocked = do(marta, month(ours, "unlock"))
    words = unlocked.content.decode()
    assert Page(unlocked).heading == "October 2026 has 1 journal that is not exported"
    for said in ("<b>Marta Lis</b> unlocked it", "<b>Finance 1</b> asked to unlock it", "Amazon sent a late file"):
        assert said in words, said
    assert not Case.objects.live().filter(type="erp.period-closed").exists()


def test_a_request_is_taken_back(client: Client, ours: Company):
    do(client, month(ours, "lock"))
    do(client, month(ours, "ask"), reason="Amazon sent a late file")
    done = do(client, month(ours, "withdraw"))
    assert "October 2026 stays locked." in done.content.decode()
    assert PeriodLock.objects.get().unlock_asked_by is None


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_who_may_not_lock_reads_who_can(ours: Company, role: Role):
    client = ours.client(role)
    assert "Your role cannot lock months" in client.get(month(ours)).content.decode()
    response = client.post(month(ours, "lock"), {"preview": "1"})
    assert response.status_code == 403 and "Finance 1 can." in response.content.decode()
    assert not PeriodLock.objects.exists()


def test_an_admin_lets_one_person_map_and_approve(ours: Company):
    client = ours.client(Role.ADMIN)
    page = client.get(setting(ours))
    assert Page(page).heading == "Mapping and approving take two people at Brackenfold 1"
    assert "Let one person map and approve" in page.content.decode()
    empty = client.post(setting(ours), {"reason": ""})
    assert empty.status_code == 422
    done = do(client, setting(ours), reason="Marta is on leave")
    words = done.content.decode()
    assert Page(done).heading == "One person may map and approve at Brackenfold 1"
    assert "Marta is on leave" in words and "switched it on" in words
    ours.entity.refresh_from_db()
    assert ours.entity.one_person
    assert AuditEntry.objects.get(verb="entity.one-person").actor == ours.people[Role.ADMIN]
    assert "One person or two" in client.get(reverse("close")).content.decode()


def test_finance_reads_the_setting_and_does_not_change_it(client: Client, ours: Company):
    assert "Admin 1 can." in client.get(setting(ours)).content.decode()
    assert client.post(setting(ours), {"reason": "Mine", "digest": "any"}).status_code == 403


def test_a_company_without_journals_says_what_comes_next(transactional_db):
    client = signed_in(person(Role.FINANCE, EntityFactory()))
    page = client.get(reverse("close"))
    assert Page(page).heading == "Month close" and "No month has a journal yet" in page.content.decode()


def test_as_many_queries_for_30_journals_of_a_month_as_for_one(client: Client, ours: Company):
    with CaptureQueriesContext(database) as one:
        client.get(month(ours))
    for number in range(29):
        take(ours.connection, File(settlement_id=f"8{number:010d}"))
    with CaptureQueriesContext(database) as thirty:
        assert client.get(month(ours)).status_code == 200
    assert len(thirty) == len(one), [query["sql"] for query in thirty]


@pytest.mark.parametrize("text", ["2026", "2026-13", "october"])
def test_what_is_no_month_is_not_found(client: Client, ours: Company, text: str):
    assert client.get(reverse("close_month", args=[ours.entity.pk, text])).status_code == 404
    assert client.get(month(ours, "burn")).status_code == 404
