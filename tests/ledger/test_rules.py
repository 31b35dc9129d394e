"""Journal arithmetic: every draft balances and is the sum of what it is made of, whatever the mapping."""

from datetime import date
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import round_half_up
from apps.ledger.rules import (
    Books,
    Portion,
    Posting,
    TaxClass,
    TaxCode,
    TaxRule,
    drafts,
    month_of,
    split_tax,
)

POUNDS = partial(round_half_up, currency="GBP")
CHANGE = date(2024, 8, 1)
SELLING, FBA = 1, 2
REVERSE, STANDARD, ZERO_RATED = 1, 2, 3
BOOKS = Books(
    names={1200: "Clearing", 1210: "Reserve", 1220: "Carried forward", 2201: "Input VAT", 2260: "Facilitator",
           4000: "Sales", 5110: "FBA fees"},
    codes={account: str(account) for account in (1200, 1210, 1220, 2201, 2260, 4000, 5110)},
    roles={"clearing": 1200, "reserve": 1210, "carried-forward": 1220, "facilitator": 2260},
    tax_classes={
        SELLING: TaxClass(
            SELLING, "Selling fees", "GB>GB",
            (TaxRule("*", None, CHANGE, REVERSE), TaxRule("*", CHANGE, None, STANDARD)),
        ),
        FBA: TaxClass(
            FBA, "FBA fees", "GB>GB",
            (TaxRule("*", None, CHANGE, REVERSE), TaxRule("GB>GB", CHANGE, None, STANDARD),
             TaxRule("GB>DE", CHANGE, None, ZERO_RATED)),
        ),
    },
    tax_codes={
        REVERSE: TaxCode(REVERSE, "Reverse charge", Decimal(0), None),
        STANDARD: TaxCode(STANDARD, "20 %", Decimal(20), 2201),
        ZERO_RATED: TaxCode(ZERO_RATED, "0 %", Decimal(0), None),
    },
)  # fmt: skip
NO_ROLES = Books(names={}, codes={}, roles={}, tax_classes={}, tax_codes={})
cents = st.integers(0, 10**7).map(lambda n: Decimal(n) / 100)
postings = st.sampled_from(
    [None, Posting(4000), Posting(1210), Posting(2260), Posting(5110, SELLING), Posting(5110, FBA), Posting(2201)]
)
portions = st.builds(
    Portion,
    cause=st.integers(1, 6),
    label=st.just("Order / ItemFees / X"),
    day=st.dates(date(2024, 6, 1), date(2024, 9, 30)),
    leg=st.sampled_from(["", "GB>GB", "GB>DE", "GB>FR"]),
    lines=st.integers(1, 9),
    credit=cents,
    debit=cents,
    posting=postings,
)
ends = st.dates(date(2024, 7, 10), date(2024, 9, 30))


def portion(
    amount: str, day: date, posting: Posting | None, *, leg: str = "", cause: int = 1, lines: int = 1
) -> Portion:
    value = Decimal(amount)
    zero = Decimal(0)
    return Portion(cause, "Refund / ItemFees / X", day, leg, lines, max(value, zero), max(-value, zero), posting)


def line_of(draft, account):
    return next(line for line in draft.lines if line.account == account)


@given(st.lists(portions, max_size=25), ends)
def test_each_draft_balances_and_the_last_one_pays_the_whole(cells, end):
    built = drafts(cells, end=end, books=BOOKS, round_half_up=POUNDS)
    for draft in built:
        assert sum(line.debit for line in draft.lines) == sum(line.credit for line in draft.lines)
    total = sum((cell.amount for cell in cells), Decimal(0))
    clearing = [line.debit - line.credit for draft in built for line in draft.lines if line.account == 1200]
    assert clearing == [total]
    carried = [line.amount for draft in built for line in draft.lines if line.account == 1220]
    assert sum(carried) == 0


@given(st.lists(portions, max_size=25), ends)
def test_what_stands_behind_the_lines_is_the_rollups(cells, end):
    built = drafts(cells, end=end, books=BOOKS, round_half_up=POUNDS)
    parts = [part for draft in built for line in draft.lines for part in line.parts]
    for cause in {cell.cause for cell in cells}:
        of_cause = [part for part in parts if part.cause == cause]
        assert sum(part.amount for part in of_cause) == sum(cell.amount for cell in cells if cell.cause == cause)
        assert sum(part.lines for part in of_cause) == sum(cell.lines for cell in cells if cell.cause == cause)


@given(st.lists(portions, max_size=25), ends)
def test_months_are_those_of_the_days_and_end_with_the_settlement(cells, end):
    built = drafts(cells, end=end, books=BOOKS, round_half_up=POUNDS)
    periods = [draft.period for draft in built]
    assert periods == sorted({month_of(min(cell.day, end)) for cell in cells} | {month_of(end)})
    assert built[-1].dated == end
    assert all(month_of(draft.dated) == draft.period for draft in built)


@given(st.lists(portions, max_size=25), ends)
def test_a_draft_is_complete_where_everything_has_an_account_and_a_tax_code(cells, end):
    built = {draft.period: draft for draft in drafts(cells, end=end, books=BOOKS, round_half_up=POUNDS)}
    for period, draft in built.items():
        of_month = [cell for cell in cells if month_of(min(cell.day, end)) == period]
        untaxed = [
            cell for cell in of_month
            if cell.posting and cell.posting.tax_class == FBA and cell.day >= CHANGE and cell.leg == "GB>FR"
        ]  # fmt: skip
        assert draft.complete == (not untaxed and all(cell.posting for cell in of_month))


