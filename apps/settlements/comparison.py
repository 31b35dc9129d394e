"""What a preview says of journals: money by account before and after, corrections, what stays stopped. All in words."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from apps.core.money import ZERO, words
from apps.exceptions.types import Weight


@dataclass(frozen=True, kw_only=True)
class AccountChange:
    """One account's debits less credits in the drafts, in words: "£1,293.68"."""

    name: str
    before: str
    after: str
    change: str


@dataclass(frozen=True, kw_only=True)
class CurrencyChange:
    """The accounts that change, in one currency; both sums are over these accounts and equal."""

    currency: str
    accounts: list[AccountChange]
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Stop:
    """What still keeps a payout's drafts incomplete, and its case where one is open."""

    label: str
    case: int | None


@dataclass(frozen=True, kw_only=True)
class PayoutChange:
    settlement_id: str
    payout: str
    months: str
    complete: bool
    stops: list[Stop]


@dataclass(frozen=True, kw_only=True)
class CorrectionLine:
    """Debit or credit of an account, in words; the other one is empty."""

    name: str
    debit: str
    credit: str


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A journal of the difference to what has left: which month it corrects, and in which one it is posted."""

    key: str
    month: date
    posted: date
    lines: list[CorrectionLine]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The drafts now and then. Money per currency, never added across currencies. `locked`: how many wait for which month.

    `lines` and `gross` (without sign) get an account; `moved` and `moved_gross` had one and get another, or lose it.

    `dropped` are the keys of drafts in which nothing would be left to book.
    """

    lines: int
    gross: dict[str, Decimal]
    moved: int
    moved_gross: dict[str, Decimal]
    currencies: list[CurrencyChange]
    payouts: list[PayoutChange]
    journals: int
    corrections: list[Correction] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    locked: dict[date, int] = field(default_factory=dict)
    freed: dict[str, Decimal] = field(default_factory=dict)
    blocked: dict[str, Decimal] = field(default_factory=dict)

    @property
    def weight(self) -> Weight:
        currencies = {*self.gross, *self.moved_gross}
        money = {each: self.gross.get(each, ZERO) + self.moved_gross.get(each, ZERO) for each in currencies}
        return Weight(lines=self.lines + self.moved, money=money)

    @property
    def freed_words(self) -> str:
        return sums(self.freed)

    @property
    def effect(self) -> str:
        """Finishes a button: "rebuild 3 journals and write 1 correction"."""
        counts = [
            ("rebuild", "journal", self.journals),
            ("write", "correction", len(self.corrections)),
            ("drop", "draft", len(self.dropped)),
        ]
        said = [f"{verb} {count} {noun}{'' if count == 1 else 's'}" for verb, noun, count in counts if count]
        return " and ".join(said) or "change no journal"

    @property
    def blocked_words(self) -> str:
        return sums(self.blocked)


def sums(amounts: dict[str, Decimal]) -> str:
    return " + ".join(words(amount, currency) for currency, amount in sorted(amounts.items())) or "nothing"
