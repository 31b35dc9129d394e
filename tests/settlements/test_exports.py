"""Export: what is approved leaves once, in a numbered batch whose bytes stay; a voided batch gives its journals back."""

from datetime import date
from decimal import Decimal
from hashlib import sha256

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.ledger.models import Account, BatchJournal, ExportBatch, Journal
from apps.settlements.accounts import close_account
from apps.settlements.approval import approve
from apps.settlements.exports import download, export, preview_export
from apps.settlements.voiding import preview_void, void_batch
from tests.exceptions.test_concurrency import together
from tests.factories import ConnectionFactory, person
from tests.settlements.books import LATER, RETURN_FEE, lock, map_the_fee, settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def approved(place, ian):
    """Makes the approved journals of a settlement."""

    def make(settlement_id: str = "30000000001", *lines) -> list[Journal]:
        return approve(journals=settle(place, settlement_id, *lines), actor=ian)

    return make


def refused(journals, actor, format="generic") -> str:
    with pytest.raises(Refused) as preview:
        preview_export(journals=journals, format=format, actor=actor)
    with pytest.raises(Refused) as doing:
        export(journals=journals, format=format, actor=actor)
    assert preview.value.words == doing.value.words
    assert not ExportBatch.objects.filter(journals__journal__in=journals, voided_at=None, made_by=actor).exists()
    return doing.value.words


def states(*journals) -> list[str]:
    return [Journal.objects.get(pk=journal.pk).state for journal in journals]


def test_approved_journals_leave_in_a_numbered_batch_with_their_bytes(approved, ian):
    october, november = approved("30000000001", LATER)
    plan = preview_export(journals=[november, october], format="generic", actor=ian)
    assert plan.effect == "Export 2 journals as batch 1"
    assert plan.detail["begins"][1].startswith("stl:30000000001:202610:1,30000000001,2026-10,2026-10-31,GBP,,1,")
    assert not ExportBatch.objects.exists(), "a preview changes nothing"
    batch = export(journals=[november, october], format="generic", actor=ian)
    assert (batch.number, batch.made_by, batch.name) == (1, ian, "opsconsole-generic-0001.csv")
    content = bytes(ExportBatch.objects.get().content)
    assert sha256(content).hexdigest() == batch.sha256
    assert content.decode().split("\r\n")[: len(plan.detail["begins"])] == plan.detail["begins"]
    assert content.count(b"stl:30000000001:202611:1") == november.lines.count()
    assert states(october, november) == ["exported", "exported"]
    entry = AuditEntry.objects.get(verb="batch.exported")
    assert (entry.actor, entry.subject, entry.after["sha256"]) == (ian, f"batch:{batch.pk}", batch.sha256)
    assert AuditEntry.objects.about(f"journal:{october.pk}").get(verb="journal.exported").after["batch"] == 1


def test_every_download_is_the_same_and_is_named(approved, entity, ian):
    batch = export(journals=approved(), format="xero", actor=ian)
    viewer = person(Role.VIEWER, entity)
    assert download(batch=batch, actor=ian) == download(batch=ExportBatch.objects.get(), actor=viewer)
    assert [entry.actor for entry in AuditEntry.objects.filter(verb="batch.downloaded")] == [viewer, ian]
    with pytest.raises(NotAllowed):
        download(batch=batch, actor=person(Role.OPS, entity))


def test_only_approved_journals_leave_and_only_once(approved, place, ian):
    (incomplete,) = settle(place, "30000000001", RETURN_FEE)
    (draft,) = settle(place, "30000000002")
    assert refused([incomplete], ian) == "It is incomplete: only approved journals leave."
    assert refused([draft], ian) == "It is draft: only approved journals leave."
    (journal,) = approved("30000000003")
    batch = export(journals=[journal, draft], format="generic", actor=ian)
    assert [link.journal for link in batch.journals.all()] == [journal]
    priya_too = person(Role.FINANCE, place.entity)
    assert refused([journal], priya_too) == "It left in batch 1 already."


