"""A change of the mapping replayed on settlements that are there: what it wins, what it moves, which journals would differ.

It is the arithmetic of the real change, on a transaction in which the database refuses every write.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from apps.core.models import Entity, User
from apps.ledger.models import Account
from apps.settlements import journals, operations
from apps.settlements.exception_types.map_fee import rule_fields
from apps.settlements.facts import Facts, read
from apps.settlements.journals import Payout, Spans
from apps.settlements.models import FeeSignature, Settlement
from apps.settlements.plans import NO_ACCOUNT, balances, days_of
from apps.settlements.resolutions import rules_of
from apps.settlements.rule_deeds import fields
from apps.settlements.rule_versions import change, spans_after, undo

REBUILT, RETURNED, CORRECTED, DROPPED = (
    "The draft is rebuilt", "Approved: goes back to draft", "Exported: a correction is written", "Nothing is left in it",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Won:
    """A fee whose lines the change maps otherwise. `money` is signed as Amazon signs it; accounts in words."""

    fee: FeeSignature
    lines: int
    money: Decimal
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What is booked on an account, debits less credits, now and with the change."""

    account: int | None
    name: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Differs:
    """A journal that would differ. `locked`: its month is, so it waits."""

    key: str
    how: str
    period: date
    locked: bool


@dataclass(frozen=True, kw_only=True)
class Replayed:
    settlement: Settlement
    won: list[Won]
    moved: list[Moved]
    journals: list[Differs]

    @property
    def lines(self) -> int:
        return sum(each.lines for each in self.won)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """`found` are the settlements in which the change shows, the newest first, of all that were `looked_at`."""

    found: list[Replayed]
    looked_at: int


def _changed(rule: Any, actor: User, cleaned: dict[str, Any]) -> Spans:
    return spans_after(rule.entity, rules_of(rule.entity), [change(rule, **fields(cleaned), actor=actor)])


def _undone(rule: Any, actor: User, cleaned: dict[str, Any]) -> Spans:
    return spans_after(rule.entity, rules_of(rule.entity), [undo(rule, reason=cleaned["reason"], actor=actor)])


def _mapped(case: Any, actor: User, cleaned: dict[str, Any]) -> Spans:
    rules = rules_of(case.entity)
    return spans_after(case.entity, rules, [], [operations.new_rule(**rule_fields(cleaned), actor=actor, rules=rules)])


CHANGES: Mapping[tuple[str, str], Callable[[Any, User, dict[str, Any]], Spans]] = {
    ("rule", "change"): _changed,
    ("rule", "undo"): _undone,
    ("case", "map-fee"): _mapped,
}
"""(kind of record, what is done to it) -> what would map each signature concerned, from the cleaned form."""


@contextmanager
def reading_only() -> Iterator[None]:
    """A transaction in which the database itself refuses to write."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        yield


def replay(
    entity: Entity, spans: Spans, *, last: int | None = None, since: date | None = None, until: date | None = None
) -> Replay:
    """On the `last` settlements that were taken, or on those that ended from a day on until another one, both included.

    Reads roll-ups, in as many statements for a hundred settlements as for one.
    """
    versions = journals.buildable(entity).order_by("-settlement__end_at", "-pk")
    if since:
        versions = versions.filter(settlement__end_at__date__gte=since)
    if until:
        versions = versions.filter(settlement__end_at__date__lte=until)
    recent = list(versions[:last])
    facts = read(entity, recent, cuts=days_of(spans))
    before, after = journals.compute(facts), journals.compute(facts, spans=spans)
    names = {account.pk: str(account) for account in Account.objects.filter(entity=entity)}
    fees = FeeSignature.objects.in_bulk(list(spans))
    found = [_replayed(facts, *pair, names, fees) for pair in zip(before, after, strict=True)]
    return Replay(found=[each for each in found if each.won or each.journals], looked_at=len(recent))


def _replayed(
    facts: Facts, old: Payout, new: Payout, names: Mapping[int, str], fees: Mapping[int, FeeSignature]
) -> Replayed:
    return Replayed(
        settlement=old.settlement,
        won=_won(old, new, names, fees),
        moved=_moved(old, new, names),
        journals=_differing(facts, old, new),
    )


def _won(old: Payout, new: Payout, names: Mapping[int, str], fees: Mapping[int, FeeSignature]) -> list[Won]:
    lines: dict[tuple, int] = defaultdict(int)
    money: dict[tuple, Decimal] = defaultdict(Decimal)
    for was, now in zip(old.cells, new.cells, strict=True):
        if was.posting != now.posting:
            key = (was.cause, was.posting, now.posting)
            lines[key] += was.lines
            money[key] += was.amount
    return [
        Won(
            fee=fees[key[0]],
            lines=count,
            money=money[key],
            **{side: names[to.account] if to else NO_ACCOUNT for side, to in zip(("before", "after"), key[1:], strict=True)},
        )
        for key, count in sorted(lines.items(), key=lambda each: (-each[1], each[0][0]))
    ]


def _moved(old: Payout, new: Payout, names: Mapping[int, str]) -> list[Moved]:
    currency = old.settlement.currency
    was, now = balances([old])[currency], balances([new])[currency]
    changed = [account for account in was.keys() | now.keys() if was[account] != now[account]]
    found = [
        Moved(account=each, name=names.get(each, NO_ACCOUNT), before=was[each], after=now[each]) for each in changed
    ]
    return sorted(found, key=lambda each: each.name)


def _differing(facts: Facts, old: Payout, new: Payout) -> list[Differs]:
    known = {entry.key: entry for entry in old.entries}
    entries = {entry.key: entry for entry in new.entries}
    found = []
    for entry in entries.values():
        if entry.key in known and known[entry.key].lines_hash == entry.lines_hash:
            continue
        standing = facts.standing.get(entry.key)
        how = RETURNED if standing and standing.approved else CORRECTED if entry.corrects is not None else REBUILT
        found.append(Differs(key=entry.key, how=how, period=entry.period, locked=entry.period in facts.locked))
    for key in known.keys() - entries.keys():
        period = known[key].period
        found.append(Differs(key=key, how=DROPPED, period=period, locked=period in facts.locked))
    return sorted(found, key=lambda each: each.key)
