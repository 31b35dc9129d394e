"""The pages of mapping care: a rule with its versions, what wants a look, accounts that are closed, each with its preview."""

from datetime import date, timedelta

import pytest
from django.db import connection as database
from django.db.backends.postgresql.psycopg_any import DateRange
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.integrations.models import Connection
from apps.ledger.models import Account
from apps.settlements import operations
from apps.settlements.models import FeeRule, FeeSignature, Resolution, RollUp, SettlementVersion
from tests.console.conftest import Company, signed_in
from tests.console.pages import Page
from tests.factories import ConnectionFactory, VersionFactory, person

FINANCE = Role.FINANCE


@pytest.fixture
def rule(ours: Company) -> FeeRule:
    """The fee that stops the company's settlement, mapped."""
    pattern = {
        "marketplace": "", "transaction_type": "Order", "amount_type": "ItemFees", "amount_description": "NewReturnFee",
        "treatment": "",
    }  # fmt: skip
    return operations.map_fee(
        entity=ours.entity, pattern=pattern, since=date(2026, 10, 1), account=account(ours, "5110"), tax_class=None,
        reason="A fee for returns", actor=ours.people[FINANCE],
    ).rule  # fmt: skip


def account(ours: Company, code: str) -> Account:
    return Account.objects.get(entity=ours.entity, code=code)


def digest_in(response) -> str:
    body = response.content.decode()
    return body.split('name="digest" value="')[1].split('"')[0] if 'name="digest"' in body else ""


def change(ours: Company, code: str, **more) -> dict:
    return {"account": account(ours, code).pk, "tax": "none", "since": "", "reason": "It is handling"} | more


def test_a_rule_page_says_what_it_maps_and_who_made_it(ours: Company, rule: FeeRule):
    page = ours.client(FINANCE).get(reverse("rule", args=[rule.pk]))
    body = page.content.decode()
    assert "Order / ItemFees / NewReturnFee posts to 5110 FBA fees" in Page(page).heading
    assert "−£4.20" in body and "A fee for returns" in body and "Finance 1" in body


def test_a_change_is_previewed_in_the_page_and_done_as_previewed(ours: Company, rule: FeeRule):
    client, address = ours.client(FINANCE), reverse("rule_do", args=[rule.pk, "change"])
    seen = client.post(address, change(ours, "5115", preview="1", reason=""), headers={"HX-Request": "true"})
    body = seen.content.decode()
    assert seen.status_code == 200 and "<h1" not in body
    assert "Map it to 5115 and rebuild" in body and "£4.20" in body
    done = client.post(address, change(ours, "5115", digest=digest_in(seen)))
    newest = FeeRule.objects.order_by("-pk")[0]
    assert (done.status_code, done["Location"]) == (302, reverse("rule", args=[newest.pk]))
    after = client.get(done["Location"]).content.decode()
    assert "Changed. Order / ItemFees / NewReturnFee posts to 5115 Returns handling, no tax on it." in after
    assert "2 versions" in after and "replaced by the version of Finance 1" in after


def test_without_its_preview_nothing_is_done(ours: Company, rule: FeeRule):
    client, address = ours.client(FINANCE), reverse("rule_do", args=[rule.pk, "change"])
    response = client.post(address, change(ours, "5115", digest="of another world"))
    assert response.status_code == 409
    assert "The figures changed since your preview" in response.content.decode()
    assert FeeRule.objects.order_by("-pk")[0] == rule


def test_a_fault_stands_beside_its_field(ours: Company, rule: FeeRule):
    client, address = ours.client(FINANCE), reverse("rule_do", args=[rule.pk, "change"])
    same = client.post(address, change(ours, "5110", digest="-"))
    assert same.status_code == 422 and "maps to 5110 FBA fees with this tax already" in same.content.decode()
    wordless = client.post(address, change(ours, "5115", reason="", digest="-"))
    assert wordless.status_code == 422 and "This field is required" in wordless.content.decode()
    closed = account(ours, "5115")
    Account.objects.filter(pk=closed.pk).update(closed_at="2026-01-01T00:00:00Z")
    assert client.post(address, change(ours, "5115", digest="-")).status_code == 422