def test_nothing_leaves_from_a_locked_month(approved, entity, ian):
    october, november = approved("30000000001", LATER)
    lock(entity, date(2026, 10, 1), ian)
    assert refused([october], ian) == "October 2026 is locked."
    export(journals=[october, november], format="generic", actor=ian)
    assert states(october, november) == ["approved", "exported"]


def test_nothing_leaves_to_an_account_that_was_closed_after_the_approval(approved, entity, ian):
    (journal,) = approved()
    close_account(account=Account.objects.get(entity=entity, code="4000"), reason="Not used", actor=ian)
    assert refused([journal], ian) == "Account 4000 is closed, and a line of it posts there."


@pytest.mark.parametrize("role", [role for role in Role if role != Role.FINANCE])
def test_only_finance_exports_and_voids(approved, entity, ian, role):
    journals, other = approved(), person(role, entity)
    with pytest.raises(NotAllowed):
        export(journals=journals, format="generic", actor=other)
    batch = export(journals=journals, format="generic", actor=ian)
    with pytest.raises(NotAllowed):
        void_batch(batch=batch, reason="Wrong", actor=other)


def test_xero_books_in_the_companys_currency_alone(approved, entity, ian):
    (journal,) = approved()
    type(entity).objects.filter(pk=entity.pk).update(base_currency="EUR")
    assert refused([journal], ian, "xero") == ("Xero books manual journals in EUR alone. Export it as generic CSV.")
    assert b",GBP," in bytes(export(journals=[journal], format="generic", actor=ian).content)


def test_batches_are_numbered_without_gaps_in_each_company(approved, ian):
    first = export(journals=approved("30000000001"), format="generic", actor=ian)
    void_batch(batch=first, reason="Wrong file", actor=ian)
    second = export(journals=approved("30000000002"), format="xero", actor=ian)
    elsewhere = ConnectionFactory()
    assert (first.number, second.number) == (1, 2)
    assert not ExportBatch.objects.filter(entity=elsewhere.entity).exists()


def test_voiding_gives_the_journals_back_and_keeps_the_file(approved, ian):
    (journal,) = approved()
    batch = export(journals=[journal], format="generic", actor=ian)
    before = bytes(batch.content)
    plan = preview_void(batch=batch, actor=ian)
    assert [(change.journal, change.before, change.after) for change in plan.detail["changes"]] == [
        (journal, "Exported", "Approved")
    ]
    assert states(journal) == ["exported"], "a preview changes nothing"
    with pytest.raises(Refused) as asked:
        void_batch(batch=batch, reason=" ", actor=ian)
    assert asked.value.field == "reason"
    void_batch(batch=batch, reason="Sent to the wrong company", actor=ian)
    batch.refresh_from_db()
    assert (bytes(batch.content), batch.voided_by, batch.void_reason) == (before, ian, "Sent to the wrong company")
    assert states(journal) == ["approved"]
    assert AuditEntry.objects.get(verb="batch.voided").reason == "Sent to the wrong company"
    again = export(journals=[journal], format="generic", actor=ian)
    assert again.number == 2
    assert bytes(again.content) == before, "the same journals are the same file"
    with pytest.raises(Refused, match="Ian Grove voided batch 1 already"):
        void_batch(batch=batch, reason="Twice", actor=ian)


@pytest.fixture
def corrected(entity, place, priya, ian):
    """A journal in batch 1, and the draft that corrects it: the fee was mapped anew after it had left."""
    (journal,) = settle(place, "30000000001", RETURN_FEE)
    map_the_fee(entity, priya, code="5110")
    batch = export(journals=approve(journals=[journal], actor=ian), format="generic", actor=ian)
    map_the_fee(entity, priya, code="5115", marketplace="Amazon.co.uk")  # more exact, so it wins
    return batch, journal, Journal.objects.get(corrects=journal)


