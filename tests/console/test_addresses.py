"""What somebody types into the address bar is answered in words, never with a failure of ours."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.permissions import Role
from apps.ledger.models import Account
from tests.console.conftest import Company
from tests.factories import person
from tests.settlements.books import map_the_fee

DIGITS = "9" * 5000  # more than Python makes a number of


@pytest.fixture
def client(ours: Company) -> Client:
    return ours.client(Role.FINANCE)


def test_odd_addresses_are_not_found(client: Client, ours: Company):
    settlement = reverse("settlement", args=[ours.settlement.settlement_id])
    lines = f"{settlement}lines/"
    odd = [
        ("/settlements/%00/", {}),
        ("/settlements/a%00b/lines/", {}),
        (lines, {"leg": "GB\0"}),
        (lines, {"signature": DIGITS}),
        (lines, {"after": DIGITS}),
        ("/journals/", {"after": "2026-10-01~\0"}),
        ("/accounts/", {"after": "1~\0"}),
        ("/audit/", {"subject": "\0"}),
        ("/mapping/", {"text": "\0"}),
        *((f"/{name}/", {"after": DIGITS}) for name in ("jobs", "exports", "chains", "audit", "accounts", "mapping")),
        *(
            (reverse(name), {"journal": journal})
            for name in ("approve", "export")
            for journal in (DIGITS, "abc", "9" * 30)
        ),
    ]
    for address, query in odd:
        assert client.get(address, query).status_code == 404, (address, query)
    for name in ("approve", "export"):
        assert client.post(reverse(name), {"journal": DIGITS}).status_code == 404


def test_the_first_and_the_last_month_there_are_can_be_asked_for(client: Client, ours: Company):
    for month in ("0001-01", "9999-12"):
        assert client.get(reverse("close_month", args=[ours.entity.pk, month])).status_code == 200
        lines = reverse("settlement_lines", args=[ours.settlement.settlement_id])
        assert client.get(lines, {"month": month}).status_code == 200


@pytest.mark.parametrize("name", ["change", "undo"])
def test_a_rule_that_another_one_replaced_meanwhile_says_so(client: Client, ours: Company, name: str):
    """Two people had its page open, and one of them changed it."""
    marta = person(Role.FINANCE, ours.entity, name="Marta Lis")
    rule = map_the_fee(ours.entity, marta).rule
    other = Account.objects.get(entity=ours.entity, code="5115")
    data = {"account": other.pk, "tax": "none", "reason": "Better there"}
    address = reverse("rule_do", args=[rule.pk, "change"])
    shown = client.post(address, data | {"preview": "1"}).content.decode()
    digest = shown.split('name="digest" value="')[1].split('"')[0]
    assert client.post(address, data | {"digest": digest}).status_code == 302
    for more in ({"preview": "1"}, {"digest": digest}):
        response = client.post(reverse("rule_do", args=[rule.pk, name]), data | more)
        assert response.status_code == 422
        assert "a later one took its place" in response.content.decode()
