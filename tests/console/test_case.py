"""A case on the screen: the preview, doing it, what may come between, and moving it without doing it."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.exceptions.models import Case, State
from apps.ledger.models import Account, Journal
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import person

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(ours: Company) -> Client:
    return ours.client(Role.FINANCE)


def address(case: Case) -> str:
    return reverse("case", args=[case.pk])


def do(case: Case) -> str:
    return reverse("act", args=[case.pk, "map-fee"])


def move(case: Case, name: str) -> str:
    return reverse("case_move", args=[case.pk, name])


def filled(client: Client, case: Case, **changes) -> dict:
    """The form as a person fills it, with the digest of the preview that they saw."""
    data = {
        "account": Account.objects.get(entity=case.entity, code="5190").pk,
        "tax": "none",
        "where": "everywhere",
        "match": "exact",
        "since": "2026-10-26",
        "reason": "New return fee",
    } | changes
    preview = client.post(do(case), data | {"preview": "1"}).content.decode()
    digest = re.search(r'name="digest" value="([^"]+)"', preview)
    return data | {"digest": digest.group(1) if digest else ""}


def test_the_page_says_what_stops_what_it_costs_and_why_it_stands_there(client: Client, ours: Company):
    page = client.get(address(ours.fee_case))
    words = page.content.decode()
    assert "NewReturnFee has no ledger account" in Page(page).heading
    for said in ("£4.20", "Payouts blocked", "Runbook", "counts as £50.00, the least", "It ranks like", "Opened by a sweep"):
        assert said in words


def test_the_previewed_action_is_done_and_the_journals_are_complete(client: Client, ours: Company):
    case = ours.fee_case
    done = client.post(do(case), filled(client, case), follow=True)
    assert done.redirect_chain == [(address(case), 302)]
    words = done.content.decode()
    assert "Mapped" in words and "Resolved by Finance 1" in words
    assert "<b>Finance 1</b> resolved it." in words
    assert not Journal.objects.filter(entity=ours.entity, state=Journal.State.INCOMPLETE).exists()


def test_a_preview_over_htmx_is_the_panel_and_the_bar_with_the_button(client: Client, ours: Company):
    case = ours.fee_case
    data = filled(client, case)
    part = client.post(do(case), data | {"preview": "1"}, headers=HTMX).content.decode()
    assert "<h1" not in part
    assert 'id="preview"' in part and 'hx-swap-oob="true"' in part and "Map the fee" in part
    assert Case.objects.get(pk=case.pk).state == State.OPEN


@pytest.mark.parametrize("digest", ["", "another"])
def test_without_the_preview_that_was_seen_nothing_is_saved(client: Client, ours: Company, digest: str):
    case = ours.fee_case
    response = client.post(do(case), filled(client, case) | {"digest": digest})
    assert response.status_code == 409
    assert "The figures changed since your preview, so nothing was saved." in response.content.decode()
    assert Case.objects.get(pk=case.pk).state == State.OPEN
    again = re.search(r'name="digest" value="([^"]+)"', response.content.decode())
    assert client.post(do(case), filled(client, case) | {"digest": again.group(1)}).status_code == 302


def test_a_form_with_a_fault_comes_back_as_422_with_words_beside_the_field(client: Client, ours: Company):
    case = ours.fee_case
    response = client.post(do(case), filled(client, case, since="someday"))
    words = response.content.decode()
    assert response.status_code == 422
    assert 'aria-invalid="true"' in words and 'id="id_since_error"' in words
    part = client.post(do(case), filled(client, case, since="someday") | {"preview": "1"}, headers=HTMX)
    assert part.status_code == 422 and "nothing was saved" in part.content.decode()


def test_an_ended_case_is_a_record_without_buttons(client: Client, ours: Company):
    case = ours.fee_case
    data = filled(client, case)
    client.post(do(case), data)
    page = client.get(address(case)).content.decode()
    assert 'class="actionbar"' not in page and 'id="action"' not in page
    again = client.post(do(case), data)
    assert again.status_code == 422 and "resolved already" in again.content.decode()


def test_taking_putting_back_and_somebody_elses_claim(client: Client, ours: Company):
    case = ours.fee_case
    client.post(move(case, "claim"))
    assert "Put it back" in client.get(address(case)).content.decode()
    priya = signed_in(person(Role.FINANCE, ours.entity, name="Priya Nair"))
    refused = priya.post(move(case, "claim"))
    assert refused.status_code == 422
    assert "Finance 1 is on this until" in refused.content.decode()
    client.post(move(case, "release"))
    assert Case.objects.get(pk=case.pk).state == State.OPEN
    assert priya.post(move(case, "claim")).status_code == 302


def test_snooze_note_and_hand_over(client: Client, ours: Company):
    case = ours.fee_case
    late = client.post(move(case, "snooze"), {"until": "2020-01-01T09:00", "reason": "x"})
    assert late.status_code == 422 and "Choose a time that is still to come." in late.content.decode()
    until = timezone.localtime() + timedelta(days=2)
    client.post(move(case, "snooze"), {"until": f"{until:%Y-%m-%dT%H:%M}", "reason": "Waits for the tax invoice"})
    client.post(move(case, "note"), {"text": "Ours shows 20 %."})
    words = client.get(address(case)).content.decode()
    assert "Sleeps until" in words or "sleeps until" in words
    assert "noted: “Ours shows 20 %.”" in words and "Waits for the tax invoice" in words
    client.post(move(case, "wake"))
    handed = client.post(move(case, "hand-over"), {"team": "ops", "reason": "Theirs"}, follow=True)
    assert handed.redirect_chain[-1][0] == "/queue/finance/"
    assert client.get(address(case)).status_code == 404
    assert "NewReturnFee" in ours.client(Role.OPS).get("/queue/ops/").content.decode()


def test_what_holds_money_back_offers_no_dismissal_and_refuses_one(client: Client, ours: Company):
    case = ours.fee_case
    assert move(case, "dismiss") not in client.get(address(case)).content.decode()
    assert client.post(move(case, "dismiss"), {"reason": "no"}).status_code == 422
    file = Case.objects.get(entity=ours.entity, type="file.layout-unknown")
    done = client.post(move(file, "dismiss"), {"reason": "A test upload"}, follow=True).content.decode()
    assert "Dismissed by Finance 1" in done


def test_a_case_that_came_back_names_the_earlier_one(client: Client, ours: Company):
    case = ours.fee_case
    client.post(do(case), filled(client, case))
    earlier = Case.objects.get(pk=case.pk)
    back = Case.objects.create(
        **{
            field.attname: getattr(earlier, field.attname)
            for field in Case._meta.concrete_fields
            if field.name not in ("id", "state", "ended_at", "ended_by", "ending", "earlier", "words", "opened_at", "lines")
        },
        earlier=earlier,
        lines=41,
    )
    page = " ".join(client.get(address(back)).content.decode().split())
    told = page.partition('id="back-title"')[2].partition("</section>")[0]
    assert "This came back" in page and address(earlier) in told
    for part in ("<b>Finance 1</b> ended it", f"with “{back.kind.actions[0].label}”.", earlier.ending["words"]):
        assert part in told
    assert re.findall(r'<th role="rowheader" scope="row">(.*?)</th>', told) == ["Behind it"]
    assert "1 line</td>" in told and "41 lines</td>" in told


def test_a_viewer_reads_who_can_and_has_no_button(ours: Company):
    words = ours.client(Role.VIEWER).get(address(ours.fee_case)).content.decode()
    assert "Your role cannot map fees to accounts. Finance 1 can." in words
    assert "<form" not in words.partition("<main")[2]


def test_the_neighbours_in_rank_are_a_key_away(client: Client, ours: Company):
    ranked = list(Case.objects.live().filter(entity=ours.entity).by_rank())
    page = Page(client.get(address(ranked[1])))
    assert page.linked("Previous k") == address(ranked[0])
    assert page.linked("Next j") == address(ranked[2])