def test_undoing_shows_its_preview_at_once_and_opens_the_case_again(ours: Company, rule: FeeRule):
    client = ours.client(FINANCE)
    offered = client.get(reverse("rule", args=[rule.pk]) + "?do=undo")
    assert "1 line loses its account" in offered.content.decode()
    done = client.post(reverse("rule_do", args=[rule.pk, "undo"]), {"reason": "No", "digest": digest_in(offered)})
    assert done.status_code == 302
    after = client.get(done["Location"])
    assert "was unmapped by Finance 1" in Page(after).heading
    assert Case.objects.live().filter(type="settlement.fee-unmapped", entity=ours.entity).exists()
    assert client.get(reverse("rule", args=[rule.pk])).status_code == 200, "the version before is still shown"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_who_may_not_change_a_rule_reads_it_and_is_told_who_can(ours: Company, rule: FeeRule, role: Role):
    client = ours.client(role)
    body = client.get(reverse("rule", args=[rule.pk])).content.decode()
    assert "Finance 1 can." in body and 'id="deed"' not in body
    for name in ("change", "undo"):
        assert client.post(reverse("rule_do", args=[rule.pk, name]), change(ours, "5115")).status_code == 403
    assert FeeRule.objects.order_by("-pk")[0] == rule


def test_anothers_rule_and_account_are_not_there(ours: Company, theirs: Company):
    client = ours.client(FINANCE)
    rule = FeeRule.objects.filter(entity=theirs.entity).first()
    for address in (
        reverse("rule_do", args=[rule.pk, "undo"]),
        reverse("account_do", args=[rule.account_id, "close"]),
    ):
        assert client.post(address, {"reason": "-"}).status_code == 404


def test_an_account_is_closed_after_a_preview_and_its_case_moves_the_rules(ours: Company, rule: FeeRule):
    client, fees = ours.client(Role.ADMIN), account(ours, "5110")
    offered = client.get(reverse("account", args=[fees.pk]))
    body = offered.content.decode()
    assert "points at it" in body or "point at it" in body
    assert "An exception opens" in body and "£4.20" in body
    address = reverse("account_do", args=[fees.pk, "close"])
    assert client.post(address, {"reason": "Merged", "digest": digest_in(offered)}).status_code == 302
    case = Case.objects.live().get(type="ledger.account-missing")
    assert "is closed, but" in Page(client.get(reverse("accounts"))).heading
    finance = ours.client(FINANCE)
    shown = finance.get(reverse("case", args=[case.pk])).content.decode()
    assert "Point its rules at another account" in shown and "Reopen the account" in shown
    data = {"account": account(ours, "5115").pk, "since": "", "reason": "Merged"}
    act = reverse("act", args=[case.pk, "move-rules"])
    seen = finance.post(act, data | {"preview": "1"})
    assert "5115 Returns handling" in seen.content.decode()
    assert finance.post(act, data | {"digest": digest_in(seen)}).status_code == 302
    case.refresh_from_db()
    assert case.state == "resolved"
    closed = finance.get(reverse("account", args=[fees.pk])).content.decode()
    assert "5110 FBA fees is closed" in closed and "Merged" in closed


def test_an_account_with_a_role_says_why_it_stays_open(ours: Company):
    client, clearing = ours.client(FINANCE), account(ours, "1200")
    body = client.get(reverse("account", args=[clearing.pk])).content.decode()
    assert "journals are built with it, so it stays open" in body and 'id="deed"' not in body
    refused = client.post(reverse("account_do", args=[clearing.pk, "close"]), {"reason": "-", "digest": "-"})
    assert refused.status_code in (409, 422)
    clearing.refresh_from_db()
    assert clearing.closed_at is None


def test_a_closed_account_is_offered_nowhere(ours: Company, rule: FeeRule):
    Account.objects.filter(entity=ours.entity, code="5190").update(closed_at="2026-01-01T00:00:00Z")
    client = ours.client(FINANCE)
    for address in (reverse("rule", args=[rule.pk]), reverse("case", args=[ours.fee_case.pk])):
        body = client.get(address).content.decode()
        assert "5115 Returns handling" in body and "5190 Other" not in body


