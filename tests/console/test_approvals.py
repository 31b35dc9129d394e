"""Two people on the screens: one asks, the other finds it on Today, reads the same preview, and approves or declines it."""

from decimal import Decimal

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.operations import set_second_person
from apps.core.permissions import Role
from apps.imports.models import Import
from apps.imports.operations import CHANGED_MEANWHILE
from apps.integrations.jobs import run_here
from apps.ledger.models import Account
from apps.settlements.models import FeeRule
from apps.work.models import Proposal
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import OrderFactory, OrderItemFactory, person
from tests.imports.sheets import bring, csv_of, save
from tests.imports.test_finance_sheets import NEW_FEE, RULES
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

FINANCE, ADMIN, ECOMMERCE = Role.FINANCE, Role.ADMIN, Role.ECOMMERCE


@pytest.fixture
def marta(ours: Company):
    return person(FINANCE, ours.entity, name="Marta Lis")


def limit(ours: Company, above: str) -> None:
    set_second_person(
        entity=ours.entity, above=Decimal(above), lines_above=None, reason="Four eyes", actor=ours.people[ADMIN]
    )


def body_of(response) -> str:
    return response.content.decode()


def digest_in(response) -> str:
    return body_of(response).split('name="digest" value="')[1].split('"')[0]


def mapped_to(ours: Company, code: str) -> dict:
    return {
        "account": Account.objects.get(entity=ours.entity, code=code).pk, "tax": "none", "where": "everywhere",
        "match": "exact", "since": "2026-10-01", "reason": "A fee for returns",
    }  # fmt: skip


def test_a_case_above_the_limit_is_asked_for_seen_by_the_second_person_and_done(ours: Company, marta):
    limit(ours, "4.00")
    priya, case = ours.client(FINANCE), ours.fee_case
    address = reverse("act", args=[case.pk, "map-fee"])
    seen = priya.post(address, mapped_to(ours, "5110") | {"preview": "1"})
    assert "£4.20 is more than the £4.00 that one person may change alone." in body_of(seen)
    assert "Ask a second person" in body_of(seen) and "Map the fee and rebuild 1 journal <kbd>" not in body_of(seen)
    pressed = priya.post(address, mapped_to(ours, "5110") | {"digest": digest_in(seen)})
    assert pressed.status_code == 409 and not FeeRule.objects.filter(source="person").exists()

    asked = priya.post(address, mapped_to(ours, "5110") | {"digest": digest_in(seen), "ask": "1"}, follow=True)
    assert "Marta Lis can approve it." in body_of(asked) and "A change waits for a second person." in body_of(asked)
    row = Proposal.objects.get()
    own = body_of(priya.get(reverse("approval", args=[row.pk])))
    assert "Withdraw it" in own and "Approve:" not in own

    second = signed_in(marta)
    assert "Finance 1 asks for your approval." in body_of(second.get(reverse("home")))
    assert Page(second.get(reverse("approvals"))).heading == "1 change waits for your approval"
    page = second.get(reverse("approval", args=[row.pk]))
    assert "Finance 1 asks: Map the fee and rebuild 1 journal" in Page(page).heading
    assert "5110 FBA fees" in body_of(page) and "A fee for returns" in body_of(page)
    done = second.post(reverse("approval_do", args=[row.pk, "approve"]), {"digest": digest_in(page)}, follow=True)
    assert "Mapped. 1 line now posts to 5110." in body_of(done) and "Approved and done by Marta Lis" in body_of(done)
    record = body_of(second.get(reverse("case", args=[case.pk])))
    assert "approved what Finance 1 asked for" in record


def test_an_approval_of_another_preview_shows_what_it_does_now(ours: Company, marta):
    row, second = ours.proposal, signed_in(marta)
    response = second.post(reverse("approval_do", args=[row.pk, "approve"]), {"digest": "of another world"})
    assert response.status_code == 409 and "nothing was done" in body_of(response)
    row.refresh_from_db()
    assert row.is_waiting


def test_it_is_declined_in_words_that_the_asker_reads(ours: Company, marta):
    row, second = ours.proposal, signed_in(marta)
    address = reverse("approval_do", args=[row.pk, "decline"])
    assert second.post(address, {"words": ""}).status_code == 422
    assert second.post(address, {"words": "It is storage"}).status_code == 302
    assert "It is storage" in body_of(ours.client(FINANCE).get(reverse("approval", args=[row.pk])))
    late = second.post(reverse("approval_do", args=[row.pk, "approve"]), {"digest": "x"})
    assert late.status_code == 422 and "Marta Lis was first: declined" in body_of(late)


def test_who_asked_or_only_reads_gets_no_button_and_no_way(ours: Company):
    row = ours.proposal
    for role in (FINANCE, ADMIN, Role.VIEWER):
        client = ours.client(role)
        page = body_of(client.get(reverse("approval", args=[row.pk])))
        assert "Approve:" not in page and "Decline<" not in page
        address = reverse("approval_do", args=[row.pk, "approve"])
        assert client.post(address, {"digest": row.digest}).status_code == 403, role
    assert ours.client(ECOMMERCE).get(reverse("approval", args=[row.pk])).status_code == 404


def test_anothers_company_is_not_there(ours: Company, theirs: Company):
    row = theirs.proposal
    client = ours.client(FINANCE)
    assert client.get(reverse("approval", args=[row.pk])).status_code == 404
    assert client.post(reverse("approval_do", args=[row.pk, "approve"]), {"digest": row.digest}).status_code == 404
    assert client.get(reverse("limits", args=[theirs.entity.pk])).status_code == 404


