from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import MINUS
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
    }
    return score_words(**figures | changes)


def test_the_sum_in_words():
    assert words() == (
        "£1,293.68 at stake gives 10.3. Due Fri 13 Nov 2026 17:00 is 316.7 days after 1 Jan 2026 and takes 316.7 off. "
        f"Score {MINUS}306.4: the highest comes first. Twice the money counts as much as a deadline one day earlier."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"stake": Decimal(12), "worth": Decimal(12)},
            "£12.00 at stake is below £50.00, the least for this kind of exception, which gives 5.6.",
        ),
        ({"currency": "EUR", "worth": Decimal("1100.00")}, "€1,293.68 at stake, worth £1,100.00, gives 10.1."),
        (
            {"currency": "EUR", "rate_known": False},
            "€1,293.68 at stake, counted 1:1 in GBP because no EUR rate is entered, gives 10.3.",
        ),
    ],
)
def test_what_the_money_part_says(changes, said):
    assert words(**changes).startswith(said)


def test_a_deadline_before_the_epoch_adds():
    assert "is 1.0 days before 1 Jan 2026 and adds 1.0." in words(due_at=datetime(2025, 12, 31, tzinfo=UTC))