def test_the_mapping_page_shows_what_wants_a_look(ours: Company, rule: FeeRule):
    body = ours.client(FINANCE).get(reverse("mapping") + "?show=care").content.decode()
    assert "match no fee that was ever seen" in body
    assert "What has an account, by transaction-type" in body
    rules = ours.client(FINANCE).get(reverse("mapping")).content.decode()
    assert reverse("rule", args=[rule.pk]) in rules or "Next 50" in rules
    signature = FeeSignature.objects.get(entity=ours.entity, amount_description="NewReturnFee")
    assert (
        reverse("rule", args=[rule.pk])
        in ours.client(FINANCE).get(reverse("signature", args=[signature.pk])).content.decode()
    )


def much_to_look_at(place: Connection, versions: list[SettlementVersion]) -> None:
    """Of each kind one more: a fee with a new name, a dearer one, rules that never win, meet half way or match nothing."""
    number = FeeRule.objects.count()
    account = Account.objects.create(entity=place.entity, code=f"9{number}", name="Fees", kind="expense")
    values = {
        "entity": place.entity,
        "account": account,
        "source": "person",
        "made_by": place.entity.memberships.get().user,
    }

    def fee(name: str, cells: list[tuple[int, int]]) -> FeeSignature:
        names = {"marketplace": f"m{number}", "transaction_type": "Order", "amount_type": "ItemFees"}
        made = FeeSignature.objects.create(
            entity=place.entity, key=f"{number} {name}", amount_description=name, treatment="none", **names
        )
        for version, each in cells:
            day = versions[version].settlement.start_at.date()
            RollUp.objects.create(
                version=versions[version], signature=made, day=day, lines=12, credit=0, debit=12 * each
            )
        return made

    def rule(**pattern: str) -> FeeRule:
        return FeeRule.objects.create(period=DateRange(None, None), **pattern, **values)

    old = fee("Old", [(0, 1)])
    fee(f"New {number}", [(1, 1), (2, 1)])
    dear = fee("Dear", [(0, 2), (1, 2), (2, 2), (3, 9)])
    for each in (old, dear):
        exact = rule(marketplace=f"m{number}", transaction_type="Order", amount_description=each.amount_description)
        Resolution.objects.create(signature=each, rule=exact, period=DateRange(None, None))
    rule(marketplace=f"m{number}", amount_description="Old")
    rule(marketplace=f"m{number}", amount_type="ItemFees")
    rule(transaction_type="Order", amount_description=f"New {number}*")
    rule(amount_description=f"Nothing {number}")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/mapping/?show=care", "/mapping/", "/accounts/"])
def test_as_many_queries_for_fifty_as_for_one(address: str):
    place = ConnectionFactory()
    client = signed_in(person(FINANCE, place.entity))
    start = timezone.now() - timedelta(days=60)
    versions = [
        VersionFactory(
            settlement__connection=place,
            settlement__start_at=start + timedelta(days=14 * n),
            settlement__end_at=start + timedelta(days=14 * (n + 1)),
        )
        for n in range(4)
    ]
    much_to_look_at(place, versions)
    with CaptureQueriesContext(database) as one:
        body = client.get(address).content.decode()
    if "care" in address:
        for words in ("may have a new name", "three times as much", "meet half way", "never win", "was ever seen"):
            assert words in body
    for _ in range(49):
        much_to_look_at(place, versions)
    with CaptureQueriesContext(database) as fifty:
        assert client.get(address).status_code == 200
    assert len(fifty) == len(one), [query["sql"] for query in fifty]


@pytest.mark.django_db(transaction=True)
def test_pages_of_one_rule_and_one_account_cost_no_query_a_row(ours: Company, rule: FeeRule):
    client = ours.client(FINANCE)
    addresses = [reverse("rule", args=[rule.pk]), reverse("account", args=[rule.account_id])]
    counts = []
    for some in (range(20), ()):
        for address in addresses:
            with CaptureQueriesContext(database) as asked:
                assert client.get(address).status_code == 200
            counts.append(len(asked))
        for number in some:
            FeeRule.objects.create(
                entity=ours.entity, amount_description=f"Other {number}", period=DateRange(None, None), source="person",
                account=rule.account, made_by=rule.made_by,
            )  # fmt: skip
            FeeRule.objects.create(
                entity=ours.entity, transaction_type="Order", amount_type="ItemFees", amount_description="NewReturnFee",
                period=DateRange(empty=True), source="person", account=rule.account, made_by=rule.made_by, cut_by=rule,
            )  # fmt: skip
    assert counts[:2] == counts[2:]
