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
COMPARED_WITH_NOW = 10  # days to or from the deadline; beyond it the comparison would be with pennies or with millions


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
    now: datetime,
) -> str:
    """Where the score puts a case, in money that finance can compare. `due_at` comes in the zone in which it is to be read."""
    counted, days = max(worth, floor), (due_at - now) / DAY
    if abs(days) <= COMPARED_WITH_NOW:
        like = f"It ranks like {_money(counted * Decimal(2) ** Decimal(-days), base)} due right now"
    else:
        like = f"It ranks like {_money(counted / 2, base)} due a day sooner, or {_money(counted * 2, base)} due a day later"
    return " ".join([
        f"{_stake_words(stake, currency, worth, base, rate_known, floor)}.",
        f"Due {due_at:%a} {due_at.day} {due_at:%b %Y} {due_at:%H:%M}, {_left(days)}.",
        f"{like}: one day sooner counts as much as twice the money.",
    ])  # fmt: skip


def _money_part(worth: Decimal, floor: Decimal) -> float:
    if floor <= 0:
        raise ValueError(f"the floor of a type is above zero, not {floor}")
    return log2(max(worth, floor))


def _deadline_part(due_at: datetime) -> float:
    return (due_at - EPOCH) / DAY


def _stake_words(stake: Decimal, currency: str, worth: Decimal, base: str, rate_known: bool, floor: Decimal) -> str:
    said = f"{money.words(stake, currency)} at stake"
    if not rate_known:
        said += f", counted 1:1 in {base} because no {currency} rate is entered"
    elif currency != base:
        said += f", worth {money.words(worth, base)}"
    if worth < floor:
        said += f"{',' if currency != base else ''} counts as {money.words(floor, base)}, the least for this kind of exception"
    return said


def _left(days: float) -> str:
    hours = abs(days) * 24
    number, unit = (round(hours), "hour") if hours < 48 else (round(hours / 24), "day")
    span = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"in {span}" if days >= 0 else f"{span} late"


def _money(amount: Decimal, currency: str) -> str:
    return money.words(money.round_half_up(amount, currency), currency)
