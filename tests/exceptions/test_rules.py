from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exceptions.rules import Rates, score, score_words

FLOOR = Decimal(50)
DUE = datetime(2026, 11, 13, 17, 0, tzinfo=UTC)
money = st.decimals(min_value=0, max_value=10**9, places=2)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(worth=st.decimals(min_value=50, max_value=10**9, places=2), due=instants)
def test_twice_the_money_counts_as_much_as_one_day(worth, due):
    assert score(worth * 2, FLOOR, due) == pytest.approx(score(worth, FLOOR, due - timedelta(days=1)))


@given(one=money, two=money, due=instants)
def test_more_money_never_ranks_lower(one, two, due):
    low, high = sorted((one, two))
    assert score(low, FLOOR, due) <= score(high, FLOOR, due)


@given(worth=money, one=instants, two=instants)
def test_an_earlier_deadline_never_ranks_lower(worth, one, two):
    early, late = sorted((one, two))
    assert score(worth, FLOOR, early) >= score(worth, FLOOR, late)


def test_a_floor_of_zero_is_a_mistake():
    with pytest.raises(ValueError, match="above zero"):
        score(Decimal(0), Decimal(0), DUE)


RATES = Rates(
    base="GBP", by_currency={"EUR": [(date(2026, 1, 1), Decimal("0.85")), (date(2026, 7, 1), Decimal("0.9"))]}
)


@pytest.mark.parametrize(
    ("currency", "day", "worth", "known"),
    [
        ("GBP", date(2026, 1, 1), "100", True),
        ("EUR", date(2025, 12, 31), "100", False),
        ("EUR", date(2026, 1, 1), "85", True),
        ("EUR", date(2026, 6, 30), "85", True),
        ("EUR", date(2026, 7, 1), "90", True),
        ("JPY", date(2026, 7, 1), "100", False),
    ],
)
def test_the_rate_of_the_day(currency, day, worth, known):
    assert RATES.worth(Decimal(100), currency, day) == (Decimal(worth), known)


def words(**changes) -> str:
    figures = {
        "stake": Decimal("1293.68"),
        "currency": "GBP",
        "worth": Decimal("1293.68"),
        "base": "GBP",
        "rate_known": True,
        "floor": FLOOR,
        "due_at": DUE.astimezone(ZoneInfo("Europe/London")),
        "now": DUE - timedelta(days=2),
    }
    return score_words(**figures | changes)


def test_the_rank_in_words():
    assert words() == (
        "£1,293.68 at stake. Due Fri 13 Nov 2026 17:00, in 2 days. It ranks like £323.42 due right now: "
        "one day sooner counts as much as twice the money."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"stake": Decimal(12), "worth": Decimal(12)},
            "£12.00 at stake counts as £50.00, the least for this kind of exception. ",
        ),
        ({"currency": "EUR", "worth": Decimal("1100.00")}, "€1,293.68 at stake, worth £1,100.00. "),
        (
            {"currency": "EUR", "worth": Decimal(12), "stake": Decimal(14)},
            "€14.00 at stake, worth £12.00, counts as £50.00, the least for this kind of exception. ",
        ),
        (
            {"currency": "EUR", "rate_known": False},
            "€1,293.68 at stake, counted 1:1 in GBP because no EUR rate is entered. ",
        ),
    ],
)
def test_what_the_money_part_says(changes, said):
    assert words(**changes).startswith(said)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(hours=1), "in 1 hour. It ranks like £1,256.85 due right now:"),
        (timedelta(hours=-36), "36 hours late. It ranks like £3,659.08 due right now:"),
        (timedelta(days=30), "in 30 days. It ranks like £646.84 due a day sooner, or £2,587.36 due a day later:"),
        (timedelta(days=-400), "400 days late. It ranks like £646.84 due a day sooner, or £2,587.36 due a day later:"),
    ],
)
def test_what_the_deadline_part_says(left, said):
    assert said in words(now=DUE - left)


@given(
    worth=st.decimals(min_value=FLOOR, max_value=10**7, places=2),
    left=st.timedeltas(min_value=timedelta(days=-10), max_value=timedelta(days=10)),
)
def test_the_money_that_it_is_compared_with_has_its_score(worth, left):
    said = words(stake=worth, worth=worth, now=DUE - left)
    alike = Decimal(said.partition("like £")[2].partition(" due")[0].replace(",", ""))
    here, there = score(worth, FLOOR, DUE), score(max(alike, Decimal("0.01")), Decimal("0.01"), DUE - left)
    assert abs(here - there) < 0.2  # the amount is rounded to pennies
