"""The replay's page: from a rule and from a fee's case, as the form stands, with nothing written."""

from datetime import date

import pytest
from django.urls import reverse

from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.ledger.models import Account
from apps.settlements import operations
from apps.settlements.models import FeeRule
from tests.console.conftest import Company
from tests.console.pages import Page

FINANCE = Role.FINANCE


def account(ours: Company, code: str) -> Account:
    return Account.objects.get(entity=ours.entity, code=code)


def new_rule(ours: Company) -> dict:
    return {
        "account": account(ours, "5110").pk, "tax": "none", "where": "everywhere", "match": "exact", "since": "2026-10-01",
    }  # fmt: skip


def written() -> tuple[int, int]:
    return AuditEntry.objects.count(), FeeRule.objects.count()


def test_a_new_rule_is_replayed_from_its_case(ours: Company):
    address, before = reverse("replay", args=["case", ours.fee_case.pk, "map-fee"]), written()
    assert address in ours.client(FINANCE).get(reverse("case", args=[ours.fee_case.pk])).content.decode()
    page = ours.client(FINANCE).post(address, new_rule(ours) | {"last": "5"})
    assert Page(page).heading == "It would map 1 line otherwise in 1 of 1 settlement"
    body = page.content.decode()
    assert "No account" in body and "5110 FBA fees" in body and "The draft is rebuilt" in body and "−£4.20" in body
    assert written() == before


def test_a_changed_rule_is_replayed_from_its_page_and_on_a_period(ours: Company):
    rule = operations.map_fee(
        entity=ours.entity, pattern={"marketplace": "", "transaction_type": "Order", "amount_type": "ItemFees",
        "amount_description": "NewReturnFee", "treatment": ""}, since=date(2026, 10, 1), account=account(ours, "5110"),
        tax_class=None, reason="A fee", actor=ours.people[FINANCE],
    ).rule  # fmt: skip
    client, address = ours.client(FINANCE), reverse("replay", args=["rule", rule.pk, "change"])
    assert address in client.get(reverse("rule", args=[rule.pk])).content.decode()
    change = {"account": account(ours, "5115").pk, "tax": "none", "since": ""}
    body = client.post(address, change).content.decode()
    assert "5110 FBA fees" in body and "5115 Returns handling" in body
    none = client.post(address, change | {"ended_until": "2020-01-01"})
    assert Page(none).heading == "It would change none of the 0 settlements"
    fault = client.post(address, change | {"account": account(ours, "5110").pk})
    assert fault.status_code == 422 and "already" in fault.content.decode()


@pytest.mark.parametrize("role", [role for role in Role if role != FINANCE])
def test_who_may_not_map_does_not_replay(role: Role, ours: Company):
    address = reverse("replay", args=["case", ours.fee_case.pk, "map-fee"])
    assert ours.client(role).post(address, new_rule(ours)).status_code in (403, 404)


def test_anothers_rule_is_not_there(ours: Company, theirs: Company):
    rule = FeeRule.objects.filter(entity=theirs.entity).first()
    assert ours.client(FINANCE).post(reverse("replay", args=["rule", rule.pk, "change"]), {}).status_code == 404
    assert ours.client(FINANCE).post(reverse("replay", args=["rule", rule.pk, "nothing"]), {}).status_code == 404
