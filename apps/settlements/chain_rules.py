"""Which settlements hand their reserve on to which, and whether each was given back what the one before kept. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Payout:
    """A settlement as chains see it: its days in the company's zone, and its reserve lines, 0 where it has none.

    `given_back` is the sum of its "Previous Reserve Amount Balance"; `kept` is what its "Current Reserve Amount" took away,
    as a rule above zero. `marketplaces` are names in lower case; none says nothing. `chain` is where a person put it.
    """

    id: str
    start: date
    end: date
    marketplaces: frozenset[str] = frozenset()
    given_back: Decimal = ZERO
    kept: Decimal = ZERO
    chain: int | None = None

    @property
    def when(self) -> tuple[date, date, str]:
        return self.start, self.end, self.id

    def touches(self, later: "Payout") -> bool:
        """Whether the later one begins where this one ends. A day between counts as none, but for daily payouts."""
        daily = min(self.end - self.start, later.end - later.start) <= DAY
        return later.start - self.end <= (DAY if not daily else timedelta(0))


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Settlements that belong together, in order of time. `chain`: the one in which a person put some of them."""

    payouts: tuple[Payout, ...]
    chain: int | None

    @property
    def marketplaces(self) -> frozenset[str]:
        return frozenset().union(*(payout.marketplaces for payout in self.payouts))


@dataclass(frozen=True)
class _Step:
    """That `after` may follow `before`. The lowest `order` is taken first; equally good are those of one `worth`."""

    before: Payout
    after: Payout

    @property
    def worth(self) -> tuple[int, int]:
        return self._amounts, self._likeness

    @property
    def order(self) -> tuple:
        return *self.worth, self.after.start - self.before.end, self.before.when, self.after.when

    @property
    def _amounts(self) -> int:
        """Equal amounts say something where the days adjoin; over a gap they would be chance."""
        if not self.before.touches(self.after):
            return 3
        if self.before.kept != self.after.given_back:
            return 2
        return 0 if self.after.given_back else 1

    @property
    def _likeness(self) -> int:
        first, second = self.before.marketplaces, self.after.marketplaces
        return 0 if first == second else 1 if first & second else 2


class _Groups:
    """Settlements that go together so far. What a person put in one chain goes together from the start."""

    def __init__(self, payouts: list[Payout]):
        self.of: dict[str, list[Payout]] = {}
        placed: dict[int, list[Payout]] = defaultdict(list)
        for payout in payouts:
            group = [] if payout.chain is None else placed[payout.chain]
            group.append(payout)
            self.of[payout.id] = group
        self.followed: set[str] = set()
        self.following: set[str] = set()

    def open(self, step: _Step) -> bool:
        """Whether the step can still be taken: nobody stands between, no two would run at once, marketplaces agree."""
        if step.before.id in self.followed or step.after.id in self.following:
            return False
        first, second = self.of[step.before.id], self.of[step.after.id]
        if first is second:
            return True
        if _chain(first) is not None and _chain(second) is not None:
            return False
        mine = step.before.marketplaces or _marketplaces(first)
        theirs = step.after.marketplaces or _marketplaces(second)
        return (not mine or not theirs or bool(mine & theirs)) and not _at_once(first, second)

    def join(self, steps: Iterable[_Step]) -> set[str]:
        """Take the steps, best first; returns the ids that could as well have followed another."""
        doubtful: set[str] = set()
        rivals: dict[tuple[str, tuple[int, int]], list[_Step]] = defaultdict(list)
        for step in steps:
            rivals["<" + step.before.id, step.worth].append(step)
            rivals[">" + step.after.id, step.worth].append(step)
        for step in sorted(steps, key=lambda step: step.order):
            if not self.open(step):
                continue
            if self.of[step.before.id] is not self.of[step.after.id]:
                doubtful |= self._doubts(step, rivals)
            self._take(step)
        return doubtful

    def _doubts(self, step: _Step, rivals: dict) -> set[str]:
        before, after = self.of[step.before.id], self.of[step.after.id]
        doubtful = set()
        for other in rivals[">" + step.after.id, step.worth]:
            if other != step and self.open(other) and _at_once(before, self.of[other.before.id]):
                doubtful.add(step.after.id)
        for other in rivals["<" + step.before.id, step.worth]:
            if other != step and self.open(other) and _at_once(after, self.of[other.after.id]):
                doubtful |= {step.after.id, other.after.id}
        return doubtful

    def _take(self, step: _Step) -> None:
        self.followed.add(step.before.id)
        self.following.add(step.after.id)
        first, second = self.of[step.before.id], self.of[step.after.id]
        if first is not second:
            first.extend(second)
            self.of.update((payout.id, first) for payout in second)