@given(st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100), st.sampled_from(["0", "7", "19", "20", "5.5"]))
def test_tax_is_what_net_leaves_of_the_gross(gross, rate):
    net, tax = split_tax(gross, Decimal(rate), POUNDS)
    assert net + tax == gross
    assert net == POUNDS(net)
    assert abs(net * (100 + Decimal(rate)) / 100 - gross) <= Decimal("0.01")


def test_fee_tax_is_computed_once_on_the_summed_gross():
    day = date(2024, 9, 2)
    cells = [portion("-0.01", day, Posting(5110, SELLING), cause=cause) for cause in range(12)]
    (draft,) = drafts(cells, end=day, books=BOOKS, round_half_up=POUNDS)
    assert line_of(draft, 5110).debit == Decimal("0.10")
    assert line_of(draft, 2201).debit == Decimal("0.02")


def test_yen_have_no_decimals():
    net, tax = split_tax(Decimal(1999), Decimal(10), partial(round_half_up, currency="JPY"))
    assert (net, tax) == (Decimal(1817), Decimal(182))


def test_the_reserve_line_after_the_end_belongs_to_the_end():
    cells = [portion("10.00", date(2024, 8, 31), Posting(4000)), portion("-4.00", date(2024, 9, 1), Posting(1210))]
    (draft,) = drafts(cells, end=date(2024, 8, 31), books=BOOKS, round_half_up=POUNDS)
    assert draft.dated == date(2024, 8, 31)
    assert line_of(draft, 1200).debit == Decimal("6.00")


def test_reserve_given_back_and_kept_are_two_lines():
    day = date(2024, 9, 2)
    cells = [portion("43.00", day, Posting(1210), cause=1), portion("-41.00", day, Posting(1210), cause=2)]
    (draft,) = drafts(cells, end=day, books=BOOKS, round_half_up=POUNDS)
    assert [(line.label, line.debit, line.credit) for line in draft.lines if line.account == 1210] == [
        ("Reserve, given back", 0, Decimal("43.00")),
        ("Reserve, kept", Decimal("41.00"), 0),
    ]


def test_the_facilitator_contra_is_shown_at_zero():
    day = date(2024, 9, 2)
    cells = [portion("28.50", day, Posting(2260), cause=1), portion("-28.50", day, Posting(2260), cause=2)]
    (draft,) = drafts(cells, end=day, books=BOOKS, round_half_up=POUNDS)
    contra = line_of(draft, 2260)
    assert (contra.debit, contra.credit, len(contra.parts)) == (0, 0, 2)


def test_a_negative_payout_credits_clearing():
    day = date(2024, 9, 2)
    (draft,) = drafts([portion("-62.31", day, Posting(4000))], end=day, books=BOOKS, round_half_up=POUNDS)
    assert line_of(draft, 1200).credit == Decimal("62.31")


def test_an_unmapped_fee_has_a_line_of_its_own():
    day = date(2024, 9, 2)
    cells = [
        portion("-3.00", day, None, cause=1),
        portion("-2.00", day, None, cause=2),
        portion("9.00", day, Posting(4000), cause=3),
    ]
    (draft,) = drafts(cells, end=day, books=BOOKS, round_half_up=POUNDS)
    assert not draft.complete
    assert [line.debit for line in draft.lines if line.label == "No account: Refund / ItemFees / X"] == [3, 2]


def test_a_leg_without_a_tax_code_says_which_is_missing():
    day = date(2024, 9, 2)
    (draft,) = drafts(
        [portion("-3.00", day, Posting(5110, FBA), leg="GB>FR")], end=day, books=BOOKS, round_half_up=POUNDS
    )
    assert [(line.label, line.missing_tax) for line in draft.lines if line.account is None] == [
        ("No tax code: FBA fees, GB>FR", "FBA fees | GB>FR")
    ]


@pytest.mark.parametrize(
    ("tax_class", "day", "leg", "lines", "amount"),
    [
        (FBA, date(2024, 9, 2), "", 7, "3.00"),  # the tax depends on a leg that nobody told
        (FBA, date(2024, 9, 2), "GB>GB", 0, "0"),
        (FBA, date(2024, 7, 2), "", 0, "0"),  # before the change every leg was reverse charge
        (SELLING, date(2024, 9, 2), "", 0, "0"),
    ],
)
def test_the_journal_says_what_took_the_default_leg(tax_class, day, leg, lines, amount):
    cell = portion("-3.00", day, Posting(5110, tax_class), leg=leg, lines=7)
    (draft,) = drafts([cell], end=day, books=BOOKS, round_half_up=POUNDS)
    assert (draft.default_leg_lines, draft.default_leg_amount) == (lines, Decimal(amount))


def test_without_a_chart_the_draft_still_balances_and_says_what_is_missing():
    cells = [portion("5.00", date(2024, 8, 31), None), portion("9.00", date(2024, 9, 1), None)]
    first, last = drafts(cells, end=date(2024, 9, 2), books=NO_ROLES, round_half_up=POUNDS)
    assert {line.label for line in last.lines} == {
        "No account: Refund / ItemFees / X", "No account: Amazon clearing", "No account: Carried forward"
    }  # fmt: skip
    assert not first.complete
    assert not last.complete
