"""What wants a look, from settlements as they are read: fees with a new name, dearer fees, coverage, and rules."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from apps.core.permissions import Role
from apps.ledger.models import Account
from apps.settlements import care, operations
from apps.settlements.charts import apply_chart
from apps.settlements.models import FeeRule, FeeSignature
from apps.settlements.suggestions import suggest
from tests.factories import ConnectionFactory, person
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = date(2026, 8, 1)
OLD, NEW = "PrepServiceFee", "WarehousePrepCharge"


def fee(name: str, amount: str, day: date) -> dict[str, str]:
    posted = f"{day:%d.%m.%Y}"
    return line(
        amount, amount_type="ItemFees", amount_description=name, posted_date=posted,
        posted_date_time=f"{posted} 12:00:00 UTC",
    )  # fmt: skip


def settle(place, number: int, lines: list[dict[str, str]]) -> None:
    """The settlement of the `number`th fortnight."""
    start = FIRST + timedelta(days=14 * number)
    end = start + timedelta(days=14)
    take(
        place,
        File(
            settlement_id=f"3000000000{number}",
            lines=tuple(lines),
            start=f"{start:%d.%m.%Y} 00:00:00 UTC",
            end=f"{end:%d.%m.%Y} 00:00:00 UTC",
            deposit=f"{end:%d.%m.%Y} 00:00:00 UTC",
        ),
    )


def day_of(number: int, day: int = 1) -> date:
    return FIRST + timedelta(days=14 * number + day)


def map_fee(priya, name: str, code: str, **pattern) -> FeeRule:
    named = {"marketplace": "", "transaction_type": "Order", "amount_type": "ItemFees", "treatment": ""}
    account = Account.objects.get(code=code)
    return operations.map_fee(
        entity=account.entity, pattern=named | {"amount_description": name} | pattern, since=FIRST, account=account,
        tax_class=None, reason="Known fee", actor=priya,
    ).rule  # fmt: skip


def signature(name: str) -> FeeSignature:
    return FeeSignature.objects.get(amount_description=name)


@pytest.fixture
def new_name(place, priya, entity):
    """Prep is charged under a new name from the second fortnight on, at 3 % more a line."""
    settle(place, 0, [*SALE, *(fee(OLD, "-1.00", day_of(0, n)) for n in range(12))])
    map_fee(priya, OLD, "5150")
    settle(place, 1, [*SALE, *(fee(NEW, "-1.03", day_of(1, n)) for n in range(12))])
    (found,) = care.new_names(FeeSignature.objects.filter(entity=entity))
    return found


def test_a_fee_with_a_new_name_is_pointed_out_with_figures(new_name):
    assert (new_name.old, new_name.new, new_name.account) == (signature(OLD), signature(NEW), None)
    assert new_name.words == (
        "PrepServiceFee stopped on 12 Aug 2026, WarehousePrepCharge began on 15 Aug 2026. Money per line: −£1.00 on 12 lines "
        "before, −£1.03 on 12 lines since (+3.0%)."
    )


def test_the_account_of_the_old_name_is_suggested(new_name):
    found = suggest(signature(NEW), "GBP")
    assert found.account.code == "5150"
    assert found.reasons_for[0].startswith("PrepServiceFee stopped on 12 Aug 2026")
    assert found.like == OLD


def test_a_closed_account_is_not_suggested(new_name, entity):
    Account.objects.filter(entity=entity, code="5150").update(closed_at="2026-09-01T00:00:00Z")
    found = suggest(signature(NEW), "GBP")
    assert found is None or found.account.code != "5150"


def test_once_it_posts_as_the_old_one_did_it_is_settled(new_name, priya, entity):
    other = map_fee(priya, NEW, "5190")
    (found,) = care.new_names(FeeSignature.objects.filter(entity=entity))
    assert found.account == other.account
    FeeRule.objects.filter(pk=other.pk).update(account=Account.objects.get(code="5150"))
    assert care.new_names(FeeSignature.objects.filter(entity=entity)) == []


@pytest.fixture
def four_settlements(place, priya):
    """Commission is charged once for each sold item, in the fourth fortnight four times; storage has no items."""
    storage = {"transaction_type": "other-transaction", "amount_type": "other-transaction"}
    for number, times in enumerate((1, 1, 1, 4)):
        day = day_of(number)
        sold = [line("100.00", posted_date=f"{day:%d.%m.%Y}", posted_date_time=f"{day:%d.%m.%Y} 12:00:00 UTC")] * 2
        charged = [fee("Commission", "-15.00", day)] * (2 * times)
        settle(place, number, [*sold, *charged, fee("Storage Fee", f"-{20 * times}.00", day) | _dashed(storage)])


def _dashed(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}


def test_a_fee_that_costs_three_times_as_much_is_pointed_out(four_settlements, entity):
    commission, storage = sorted(care.dear_fees([entity.pk]), key=lambda row: row.fee.amount_description)
    assert commission.words == (
        "−£60.00 for each order item, −£15.00 in the median of the 3 settlements before: 4.0 times as much."
    )
    assert storage.words.startswith("−£80.00 for each line, −£20.00")
    assert storage.cost.settlement == "30000000003"


def test_sales_are_no_fee(four_settlements, entity, place):
    settle(place, 4, [line("900.00", posted_date=f"{day_of(4):%d.%m.%Y}")])
    assert {row.fee.amount_description for row in care.dear_fees([entity.pk])} == {"Commission", "Storage Fee"}


def test_coverage_counts_lines_and_money_by_transaction_type(place, entity):
    settle(place, 0, [*SALE, fee("Nobody knows it", "-5.00", day_of(0))])
    (order,) = care.coverage([entity.pk])
    assert (order.name, order.lines, order.mapped_lines) == ("Order", 4, 3)
    assert (order.money, order.mapped_money, order.percent) == (Decimal("140.00"), Decimal("135.00"), "96.4")
    assert care.in_all([order])[0].percent == "96.4"


def test_rules_that_never_win_and_rules_that_meet_half_way(place, priya, entity):
    settle(place, 0, [*SALE, fee(OLD, "-1.00", day_of(0))])
    exact = map_fee(priya, OLD, "5150")
    family = map_fee(priya, "Prep*", "5190")
    of_uk = map_fee(priya, "", "5130", transaction_type="", marketplace="Amazon.co.uk")
    found = care.rule_care([entity.pk])
    assert [(each.rule, each.by) for each in found.shadowed if each.rule == family.pk] == [(family.pk, (exact.pk,))]
    assert (family.pk, of_uk.pk) in [(each.winner, each.loser) for each in found.overlaps]
    assert exact.pk not in found.unused
    unused = map_fee(priya, "Mispelt", "5190")
    assert unused.pk in care.rule_care([entity.pk]).unused


def test_another_companys_rules_and_fees_stay_apart(new_name, place):
    other = ConnectionFactory()
    apply_chart(chart="uk", entity=other.entity, actor=person(Role.FINANCE, other.entity))
    assert care.new_names(FeeSignature.objects.filter(entity=other.entity)) == []
    assert care.dear_fees([other.entity_id]) == []
    assert care.coverage([other.entity_id]) == []
    assert len(care.rule_care([other.entity_id]).unused) == FeeRule.objects.filter(entity=other.entity).count()