def propose(payouts: Iterable[Payout]) -> tuple[list[Proposal], frozenset[str]]:
    """The chains of one connection and currency, whatever the order of arrival, and the ids of those that are in doubt.

    A settlement follows the one of the same marketplaces that ends where it begins and kept what it was given back; else
    one of the same marketplaces that ends where it begins; else the last one before it; else it opens a chain. In doubt is
    what could as well have followed another one. What a person placed stays where it is.
    """
    ordered = sorted(payouts, key=lambda payout: payout.when)
    groups = _Groups(ordered)
    doubtful = groups.join(_touching(ordered))
    doubtful |= groups.join(
        [
            _Step(before, after)
            for before in ordered if before.id not in groups.followed
            for after in ordered if after.id not in groups.following
            if before.id != after.id and before.end <= after.start
        ]
    )  # fmt: skip
    found = {id(group): group for group in groups.of.values()}.values()
    placed = {payout.id for payout in ordered if payout.chain is not None}
    proposals = [Proposal(payouts=in_order(group), chain=_chain(group)) for group in found]
    return sorted(proposals, key=lambda proposal: proposal.payouts[0].when), frozenset(doubtful - placed)


def _touching(ordered: list[Payout]) -> list[_Step]:
    starts = [payout.start for payout in ordered]
    return [
        _Step(before, after)
        for before in ordered
        for after in ordered[bisect_left(starts, before.end) : bisect_right(starts, before.end + DAY)]
        if before.id != after.id and before.touches(after)
    ]


def _chain(group: list[Payout]) -> int | None:
    return next((payout.chain for payout in group if payout.chain is not None), None)


def _marketplaces(group: list[Payout]) -> frozenset[str]:
    return frozenset().union(*(payout.marketplaces for payout in group))


def _at_once(first: list[Payout], second: list[Payout]) -> bool:
    return any(mine.start < theirs.end and theirs.start < mine.end for mine in first for theirs in second)


class Link(StrEnum):
    """How a settlement hangs on the one before it."""

    HOLDS = "holds"
    BROKEN = "broken"
    GAP = "gap"
    OPENING = "opening"


@dataclass(frozen=True, kw_only=True)
class Linked:
    """A settlement in its chain. `expected` is what the one before kept, or for the first the opening reserve."""

    payout: Payout
    before: Payout | None
    expected: Decimal
    link: Link

    @property
    def difference(self) -> Decimal:
        return self.payout.given_back - self.expected


def in_order(payouts: Iterable[Payout]) -> tuple[Payout, ...]:
    return tuple(sorted(payouts, key=lambda payout: payout.when))


def links(payouts: Iterable[Payout], opening: Decimal | None) -> list[Linked]:
    """The settlements of a chain in order, each held against the one before. `opening` None: nobody confirmed it yet."""
    found: list[Linked] = []
    before: Payout | None = None
    for payout in in_order(payouts):
        expected = before.kept if before else opening or ZERO
        if before and not before.touches(payout):
            link = Link.GAP
        elif payout.given_back == expected:
            link = Link.HOLDS
        else:
            link = Link.BROKEN if before or opening is not None else Link.OPENING
        found.append(Linked(payout=payout, before=before, expected=expected, link=link))
        before = payout
    return found


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the reserve account comes to, `opening` and all `movements`, against what the last file kept."""

    opening: Decimal
    movements: Decimal
    kept: Decimal

    @property
    def comes_to(self) -> Decimal:
        return self.opening + self.movements

    @property
    def difference(self) -> Decimal:
        return self.comes_to - self.kept


def standing(payouts: Iterable[Payout], opening: Decimal | None) -> Standing:
    ordered = in_order(payouts)
    return Standing(
        opening=opening or ZERO,
        movements=sum((payout.kept - payout.given_back for payout in ordered), ZERO),
        kept=ordered[-1].kept if ordered else ZERO,
    )
