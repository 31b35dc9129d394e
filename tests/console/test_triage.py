"""A day at the queue: words, ticks, views that are kept, and who may."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.console import words
from apps.console.came_back import differences
from apps.console.case_moves import SnoozeForm
from apps.core.models import AuditEntry
from apps.core.money import MINUS
from apps.core.permissions import Role, Team
from apps.exceptions import operations
from apps.exceptions.models import Case
from apps.integrations.models import Source
from apps.work.models import SavedView
from tests.console.conftest import signed_in
from tests.console.pages import Page
from tests.factories import CaseFactory, ConnectionFactory, EntityFactory, person

pytestmark = pytest.mark.django_db
QUEUE, HOUR = "/queue/finance/", timedelta(hours=1)


@pytest.fixture
def entity():
    return EntityFactory(name="Brackenfold Home Ltd")


@pytest.fixture
def marta(entity):
    return person(Role.FINANCE, entity, name="Marta Lis")


@pytest.fixture
def ian(entity):
    return person(Role.FINANCE, entity, name="Ian Grove")


@pytest.fixture
def client(marta) -> Client:
    return signed_in(marta)


def a_case(entity, column: str = "march", **values) -> Case:
    facts = {"column": column, "connection_id": 1, "connection": "Amazon UK", "settlements": [], "lines": 1}
    due = timezone.now() + timedelta(days=1)
    return CaseFactory(entity=entity, type="settlement.column-unknown", holds_back=False, facts=facts, due_at=due, **values)


def shown(client: Client, asked: str = "") -> set[int]:
    page = Page(client.get(QUEUE + asked))
    return {int(href.split("/")[2]) for _, href in page.links if href.startswith("/cases/")}


def said(response) -> str:
    return " ".join(response.content.decode().split())


# -- ticks -------------------------------------------------------------------------------------------------------------


def test_ticked_cases_become_somebodys_and_the_filter_stays(client, entity, marta, ian):
    first, second, third = (a_case(entity) for _ in range(3))
    ticked = {"case": [first.pk, second.pk], "to": marta.pk}
    response = client.post(f"{QUEUE}assign/?due=week", ticked, follow=True)
    assert response.redirect_chain == [(f"{QUEUE}?due=week", 302)]
    assert "2 cases are yours now." in said(response)
    assert shown(client, "?view=mine") == {first.pk, second.pk}
    assert shown(client, "?view=nobody") == {third.pk}
    assert 'Nobody has it <span class="n">1</span>' in said(client.get(QUEUE))
    client.post(f"{QUEUE}assign/", {"case": first.pk, "to": ian.pk})
    assert shown(client, f"?holder={ian.pk}") == {first.pk}
    assert "gave it to Ian Grove" in said(client.get(f"/cases/{first.pk}/"))
    assert "1 case is nobody’s now." in said(client.post(f"{QUEUE}assign/", {"case": first.pk, "to": ""}, follow=True))


def test_what_could_not_be_assigned_says_why(client, entity, marta, ian):
    free, held = a_case(entity), a_case(entity)
    operations.claim(case=held, actor=ian)
    page = said(client.post(f"{QUEUE}assign/", {"case": [free.pk, held.pk], "to": marta.pk}, follow=True))
    assert "1 case is yours now." in page
    assert "1 case stayed as it was. Ian Grove is on this until" in page
    nothing = client.post(f"{QUEUE}assign/", {"to": marta.pk})
    assert nothing.status_code == 422 and "No case is ticked" in said(nothing)


@pytest.mark.parametrize("sent", [{"case": "x"}, {"case": "9" * 30}, {"case": "1", "to": "x"}, {"case": "0", "to": ""}])
def test_a_form_that_is_none_of_ours_finds_nothing(client, entity, sent):
    a_case(entity)
    assert client.post(f"{QUEUE}assign/", sent).status_code == 404


def test_only_the_team_assigns(entity, marta):
    case = a_case(entity)
    viewer = signed_in(person(Role.VIEWER, entity))
    assert "Assign" not in said(viewer.get(QUEUE)) and 'name="case"' not in said(viewer.get(QUEUE))
    assert "cannot work on Finance exceptions" in said(
        viewer.post(f"{QUEUE}assign/", {"case": case.pk, "to": marta.pk}, follow=True)
    )
    assert Case.objects.get().assigned_to is None
    stranger = signed_in(person(Role.FINANCE, EntityFactory()))
    assert stranger.post(f"{QUEUE}assign/", {"case": case.pk, "to": marta.pk}).status_code == 404


def test_a_case_is_assigned_and_handed_over_on_its_page(client, entity, ian):
    case = a_case(entity)
    client.post(f"/cases/{case.pk}/assign/", {"to": ian.pk})
    assert Case.objects.get().assigned_to == ian
    page = client.post(f"/cases/{case.pk}/hand-over/", {"team": "ops", "reason": "A parcel, no fee"}, follow=True)
    assert page.redirect_chain[-1][0] == QUEUE  # it has left the queues that she reads
    moved = Case.objects.get()
    assert (moved.team, moved.assigned_to) == (Team.OPS, None)
    tom = signed_in(person(Role.OPS, entity))
    told = said(tom.get(f"/cases/{case.pk}/"))
    assert "handed it from Finance to Operations." in told and "A parcel, no fee" in told


def snooze(client: Client, case: Case, **asked):
    return client.post(f"/cases/{case.pk}/snooze/", {"reason": "It mends itself"} | asked, follow=True)


def test_a_case_sleeps_until_an_amount_or_a_run(client, entity):
    case = a_case(entity, stake=10)
    source = Source.objects.create(connection=ConnectionFactory(entity=entity), feed="amazon.settlements", every=HOUR)
    page = said(client.get(f"/cases/{case.pk}/"))
    assert "more than an amount is at stake" in page and "“Amazon settlements” has run once more" in page
    assert "Say which amount." in said(snooze(client, case, wakes="amount"))
    assert "£10.00 is at stake already." in said(snooze(client, case, wakes="amount", above="9.50"))
    told = said(snooze(client, case, wakes="amount", above="50", until="2020-01-01T09:00"))
    assert "Sleeps until more than £50.00 is at stake, or until its deadline" in told
    assert "snoozed it until more than £50.00 is at stake, or until its deadline." in told
    assert shown(client, "?view=snoozed") == {case.pk} and shown(client) == set()
    told = said(snooze(client, case, wakes="run"))
    assert "Sleeps until the next run of its feed, or until its deadline" in told
    Source.objects.filter(pk=source.pk).update(paused=True)
    assert "has run once more" not in said(client.get(f"/cases/{case.pk}/")), "it would sleep for ever"


def test_what_nothing_feeds_sleeps_until_a_time_or_an_amount(entity):
    def may_wait_for_a_run(code: str) -> bool:
        case = CaseFactory.build(type=code, entity=entity, due_at=timezone.now() + HOUR)
        return SnoozeForm({"wakes": "run", "reason": "Later"}, case=case).is_valid()

    assert not may_wait_for_a_run("settlement.missing"), "no connection brings settlements"
    Source.objects.create(connection=ConnectionFactory(entity=entity), feed="amazon.settlements", every=HOUR)
    assert may_wait_for_a_run("settlement.missing") and not may_wait_for_a_run("erp.period-closed")


# -- coming back -------------------------------------------------------------------------------------------------------


def test_what_is_different_now_is_said_in_words_whatever_the_type(entity, marta):
    """Equal facts, and what only programs read, are left out."""
    then = CaseFactory.build(
        entity=None,
        type="settlement.fee-unmapped",
        lines=3,
        stake=Decimal(12),
        facts={
            "signature_id": 7,
            "sha256": "aa",
            "sign": "charge",
            "first": "2026-11-13",
            "blocked": {"GBP": "10.00"},
            "settlements": [{"settlement_id": "300", "payout": "5.00"}],
            "difference": "-4.20",
            "gone": True,
        },
    )
    now = CaseFactory.build(
        entity=None,
        type="settlement.fee-unmapped",
        lines=3,
        stake=Decimal("1200.5"),
        diagnosis="unknown",
        facts={
            "signature_id": 8,
            "sha256": "bb",
            "sign": "charge",
            "first": "2027-01-02",
            "blocked": {"GBP": "10.00", "EUR": "70.00"},
            "settlements": [{"settlement_id": str(n)} for n in range(300, 306)],
            "difference": "3.10",
            "first_ship_by": "",
        },
    )
    assert {(each.label, each.then, each.now) for each in differences(then, now)} == {
        ("At stake", "£12.00", "£1,200.50"),
        ("Why it stopped", "Structural", "Not known"),
        ("First seen", *(words.day(date(*on), timezone.localdate()) for on in ((2026, 11, 13), (2027, 1, 2)))),
        ("Payouts blocked", "£10.00", "€70.00 + £10.00"),
        ("Settlements", "300", "300, 301, 302, 303 and 2 more"),
        ("Difference", f"{MINUS}£4.20", "£3.10"),
        ("Gone", "Yes", "–"),
    }


def test_the_page_of_what_the_system_cleared_says_so_and_the_queue_finds_what_came_back(client, entity):
    now = timezone.now()
    gone = a_case(entity, state="cleared", ended_at=now - timedelta(days=3), ending={"words": "Gone."}, subject="again")
    back = a_case(entity, subject="again", earlier=gone)
    a_case(entity)
    told = said(client.get(f"/cases/{back.pk}/"))
    assert "The system cleared it" in told and "it is the same cause, as it was" in told
    assert shown(client, "?came_back=1") == {back.pk}


# -- words -------------------------------------------------------------------------------------------------------------


def test_the_queue_is_searched_as_a_form_and_as_one_types(client, entity):
    march, april = a_case(entity, "march-report"), a_case(entity, "april")
    assert shown(client, "?q=MARCH") == {march.pk}
    assert shown(client, "?q=amazon") == {march.pk, april.pk}
    typed = client.get(f"{QUEUE}?q=apr", headers={"HX-Request": "true"})
    assert "april" in said(typed) and "march-report" not in said(typed) and "<h1" not in said(typed)
    assert 'hx-swap-oob="true">1 cause' in said(typed)
    assert "No case fits these filters" in said(client.get(f"{QUEUE}?q=june"))


def test_the_box_finds_cases_by_words(client, entity):
    case = a_case(entity, "march-report")
    operations.note(case=case, actor=person(Role.FINANCE, entity), text="Asked the Luxembourg office")
    for asked in ("march report", "luxembourg", str(case.pk)):
        assert f"/cases/{case.pk}/" in str(client.get("/search/", {"q": asked}, follow=True).redirect_chain) + said(
            client.get("/search/", {"q": asked}, follow=True)
        )
    stranger = signed_in(person(Role.FINANCE, EntityFactory()))
    assert "march" not in said(stranger.get("/search/?q=report"))


def test_a_page_asks_as_often_for_fifty_cases_and_twenty_views_as_for_one(client, entity, marta, ian):
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            client.get(f"{QUEUE}?q=amazon&due=week")
        return len(captured)

    a_case(entity, assigned_to=ian)
    save(client, "One")
    client.get(QUEUE)
    one = queries()
    for n in range(49):
        a_case(entity, assigned_to=marta if n % 2 else None)
    for n in range(19):
        save(client, f"View {n}", f"?due=today&least={n + 1}")
    assert queries() == one


# -- views that are kept -----------------------------------------------------------------------------------------------


def save(client: Client, name: str, asked: str = "?due=week"):
    return client.post(f"{QUEUE}views/{asked}", {"name": name}, follow=True)


def test_a_filter_is_kept_with_its_link_and_its_count(client, entity, ian):
    a_case(entity)
    saved = save(client, " Due  this week ")
    view = SavedView.objects.get()
    assert (view.name, view.entity, view.asks) == ("Due this week", None, {"team": "finance", "due": "week"})
    assert saved.redirect_chain == [(f"{QUEUE}?due=week", 302)]
    address = Page(saved).linked("Due this week (yours) 1")
    assert address == f"{QUEUE}views/{view.pk}/" and "march" in said(client.get(address))
    CaseFactory(entity=entity, subject="later", due_at=timezone.now() + timedelta(days=30))
    assert "1 cause." in said(client.get(address))
    assert signed_in(ian).get(address).status_code == 404
    entry = AuditEntry.objects.get(verb="view.saved")
    assert entry.after == {"name": "Due this week", "shows": "All open, of Finance, due within 7 days"}


def test_an_own_view_becomes_the_teams(client, entity, ian, marta):
    save(client, "This week")
    address = f"{QUEUE}views/{SavedView.objects.get().pk}/"
    shared = client.post(f"{address}share/", {"company": entity.pk}, follow=True)
    assert "Everybody who reads the queue of Finance sees “This week” now." in said(shared)
    theirs, viewer = signed_in(ian), signed_in(person(Role.VIEWER, entity))
    assert "This week" in said(theirs.get(QUEUE)) and "This week" in said(viewer.get(QUEUE))
    assert viewer.post(f"{address}rename/", {"name": "Mine"}).status_code == 403
    theirs.post(f"{address}rename/", {"name": "Week"})
    assert SavedView.objects.get().name == "Week"
    assert AuditEntry.objects.filter(entity=entity, subject=f"view:{SavedView.objects.get().pk}").count() == 2
    theirs.post(f"{address}remove/")
    assert not SavedView.objects.exists()
    assert client.get(address).status_code == 404


def test_a_viewer_keeps_views_alone(entity):
    viewer = signed_in(person(Role.VIEWER, entity))
    save(viewer, "Watched")
    address = f"{QUEUE}views/{SavedView.objects.get().pk}/"
    assert viewer.post(f"{address}share/", {"company": entity.pk}).status_code == 403
    assert "Give it to Finance" not in said(viewer.get(f"{QUEUE}?due=week"))
    viewer.post(f"{address}remove/")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "Give the view a name."), ("x" * 61, "A name has at most 60 letters."), ("Week", "You have a view “Week” already.")],
)
def test_a_view_that_cannot_be_kept_says_why(client, entity, name, words):
    save(client, "Week")
    refused = client.post(f"{QUEUE}views/?due=today", {"name": name})
    assert refused.status_code == 422 and words in said(refused)
    assert SavedView.objects.count() == 1


def test_nobody_keeps_views_without_end_or_of_a_queue_that_he_does_not_read(client, entity):
    for n in range(20):
        save(client, f"View {n}")
    assert "You keep 20 views of this queue already." in said(client.post(f"{QUEUE}views/?due=today", {"name": "More"}))
    assert client.post("/queue/ops/views/?due=today", {"name": "Ops"}).status_code == 403


def test_a_team_of_another_company_sees_nothing_of_it(client, entity):
    save(client, "Secret launch")
    view = SavedView.objects.get()
    client.post(f"{QUEUE}views/{view.pk}/share/", {"company": entity.pk})
    stranger = signed_in(person(Role.FINANCE, EntityFactory()))
    assert "Secret launch" not in said(stranger.get(f"{QUEUE}?due=week"))
    for name in ("", "rename/", "share/", "remove/"):
        method = stranger.post if name else stranger.get
        assert method(f"{QUEUE}views/{view.pk}/{name}", {"name": "Mine"} if name else {}).status_code == 404
