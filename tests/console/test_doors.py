"""Journals on the screens: ticked, approved, exported, downloaded twice, given back; each step says what it did."""

import pytest
from django.urls import reverse

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.ledger.models import ExportBatch, Journal
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import person
from tests.settlements.books import map_the_fee


@pytest.fixture
def ian(ours: Company):
    """A second person in finance."""
    return person(Role.FINANCE, ours.entity, name="Ian Grove")


@pytest.fixture
def drafts(ours: Company) -> list[Journal]:
    """October, with the fee that Finance 1 mapped, and November."""
    map_the_fee(ours.entity, ours.people[Role.FINANCE])
    return list(Journal.objects.filter(state="draft").order_by("period"))


def digest_of(body: str) -> str:
    return body.split('name="digest" value="')[1].split('"')[0]


def do(client, name: str, journals: list[Journal], **more):
    """What somebody does who ticks journals, reads the preview and presses its button."""
    address, ticked = reverse(name), {"journal": [journal.pk for journal in journals]}
    preview = client.get(address, ticked).content.decode()
    return client.post(address, ticked | {"digest": digest_of(preview)} | more, follow=True)


def test_the_list_offers_ticks_where_something_can_be_done(ours, ian, drafts):
    body = signed_in(ian).get("/journals/").content.decode()
    for journal in drafts:
        assert f'name="journal" value="{journal.pk}"' in body
    assert "Approve ticked…" in body and "Export ticked…" not in body
    body = ours.client(Role.ADMIN).get("/journals/").content.decode()
    assert 'name="journal"' not in body and "Approve ticked…" not in body


def test_ticked_journals_are_approved_after_a_preview_that_names_who_may_not(ours, ian, drafts):
    october, november = drafts
    own = ours.client(Role.FINANCE).get(reverse("approve"), {"journal": [october.pk, november.pk]})
    assert Page(own).heading == "1 of 2 journals can be approved"
    assert "You mapped Order / ItemFees / NewReturnFee to 5110 FBA fees. Another person" in own.content.decode()
    done = do(signed_in(ian), "approve", drafts)
    assert done.redirect_chain == [("/journals/", 302)]
    body = done.content.decode()
    assert "Approved. 2 journals can be exported now." in body
    assert "by Ian Grove" in body and "Export ticked…" in body
    assert {journal.state for journal in Journal.objects.all()} == {"approved"}


def test_nothing_ticked_is_said(ours, ian):
    response = signed_in(ian).get(reverse("approve"))
    assert response.status_code == 422
    assert "No journal is ticked" in response.content.decode()


def test_one_journal_is_approved_and_taken_back_on_its_page(ours, ian, drafts):
    client, (october, _) = signed_in(ian), drafts
    address = reverse("journal", args=[october.pk])
    page = client.get(address).content.decode()
    assert "Approve the October 2026 journal" in page
    post = client.post(reverse("approve"), {"journal": october.pk, "digest": digest_of(page)}, follow=True)
    assert post.redirect_chain == [(address, 302)]
    assert Page(post).heading.startswith("The October 2026 journal is approved: ")
    asked = client.get(f"{address}?do=withdraw").content.decode()
    sent = {"reason": "", "digest": digest_of(asked)}
    fault = client.post(reverse("withdraw", args=[october.pk]), sent)
    assert fault.status_code == 422 and "This field is required" in fault.content.decode()
    back = client.post(reverse("withdraw", args=[october.pk]), sent | {"reason": "A refund is missing"}, follow=True)
    assert "Ian Grove took the approval back: A refund is missing" in back.content.decode()
    assert Journal.objects.get(pk=october.pk).state == "draft"


def test_a_world_that_changed_shows_the_new_preview_and_does_nothing(ours, ian, drafts):
    client, ticked = signed_in(ian), {"journal": [journal.pk for journal in drafts]}
    digest = digest_of(client.get(reverse("approve"), ticked).content.decode())
    map_the_fee(ours.entity, ours.people[Role.FINANCE], code="5115", marketplace="Amazon.co.uk")
    response = client.post(reverse("approve"), ticked | {"digest": digest})
    assert response.status_code == 409
    assert "The figures changed since your preview" in response.content.decode()
    assert not Journal.objects.filter(state="approved").exists()


def test_journals_leave_and_every_download_is_the_same_and_named(ours, ian, drafts):
    client = signed_in(ian)
    do(client, "approve", drafts)
    preview = client.get(reverse("export"), {"journal": [journal.pk for journal in drafts]}).content.decode()
    assert "Export 2 journals as batch 1" in preview
    assert "journal,settlement,period,date" in preview
    chosen = {"journal": [journal.pk for journal in drafts], "format": "xero", "preview": "1"}
    part = client.post(reverse("export"), chosen, headers={"HX-Request": "true"}).content.decode()
    assert "*Narration,*Date" in part and "<h1" not in part
    page = do(client, "export", drafts, format="generic")
    batch = ExportBatch.objects.get()
    assert page.redirect_chain == [(reverse("batch", args=[batch.pk]), 302)]
    assert Page(page).heading == "2 journals left in batch 1"
    assert batch.sha256 in page.content.decode() and "Not yet" in page.content.decode()
    address = Page(page).linked("Download opsconsole-generic-0001.csv")
    first, second = client.get(address), ours.client(Role.VIEWER).get(address)
    assert b"".join(first) == b"".join(second) == bytes(batch.content)
    assert 'filename="opsconsole-generic-0001.csv"' in second["Content-Disposition"]
    body = client.get(reverse("batch", args=[batch.pk])).content.decode()
    assert "2 times by 2 people, last by Viewer 1" in body
    assert AuditEntry.objects.filter(verb="batch.downloaded").count() == 2
    assert "Batch 1" in client.get("/exports/").content.decode()
    assert "Batch 1" in client.get(reverse("journal", args=[drafts[0].pk])).content.decode()


def test_a_batch_is_voided_with_a_reason_after_a_preview(ours, ian, drafts):
    client = signed_in(ian)
    do(client, "approve", drafts)
    do(client, "export", drafts, format="generic")
    batch = ExportBatch.objects.get()
    address = reverse("batch", args=[batch.pk])
    asked = client.get(f"{address}?do=void").content.decode()
    assert "Gives 2 journals back as approved" in asked
    sent = {"reason": "Wrong books", "digest": digest_of(asked)}
    assert ours.client(Role.ADMIN).post(reverse("void", args=[batch.pk]), sent).status_code == 403
    page = client.post(reverse("void", args=[batch.pk]), sent, follow=True)
    assert Page(page).heading == "Batch 1 is void: its 2 journals were given back"
    assert "Do not import this file." in page.content.decode()
    assert {journal.state for journal in Journal.objects.all()} == {"approved"}
    assert "Void" in client.get("/exports/").content.decode()


def test_a_correction_names_what_it_corrects_and_the_other_way_round(ours, ian, drafts):
    client, (october, _) = signed_in(ian), drafts
    do(client, "approve", [october])
    do(client, "export", [october], format="generic")
    map_the_fee(ours.entity, ours.people[Role.FINANCE], code="5115", marketplace="Amazon.co.uk")
    correction = Journal.objects.get(corrects=october)
    page = client.get(reverse("journal", args=[correction.pk])).content.decode()
    assert "Books only the difference to" in page and october.key in page
    assert "\N{MINUS SIGN}1</a>" in page, "a line that left an account counts below zero there"
    body = client.get(reverse("journal", args=[october.pk])).content.decode()
    assert Page(client.get(reverse("journal", args=[october.pk]))).heading.startswith(
        "The October 2026 journal has left"
    )
    assert correction.key in body
