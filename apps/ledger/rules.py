"""Journal arithmetic, pure: amounts by month, the tax inside fees, what balances each month (domain.md 4.3 to 4.5).

Amounts are signed as Amazon signs them: above zero is a credit, below zero a debit.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

ZERO = Decimal(0)
HUNDRED = Decimal(100)
ANY_LEG = "*"

Rounding = Callable[[Decimal], Decimal]
"""Rounds half up to the smallest unit of the journal's currency."""


@dataclass(frozen=True)
class TaxCode:
    """A rate in percent contained in gross amounts. Without an account there is nothing to post: its rate is 0."""

    id: int
    name: str
    rate: Decimal
    account: int | None


@dataclass(frozen=True)
class TaxRule:
    """In force from `since` until the day before `until`; None is open."""

    leg: str
    since: date | None
    until: date | None
    code: int

    def in_force(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


@dataclass(frozen=True)
class TaxClass:
    id: int
    name: str
    default_leg: str
    rules: tuple[TaxRule, ...]

    def decide(self, leg: str, day: date) -> "TaxDecision":
        """The code for a leg on a day: the leg's own rule before the one for any leg. An empty leg takes the default.

        The default counts as taken only where the leg matters: where another leg would, or might, be taxed otherwise.
        """
        current = {rule.leg: rule.code for rule in self.rules if rule.in_force(day)}
        taken = leg or self.default_leg
        depends = ANY_LEG not in current or len(set(current.values())) > 1
        code = current.get(taken, current.get(ANY_LEG))
        return TaxDecision(leg=taken, code=code, default_taken=not leg and depends and code is not None)


@dataclass(frozen=True)
class TaxDecision:
    """`code` None: no rule covers this leg on this day."""

    leg: str
    code: int | None
    default_taken: bool


@dataclass(frozen=True)
class Posting:
    """Where an amount goes: an account and, for fees, the class that taxes it."""

    account: int
    tax_class: int | None = None


class Portion(NamedTuple):
    """One cell of a roll-up. `posting` None: nobody has given its cause an account."""

    cause: int
    label: str
    day: date
    leg: str
    lines: int
    credit: Decimal
    debit: Decimal
    posting: Posting | None

    @property
    def amount(self) -> Decimal:
        return self.credit - self.debit


@dataclass(frozen=True)
class Books:
    """What a company's journals are built with. Ids are the ledger's; `names` are for people, `codes` for order."""

    names: Mapping[int, str]
    codes: Mapping[int, str]
    roles: Mapping[str, int]
    tax_classes: Mapping[int, TaxClass]
    tax_codes: Mapping[int, TaxCode]

    @property
    def tax_days(self) -> set[date]:
        """Those on which a tax rule begins or has ended."""
        rules = [rule for found in self.tax_classes.values() for rule in found.rules]
        return {day for rule in rules for day in (rule.since, rule.until) if day}

    @cached_property
    def role_of(self) -> dict[int, str]:
        """Account id -> its role, of those that have one."""
        return {account: role for role, account in self.roles.items()}

    def has_role(self, account: int, role: str) -> bool:
        return self.role_of.get(account) == role


@dataclass
class Part:
    """What stands behind a line: the gross of one cause on one leg, empty where not known."""

    cause: int
    leg: str
    default_leg: bool
    lines: int = 0
    amount: Decimal = ZERO


@dataclass
class Line:
    """`amount` is signed (above zero: credit). Without an account the label says what is missing; `missing_tax` is the

    subject of a missing tax code, empty where the account itself is missing.
    """

    account: int | None
    label: str
    tax_code: int | None = None
    missing_tax: str = ""
    amount: Decimal = ZERO
    parts: list[Part] = field(default_factory=list)

    @property
    def debit(self) -> Decimal:
        return max(-self.amount, ZERO)

    @property
    def credit(self) -> Decimal:
        return max(self.amount, ZERO)


@dataclass
class Draft:
    """A balanced journal of one month. Incomplete while a line has no account."""

    period: date
    dated: date
    lines: list[Line]
    default_leg_lines: int = 0
    default_leg_amount: Decimal = ZERO

    @property
    def complete(self) -> bool:
        return all(line.account is not None for line in self.lines)


RESERVE = "reserve"
EARLIER_BALANCES = "Earlier balances with Amazon"
CLEARING, CARRIED_FORWARD = "clearing", "carried-forward"
ROLE_NAMES = {CLEARING: "Amazon clearing", CARRIED_FORWARD: "Carried forward"}


def tax_subject(tax_class: str, leg: str) -> str:
    """Names a class of fees on a leg: what a missing tax code is about."""
    return f"{tax_class} | {leg}"


def month_of(day: date) -> date:
    return day.replace(day=1)


def month_end(month: date) -> date:
    return month.replace(day=monthrange(month.year, month.month)[1])


def split_tax(gross: Decimal, rate: Decimal, round_half_up: Rounding) -> tuple[Decimal, Decimal]:
    """(net, tax) of a gross amount that contains `rate` percent. They add up to the gross exactly (domain.md 4.5)."""
    net = round_half_up(gross * HUNDRED / (HUNDRED + rate))
    return net, gross - net


def drafts(portions: Iterable[Portion], *, end: date, books: Books, round_half_up: Rounding) -> list[Draft]:
    """The journals of one payout, one a month, the last one in the month of `end` (the settlement's last day).

    What is posted after the end belongs to the end. Earlier months balance on the carried-forward account; the last one
    takes them back and posts the whole payout to clearing.
    """
    months: dict[date, list[Portion]] = defaultdict(list, {month_of(end): []})
    for portion in portions:
        months[month_of(min(portion.day, end))].append(portion)
    *earlier, last = (_month(month, months[month], books, round_half_up) for month in sorted(months))
    carried = ZERO
    for draft in earlier:
        balance = _balance(draft)
        carried += balance
        draft.lines.append(_role_line(CARRIED_FORWARD, -balance, books))
    if earlier:
        last.lines.append(_role_line(CARRIED_FORWARD, carried, books))
    last.dated = end
    last.lines.append(_role_line(CLEARING, -_balance(last), books))
    for draft in (*earlier, last):
        draft.lines = in_order(draft.lines, books)
    return [*earlier, last]


def in_order(lines: Iterable[Line], books: Books) -> list[Line]:
    """By account code, what has no account last."""
    return sorted(
        lines, key=lambda line: (line.account is None, books.codes.get(line.account, ""), line.label, line.tax_code or 0)
    )


def fingerprint(period: date, dated: date, lines: Iterable[Line]) -> str:
    """Of all that a journal says: what an approval is bound to. sha256 in hex; amounts to the last stored decimal."""
    said = [period.isoformat(), dated.isoformat()]
    for line in lines:
        said += [str(line.account), str(line.tax_code), line.label, f"{line.amount + ZERO:.4f}"]
    return sha256("\x1f".join(said).encode()).hexdigest()


def _month(month: date, portions: list[Portion], books: Books, round_half_up: Rounding) -> Draft:
    draft = Draft(period=month, dated=month_end(month), lines=[])
    lines: dict[Spot, Line] = {}
    parts: dict[tuple, Part] = {}
    decided: dict[tuple, TaxDecision] = {}
    for portion in portions:
        tax = _tax(portion, books, decided)
        spot = _spot(portion, tax, books)
        line = lines.get(spot)
        if line is None:
            line = lines[spot] = spot.line()
        default_taken = tax is not None and tax.default_taken
        origin = (spot, portion.cause, portion.leg, default_taken)
        part = parts.get(origin)
        if part is None:
            part = parts[origin] = Part(portion.cause, portion.leg, default_taken)
            line.parts.append(part)
        amount = portion.amount
        part.lines += portion.lines
        part.amount += amount
        line.amount += amount
        if default_taken:
            draft.default_leg_lines += portion.lines
            draft.default_leg_amount += portion.credit + portion.debit
    _take_tax_out(lines, books, round_half_up)
    draft.lines = list(lines.values())
    return draft


def _tax(portion: Portion, books: Books, decided: dict[tuple, TaxDecision]) -> TaxDecision | None:
    if portion.posting is None or portion.posting.tax_class is None:
        return None
    asked = (portion.posting.tax_class, portion.leg, portion.day)
    if asked not in decided:
        decided[asked] = books.tax_classes[portion.posting.tax_class].decide(portion.leg, portion.day)
    return decided[asked]


class Spot(NamedTuple):
    """The line that a portion belongs to. `cause` and `missing_tax` keep lines without an account apart."""

    account: int | None
    tax_code: int | None
    label: str
    cause: int | None = None
    missing_tax: str = ""

    def line(self) -> Line:
        return Line(self.account, self.label, self.tax_code, self.missing_tax)


def _spot(portion: Portion, tax: TaxDecision | None, books: Books) -> Spot:
    if portion.posting is None:
        return Spot(None, None, f"No account: {portion.label}", cause=portion.cause)
    if tax and tax.code is None:
        name = books.tax_classes[portion.posting.tax_class].name
        return Spot(None, None, f"No tax code: {name}, {tax.leg}", missing_tax=tax_subject(name, tax.leg))
    account = portion.posting.account
    role = books.role_of.get(account)
    if role == RESERVE:
        label = "Reserve, given back" if portion.amount > 0 else "Reserve, kept"
    elif role == CLEARING:
        label = EARLIER_BALANCES  # beside the payout itself, which has a line of its own
    else:
        label = books.names[account]
    return Spot(account, tax.code if tax else None, label)


def _take_tax_out(lines: dict[Spot, Line], books: Books, round_half_up: Rounding) -> None:
    """Leave the net on each taxed line and put all tax of one account on one line."""
    for line in list(lines.values()):
        code = books.tax_codes[line.tax_code] if line.tax_code is not None else None
        if code is None or code.account is None or not code.rate:
            continue
        line.amount, tax = split_tax(line.amount, code.rate, round_half_up)
        spot = Spot(code.account, None, books.names[code.account])
        lines.setdefault(spot, spot.line()).amount += tax


def _role_line(role: str, amount: Decimal, books: Books) -> Line:
    account = books.roles.get(role)
    label = books.names[account] if account else f"No account: {ROLE_NAMES[role]}"
    return Line(account=account, label=label, amount=amount)


def _balance(draft: Draft) -> Decimal:
    return sum((line.amount for line in draft.lines), ZERO)
