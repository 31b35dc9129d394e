"""Dates, spans, sums and bars in words and figures."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.console import waterfall, words

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 12, 9, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 11, 12, 17, 0, tzinfo=UTC), "Today 17:00"),
        (datetime(2026, 11, 13, 17, 0, tzinfo=UTC), "Tomorrow 17:00"),
        (datetime(2026, 11, 11, 0, 5, tzinfo=UTC), "Yesterday 00:05"),
        (datetime(2026, 10, 26, 23, 14, tzinfo=UTC), "Mon 26 Oct 23:14"),
        (datetime(2026, 7, 1, 23, 30, tzinfo=UTC), "Thu 2 Jul 00:30"),  # summer time
        (datetime(2027, 1, 4, 9, 0, tzinfo=UTC), "Mon 4 Jan 2027 09:00"),
    ],
)
def test_instants(at, said):
    assert words.instant(at, NOW, LONDON) == said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (date(2026, 10, 10), date(2026, 10, 24), "10–24 Oct"),
        (date(2026, 10, 24), date(2026, 11, 7), "24 Oct–7 Nov"),
        (date(2025, 12, 24), date(2026, 1, 7), "24 Dec 2025–7 Jan 2026"),
        (date(2025, 10, 10), date(2025, 10, 24), "10–24 Oct 2025"),
        (date(2026, 10, 10), date(2026, 10, 10), "10 Oct"),
    ],
)
def test_periods(start, end, said):
    assert words.period(start, end, NOW.date()) == said


@pytest.mark.parametrize(
    ("left", "said", "near"),
    [
        (timedelta(days=1, hours=7, minutes=20), "in 1 d 7 h", "soon"),
        (timedelta(hours=7, minutes=18), "in 7 h 18 m", "soon"),
        (timedelta(days=4, hours=3), "in 4 d", "later"),
        (timedelta(days=2), "in 2 d", "later"),
        (timedelta(minutes=11), "in 11 m", "soon"),
        (-timedelta(hours=2), "2 h late", "over"),
        (-timedelta(seconds=5), "5 s late", "over"),
    ],
)
def test_deadlines(left, said, near):
    assert words.time_left(NOW + left, NOW) == said
    assert words.nearness(NOW + left, NOW) == near


def test_currencies_are_never_added():
    assert words.sums([("EUR", Decimal("46.40")), ("GBP", Decimal("1573.68"))]) == "£1,573.68 + €46.40"
    assert words.sums([]) == "–"
    assert words.figure(Decimal("-1846.3"), "GBP") == "−1,846.30"
    assert words.figure(Decimal("1200"), "JPY") == "1,200"


def test_lists_of_names():
    assert words.listed([]) == ""
    assert words.listed(["Marta Lis"]) == "Marta Lis"
    assert words.listed(["Marta Lis", "Priya Nair", "Ian Grove"]) == "Marta Lis, Priya Nair and Ian Grove"


AMOUNT = st.decimals(-100000, 100000, places=2)


@given(st.lists(st.tuples(st.text("abc ", min_size=1, max_size=40), AMOUNT), max_size=30))
def test_the_bars_stand_on_each_other_inside_the_chart(steps):
    chart = waterfall.chart(steps, "Payout")
    *bars, total = chart.bars
    assert len(bars) <= waterfall.BARS
    assert total.amount == sum((amount for _, amount in steps), Decimal(0))
    assert sum((bar.amount for bar in bars), Decimal(0)) == total.amount
    for bar in chart.bars:
        assert bar.y >= 0 and bar.y + bar.height <= waterfall.FLOOR + 2
        assert bar.x >= 0 and bar.right <= waterfall.WIDTH
        assert len(bar.label) <= 2
    for bar, following in zip(bars, chart.bars[1:], strict=False):
        assert following.x == bar.next_x


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (1000, "1,000 a second"),
        (5, "5 a second"),
        (1, "1 a second"),
        (0.9, "1 a second"),
        (0.5, "one every 2 s"),
        (0.0222, "one every 45 s"),
        (0.0056, "one every 3 min"),
    ],
)
def test_how_often_a_call_may_be_made(rate, said):
    assert words.pace(rate) == said
