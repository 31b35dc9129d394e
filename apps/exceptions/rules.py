"""How cases are ranked (architecture.md section 3): money that doubles counts as much as one day of deadline."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import log2

from apps.core import money

# Deadlines count in days from here. Only differences matter; moving it would change every stored score.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WORTH_PLACES = Decimal("0.0001")
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a unit of another currency is worth in `base`, from a day on: {"EUR": [(date, rate), ...]}, dates rising."""

    base: str
    by_currency: Mapping[str, Sequence[tuple[date, Decimal]]]

    def worth(self, stake: Decimal, currency: str, day: date) -> tuple[Decimal, bool]:
        """The stake in the base currency at the day's rate. False with it: no rate is there, and 1:1 was taken."""
        if currency == self.base:
            return stake, True
        dated = self.by_currency.get(currency, ())
        known = bisect_right(dated, day, key=lambda entry: entry[0])
        if not known:
            return stake, False
        return (stake * dated[known - 1][1]).quantize(WORTH_PLACES, ROUND_HALF_UP), True


def score(worth: Decimal, floor: Decimal, due_at: datetime) -> float:
    """log2 of the worth, at least the type's floor (base currency, above 0), less the deadline in days since EPOCH."""
    return _money_part(worth, floor) - _deadline_part(due_at)


def score_words(
    *,
    stake: Decimal,
    currency: str,
    worth: Decimal,
    base: str,
    rate_known: bool,
    floor: Decimal,
    due_at: datetime,
) -> str:
    """The score as a sum that finance can follow. `due_at` comes in the zone in which it is to be read."""
    sentences = [
        f"{_stake_words(stake, currency, worth, base, rate_known, floor)} gives {_money_part(worth, floor):.1f}.",
        _deadline_words(due_at),
        f"Score {_signed(score(worth, floor, due_at))}: the highest comes first.",
        "Twice the money counts as much as a deadline one day earlier.",
    ]
    return " ".join(sentences)


def _money_part(worth: Decimal, floor: Decimal) -> float:
    if floor <= 0:
        raise ValueError(f"the floor of a type is above zero, not {floor}")
    return log2(max(worth, floor))


def _deadline_part(due_at: datetime) -> float:
    return (due_at - EPOCH) / DAY


def _stake_words(stake: Decimal, currency: str, worth: Decimal, base: str, rate_known: bool, floor: Decimal) -> str:
    said = f"{money.words(stake, currency)} at stake"
    if not rate_known:
        said += f", counted 1:1 in {base} because no {currency} rate is entered,"
    elif currency != base:
        said += f", worth {money.words(worth, base)},"
    if worth < floor:
        said += f" is below {money.words(floor, base)}, the least for this kind of exception, which"
    return said


def _deadline_words(due_at: datetime) -> str:
    days = _deadline_part(due_at)
    said = f"Due {due_at:%a} {due_at.day} {due_at:%b %Y} {due_at:%H:%M}"
    side = "after" if days >= 0 else "before"
    effect = f"takes {days:.1f} off" if days >= 0 else f"adds {-days:.1f}"
    return f"{said} is {abs(days):.1f} days {side} 1 Jan {EPOCH.year} and {effect}."


def _signed(figure: float) -> str:
    return f"{money.MINUS if figure < 0 else ''}{abs(figure):.1f}"