def test_a_correction_is_approved_and_leaves_and_names_what_it_corrects(corrected, priya, ian):
    _, journal, correction = corrected
    assert states(journal) == ["exported"]
    with pytest.raises(Refused, match="Another person approves it"):
        approve(journals=[correction], actor=priya)
    approve(journals=[correction], actor=ian)
    content = bytes(export(journals=[correction], format="generic", actor=ian).content).decode()
    assert content.count(f",GBP,{journal.key},") == 2
    assert ",5115," in content and ",5110," in content


def test_voiding_takes_back_what_only_corrected_it(corrected, ian):
    batch, journal, correction = corrected
    plan = preview_void(batch=batch, actor=ian)
    assert {(change.journal, change.before, change.after) for change in plan.detail["changes"]} == {
        (journal, "Exported", "Draft"),
        (correction, "Draft", "Gone: nothing is left to book in it"),
    }
    void_batch(batch=batch, reason="Booked by hand", actor=ian)
    journal.refresh_from_db()
    assert journal.state == "draft"
    assert journal.returned == (
        "Ian Grove had approved it. Then it changed: batch 1, in which it had left, was voided."
    )
    assert journal.lines.get(account__code="5115").debit == Decimal("4.20")
    assert not Journal.objects.filter(pk=correction.pk).exists()


def test_a_batch_is_not_voided_before_the_corrections_of_its_journals(corrected, ian):
    batch, journal, correction = corrected
    later = export(journals=approve(journals=[correction], actor=ian), format="generic", actor=ian)
    words = f"Void batch 2 first: {correction.key} in it corrects {journal.key}."
    for ask in (lambda: preview_void(batch=batch, actor=ian), lambda: void_batch(batch=batch, reason="x", actor=ian)):
        with pytest.raises(Refused) as refusal:
            ask()
        assert refusal.value.words == words
    void_batch(batch=later, reason="First", actor=ian)
    void_batch(batch=batch, reason="Then this", actor=ian)
    assert not ExportBatch.objects.filter(voided_at=None).exists()
    again = export(journals=approve(journals=[journal], actor=ian), format="generic", actor=ian)
    (change,) = preview_void(batch=again, actor=ian).detail["changes"]
    assert change.journal == journal, "what the first voiding emptied is no news"


def test_a_batch_of_a_locked_month_is_not_voided(approved, entity, ian):
    batch = export(journals=approved(), format="generic", actor=ian)
    lock(entity, date(2026, 10, 1), ian)
    with pytest.raises(Refused, match=r"^October 2026 is locked\.$"):
        void_batch(batch=batch, reason="Wrong", actor=ian)
    assert ExportBatch.objects.get().voided_at is None


def test_two_people_export_the_same_journals_at_once_and_they_leave_once(approved, entity, ian):
    journals = [journal for n in range(4) for journal in approved(f"3000000000{n}")]
    marta = person(Role.FINANCE, entity)
    outcomes = []

    def leave(actor) -> None:
        try:
            outcomes.append(export(journals=journals, format="generic", actor=actor).number)
        except Refused as refusal:
            outcomes.append(refusal.words)

    together(*[lambda: leave(ian), lambda: leave(marta)] * 3)
    assert outcomes.count(1) == 1
    assert {words for words in outcomes if words != 1} == {
        f"None of them can. {journals[0].key}: It left in batch 1 already."
    }
    assert BatchJournal.objects.count() == len(journals)


def test_as_many_queries_for_ten_journals_as_for_one(approved, ian):
    journals = [journal for n in range(10) for journal in approved(f"3000000{n:04}")]
    with CaptureQueriesContext(database) as one:
        preview_export(journals=journals[:1], format="generic", actor=ian)
        export(journals=journals[:1], format="generic", actor=ian)
    with CaptureQueriesContext(database) as many:
        preview_export(journals=journals[1:], format="generic", actor=ian)
        export(journals=journals[1:], format="generic", actor=ian)
    assert len(one) == len(many)
