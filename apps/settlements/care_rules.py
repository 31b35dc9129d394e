"""What of a mapping wants a look, pure: rules that win nowhere or meet half way, fees with a new name, fees that cost more."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, permutations
from statistics import median

from apps.settlements.rules import ENDING, FIELDS, Rule, Signature, matches, rank, resolve_spans

GONE_FOR = timedelta(days=7)  # a fee without a line for so long, while its successor has some, is taken to have stopped
APART = timedelta(days=45)  # at most between the last day of a name and the first of the next: three settlements
TOGETHER = timedelta(days=3)  # both names may be used on so many days: Amazon does not switch at midnight
ALIKE = Decimal("0.10")  # money per line of a new name against that of the old one
ENOUGH_LINES = 10  # of each name: the mean of fewer says little
TIMES = 3
SETTLEMENTS_BEFORE = 3  # at least, to say what a fee used to cost


@dataclass(frozen=True)
class Shadowed:
    """A rule that matches fees and wins none of them on any day, and the rules that win instead."""

    rule: int
    by: tuple[int, ...]
    fees: int


@dataclass(frozen=True)
class Overlap:
    """Two rules that match the same fees, neither being the other in narrower terms. `fee` is one of them."""

    winner: int
    loser: int
    fee: int
    fees: int


@dataclass(frozen=True)
class RuleCare:
    """`unused`: rules that match no fee that was ever seen."""

    unused: list[int]
    shadowed: list[Shadowed]
    overlaps: list[Overlap]


def look_at_rules(rules: Sequence[Rule], fees: Mapping[int, Signature]) -> RuleCare:
    matched: dict[int, list[int]] = defaultdict(list)
    won: set[int] = set()
    beaten_by: dict[int, set[int]] = defaultdict(set)
    meeting: dict[tuple[int, int], list[int]] = defaultdict(list)
    for fee, candidates in _candidates(rules, fees):
        winners = resolve_spans(candidates, fees[fee])
        won.update(rule.id for _, rule in winners)
        for rule in candidates:
            matched[rule.id].append(fee)
            beaten_by[rule.id].update(
                other.id for span, other in winners if other is not rule and span.meets(rule.span)
            )
        for one, other in combinations(sorted(candidates, key=rank, reverse=True), 2):
            if one.span.meets(other.span) and not related(one.pattern, other.pattern):
                meeting[one.id, other.id].append(fee)
    return RuleCare(
        unused=[rule.id for rule in rules if rule.id not in matched],
        shadowed=[
            Shadowed(rule.id, tuple(sorted(beaten_by[rule.id])), len(matched[rule.id]))
            for rule in rules
            if rule.id in matched and rule.id not in won
        ],
        overlaps=[Overlap(winner, loser, common[0], len(common)) for (winner, loser), common in meeting.items()],
    )


def _candidates(rules: Iterable[Rule], fees: Mapping[int, Signature]) -> Iterable[tuple[int, list[Rule]]]:
    """The rules that match each fee. Those with a whole description are looked up by it: most rules have one."""
    whole: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        description = rule.pattern.amount_description
        whole["" if description.endswith(ENDING) else description].append(rule)
    for fee, signature in fees.items():
        near = {rule.id: rule for text in (signature.amount_description, "") for rule in whole.get(text, ())}
        yield fee, [rule for rule in near.values() if matches(rule.pattern, signature)]


def refines(narrow: Signature, wide: Signature) -> bool:
    """Whether whatever the narrow pattern matches, the wide one matches."""
    return all(_narrower(field, getattr(narrow, field), getattr(wide, field)) for field in FIELDS)


def related(one: Signature, other: Signature) -> bool:
    return refines(one, other) or refines(other, one)


def _narrower(field: str, narrow: str, wide: str) -> bool:
    if field == "amount_description" and wide.endswith(ENDING):
        beginning = wide.removesuffix(ENDING)
        return narrow.startswith(beginning) if narrow else not beginning
    return not wide or narrow == wide


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A fee as settlements show it in one currency. `money` is signed as Amazon signs it. Only fees of the same `kin` can be

    one another's new name: those of one company, marketplace, transaction-type and treatment.
    """

    fee: int
    kin: Hashable
    currency: str
    first: date
    last: date
    lines: int
    money: Decimal

    @property
    def per_line(self) -> Decimal:
        return self.money / self.lines


@dataclass(frozen=True)
class Renamed:
    """A fee that stopped as another began, with the same money per line."""

    old: Seen
    new: Seen

    @property
    def differs(self) -> Decimal:
        """How much more the new one is per line, as a share of the old one: 0.02 is 2 % more."""
        return self.new.per_line / self.old.per_line - 1


def renamed(seen: Iterable[Seen]) -> list[Renamed]:
    """Each fee is in one pair at most: the closest in money, then in time."""
    by_kin: dict[tuple, list[Seen]] = defaultdict(list)
    for each in seen:
        if each.lines >= ENOUGH_LINES and each.money:
            by_kin[each.kin, each.currency].append(each)
    pairs = [Renamed(old, new) for kin in by_kin.values() for old, new in permutations(kin, 2) if _follows(old, new)]
    pairs.sort(key=lambda pair: (abs(pair.differs), abs(pair.new.first - pair.old.last), pair.old.fee, pair.new.fee))
    taken: set[int] = set()
    found = []
    for pair in pairs:
        if not taken & {pair.old.fee, pair.new.fee}:
            taken |= {pair.old.fee, pair.new.fee}
            found.append(pair)
    return found


def _follows(old: Seen, new: Seen) -> bool:
    return (
        old.first < new.first
        and -TOGETHER <= new.first - old.last <= APART
        and new.last - old.last >= GONE_FOR
        and abs(new.money * old.lines - old.money * new.lines) <= abs(old.money * new.lines) * ALIKE
    )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A fee in one settlement. `items`: order items of its marketplace and transaction-type there, 0 where it has none."""

    settlement: str
    money: Decimal
    lines: int
    items: int


@dataclass(frozen=True, kw_only=True)
class Dearer:
    """What a fee cost in its newest settlement, and in the median of those before: money for each item or each line."""

    settlement: str
    each: Decimal
    before: Decimal
    settlements_before: int
    per_item: bool

    @property
    def times(self) -> Decimal:
        return self.each / self.before


def dearer(costs: Sequence[Cost]) -> Dearer | None:
    """From a fee's settlements in order of time, in one currency: whether the newest costs TIMES as much or more."""
    *before, newest = costs
    if len(before) < SETTLEMENTS_BEFORE:
        return None
    per_item = all(cost.items for cost in costs)
    each, *usual = (Fraction(cost.money) / (cost.items if per_item else cost.lines) for cost in (newest, *before))
    middle = median(usual)
    if not middle or each / middle < TIMES:
        return None
    return Dearer(
        settlement=newest.settlement,
        each=_decimal(each),
        before=_decimal(middle),
        settlements_before=len(before),
        per_item=per_item,
    )


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / exact.denominator
