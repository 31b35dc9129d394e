"""A correction books exactly what is missing: with what has left it makes the journals say what they should."""

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.ledger.corrections import Booked, difference, place_of, without
from apps.ledger.periods import first_open
from apps.ledger.rules import Draft, Portion, Posting, drafts, fingerprint
from tests.ledger.test_rules import BOOKS, FBA, POUNDS, SELLING, ends, portion, portions

OCTOBER = date(2026, 10, 1)
complete = st.builds(
    Portion._replace,
    portions,
    leg=st.sampled_from(["", "GB>GB", "GB>DE"]),
    posting=st.sampled_from(
        [Posting(4000), Posting(1200), Posting(1210), Posting(2201), Posting(5110, SELLING), Posting(5110, FBA)]
    ),
)


def months(found: list[Portion], end: date) -> dict[date, Draft]:
    return {draft.period: draft for draft in drafts(found, end=end, books=BOOKS, round_half_up=POUNDS)}


def book(booked: Booked, draft: Draft) -> Booked:
    """As if the draft had left."""
    for line in draft.lines:
        place = place_of(line.account, line.tax_code, line.label, BOOKS)
        booked.amounts[place] += line.amount
        booked.labels[place] = line.label
    return booked


def origins(draft: Draft) -> dict:
    """What the draft's lines are made of, as booked parts are read."""
    placed = [(place_of(line.account, line.tax_code, line.label, BOOKS), line.parts) for line in draft.lines]
    return {
        (place, part.cause, part.leg, part.default_leg): (part.lines, part.amount) for place, parts in placed for part in parts
    }


def said(draft: Draft | None) -> dict:
    """What has no account is booked nowhere, so its places need not be kept apart here."""
    found: dict = defaultdict(Decimal)
    for line in draft.lines if draft else ():
        found[place_of(line.account, line.tax_code, line.label, BOOKS)] += line.amount
    return {place: amount for place, amount in found.items() if amount}


def made_of(draft: Draft | None) -> dict:
    """(account, cause, leg, default) -> lines and money, of places that hold money."""
    found: dict = defaultdict(lambda: (0, Decimal(0)))
    for line in draft.lines if draft else ():
        place = place_of(line.account, line.tax_code, line.label, BOOKS)
        for part in line.parts if line.amount else ():
            key = (place, part.cause, part.leg, part.default_leg)
            found[key] = (found[key][0] + part.lines, found[key][1] + part.amount)
    return {key: figures for key, figures in found.items() if any(figures)}


@given(st.lists(complete, max_size=8), st.lists(portions, max_size=8), ends, ends)
def test_what_has_left_and_its_correction_say_what_they_should(left, wanted, end_then, end_now):
    then, now = months(left, end_then), months(wanted, end_now)
    for month in then.keys() | now.keys():
        booked = book(Booked(1, [1]), then.get(month, Draft(month, month, [])))
        rest = difference(month, now.get(month), booked, BOOKS)
        assert sum((line.amount for line in rest.lines), Decimal(0)) == 0
        assert all(line.amount for line in rest.lines)
        again = book(booked, rest)
        assert {place: amount for place, amount in again.amounts.items() if amount} == said(now.get(month))
        if rest.complete:
            assert difference(month, now.get(month), again, BOOKS).lines == []


@given(st.lists(complete, max_size=8), st.lists(complete, max_size=8), ends)
def test_its_parts_lead_to_the_lines_that_moved(left, wanted, end):
    then, now = months(left, end), months(wanted, end)
    for month in then.keys() & now.keys():
        rest = difference(month, now[month], book(Booked(1, [1]), then[month]), BOOKS)
        moved = {place_of(line.account, line.tax_code, line.label, BOOKS) for line in rest.lines}
        expected = defaultdict(lambda: (0, Decimal(0)))
        for sign, draft in ((1, now[month]), (-1, then[month])):
            for line in draft.lines:
                place = place_of(line.account, line.tax_code, line.label, BOOKS)
                for part in line.parts if place in moved else ():
                    key = (place, part.cause, part.leg, part.default_leg)
                    expected[key] = (expected[key][0] + sign * part.lines, expected[key][1] + sign * part.amount)
        left_parts = origins(then[month])
        for line in rest.lines:
            line.parts = without(place_of(line.account, line.tax_code, line.label, BOOKS), line.parts, left_parts)
        assert made_of(rest) == {key: figures for key, figures in expected.items() if any(figures)}


def test_a_fee_that_moves_to_another_account_takes_its_tax_with_it():
    fee = portion("-120.00", OCTOBER.replace(day=5), Posting(5110, SELLING), lines=8)
    sale = portion("500.00", OCTOBER.replace(day=5), Posting(4000), cause=2)
    then = months([fee, sale], date(2026, 10, 24))[OCTOBER]
    now = months([fee._replace(posting=Posting(2260)), sale], date(2026, 10, 24))[OCTOBER]
    rest = difference(OCTOBER, now, book(Booked(1, [1]), then), BOOKS)
    assert [(line.account, line.debit, line.credit) for line in rest.lines] == [
        (2201, Decimal(0), Decimal("20.00")),
        (2260, Decimal("120.00"), Decimal(0)),
        (5110, Decimal(0), Decimal("100.00")),
    ]
    parts = [
        without(place_of(line.account, line.tax_code, line.label, BOOKS), line.parts, origins(then)) for line in rest.lines
    ]
    assert [[part.lines for part in found] for found in parts] == [[], [8], [-8]]


def test_a_new_name_of_an_account_corrects_nothing():
    then = months([portion("10.00", OCTOBER, Posting(4000))], OCTOBER)[OCTOBER]
    renamed = replace(BOOKS, names={**BOOKS.names, 4000: "Turnover"})
    now = drafts([portion("10.00", OCTOBER, Posting(4000))], end=OCTOBER, books=renamed, round_half_up=POUNDS)[0]
    assert now.lines[1].label == "Turnover"
    assert difference(OCTOBER, now, book(Booked(1, [1]), then), renamed).lines == []


@given(portions.map(lambda found: found._replace(posting=Posting(4000))), ends)
def test_an_approval_is_bound_to_every_figure(found, end):
    draft = next(iter(months([found], end).values()))
    print_of = fingerprint(draft.period, draft.dated, draft.lines)
    for line in draft.lines:
        for changed in (replace(line, amount=line.amount + Decimal("0.01")), replace(line, account=1), replace(line, label="x")):
            lines = [changed if each is line else each for each in draft.lines]
            assert fingerprint(draft.period, draft.dated, lines) != print_of
    assert fingerprint(draft.period, date(2030, 1, 1), draft.lines) != print_of
    assert fingerprint(date(2030, 1, 1), draft.dated, draft.lines) != print_of


@given(st.sets(st.integers(1, 12)), st.integers(1, 12))
def test_the_first_open_month_is_the_next_that_is_not_locked(locked, month):
    closed = {date(2026, each, 1) for each in locked}
    found = first_open(date(2026, month, 1), closed)
    assert found not in closed and found >= date(2026, month, 1)
    between = [date(2026, each, 1) for each in range(month, 13) if date(2026, each, 1) < found]
    assert set(between) <= closed