def test_a_sku_that_frees_more_than_the_limit_waits(ours: Company):
    limit(ours, "10.00")
    listing = ours.listing
    order = OrderFactory(connection=ours.connection, route="held", holds=["sku"], channel="MFN", currency="GBP", total=12)
    OrderItemFactory(order=order, listing=listing)
    ecommerce = ours.client(ECOMMERCE)
    save(bring(ours.entity, ours.people[ADMIN], csv_of([["Item", "Title"], ["TRAY", "Tray"]])), ours.people[ADMIN])
    since = order.purchased_at.date().isoformat()
    data = {"item": "other", "other": "TRAY", "units": "1", "since": since}
    address = reverse("listing_do", args=[listing.pk, "map"])
    seen = ecommerce.post(address, data | {"preview": "1"})
    assert "£12.00 is more than the £10.00" in body_of(seen)
    asked = ecommerce.post(address, data | {"digest": digest_in(seen), "ask": "1"})
    assert asked.status_code == 302 and not listing.mappings.exists()
    row = Proposal.objects.get()
    kofi = signed_in(person(ECOMMERCE, ours.entity, name="Kofi"))
    page = kofi.get(reverse("approval", args=[row.pk]))
    kofi.post(reverse("approval_do", args=[row.pk, "approve"]), {"digest": digest_in(page)})
    assert listing.mappings.get().made_by == ours.people[ECOMMERCE]


def test_an_import_of_rules_above_the_limit_waits(ours: Company, marta):
    limit(ours, "4.00")
    sheet = csv_of([RULES, NEW_FEE])
    row = bring(ours.entity, ours.people[FINANCE], sheet, sheet="gl-rules", name="rules.csv")
    priya, address = ours.client(FINANCE), reverse("import_do", args=[row.pk, "apply"])
    page = body_of(priya.get(reverse("import", args=[row.pk])))
    assert "£4.20 is more than the £4.00" in page and "Ask a second person" in page
    refused = priya.post(address, {"digest": row.digest})
    assert refused.status_code == 409 and "£4.20 is more than the £4.00" in body_of(refused)
    assert priya.post(address, {"digest": row.digest, "ask": "1"}).status_code == 302
    row.refresh_from_db()
    assert row.state == Import.State.READY
    waiting, second = Proposal.objects.get(), signed_in(marta)
    page = second.get(reverse("approval", args=[waiting.pk]))
    done = second.post(reverse("approval_do", args=[waiting.pk, "approve"]), {"digest": digest_in(page)})
    assert done.status_code == 302
    row.refresh_from_db()
    assert row.state == Import.State.APPLYING and row.job.asked_by == ours.people[FINANCE]


def test_an_import_that_weighs_more_than_its_check_showed_is_not_saved_but_shown_anew(ours: Company, marta):
    limit(ours, "5.00")
    row = bring(ours.entity, marta, csv_of([RULES, NEW_FEE]), sheet="gl-rules", name="rules.csv")
    looked_at = row.digest
    more = line("-6.00", amount_type="ItemFees", amount_description="NewReturnFee")
    take(ours.connection, File(settlement_id="50000000001", lines=(*SALE, more)), name="later.txt")
    row = save(row, marta)
    assert (row.state, row.words) == (Import.State.READY, CHANGED_MEANWHILE)
    assert not FeeRule.objects.filter(source__contains="rules.csv").exists()
    client = ours.client(FINANCE)
    assert "£10.20 is more than the £5.00" in body_of(client.get(reverse("import", args=[row.pk])))
    address = reverse("import_do", args=[row.pk, "apply"])
    client.post(address, {"digest": row.digest, "ask": "1"})
    waiting, second = Proposal.objects.get(), signed_in(person(FINANCE, ours.entity, name="Ola"))
    approving = reverse("approval_do", args=[waiting.pk, "approve"])
    assert second.post(approving, {"digest": looked_at}).status_code == 409
    assert second.post(approving, {"digest": row.digest}).status_code == 302
    row.refresh_from_db()
    assert run_here(row.job).state == "done"
    row.refresh_from_db()
    assert row.state == Import.State.APPLIED


def test_an_admin_sets_the_limits_and_others_read_them(ours: Company):
    address = reverse("limits", args=[ours.entity.pk])
    admin = ours.client(ADMIN)
    assert "No change takes a second person." in Page(admin.get(address)).heading
    data = {"above": "5000", "lines_above": "1000", "reason": "The auditors ask for it"}
    seen = admin.post(address, data | {"preview": "1"})
    done = admin.post(address, data | {"digest": digest_in(seen)}, follow=True)
    assert "A change of more than £5,000.00 or of more than 1,000 lines takes a second person." in Page(done).heading
    assert "The auditors ask for it" in body_of(done)
    reader = ours.client(FINANCE)
    assert "Your role cannot say which changes take a second person. Admin 1 can." in body_of(reader.get(address))
    assert reader.post(address, data | {"digest": "x"}).status_code == 403


def test_the_list_asks_as_often_for_50_as_for_one(ours: Company):
    row, client = ours.proposal, ours.client(Role.VIEWER)

    def asked() -> int:
        with CaptureQueriesContext(database) as queries:
            assert client.get(reverse("approvals")).status_code == 200
        return len(queries)

    asked()
    one = asked()
    for number in range(50):
        row.pk, row.record = None, 10_000 + number
        row.save()
    assert asked() == one
