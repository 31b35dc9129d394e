"""What a change of the mapping would do to the drafts, computed from roll-ups (architecture.md section 3)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from apps.core.models import Entity
from apps.core.money import ZERO, words
from apps.exceptions.models import Case
from apps.ledger.models import Account
from apps.ledger.rules import Line
from apps.settlements.comparison import (
    AccountChange,
    Comparison,
    Correction,
    CorrectionLine,
    CurrencyChange,
    PayoutChange,
    Stop,
)
from apps.settlements.facts import Facts
from apps.settlements.journals import Payout, Spans, returned
from apps.settlements.models import FeeSignature
from apps.settlements.writing import Entry

NO_ACCOUNT = "No account"
STOPPING = ("settlement.fee-unmapped", "ledger.tax-code-unmapped")


def days_of(spans: Spans) -> set[date]:
    """On which a proposed rule begins or ends."""
    return {day for found in spans.values() for span, _ in found for day in (span.since, span.until) if day}


def compare(facts: Facts, before: Sequence[Payout], after: Sequence[Payout]) -> Comparison:
    """Of the same payouts, by today's rules, legs or file and by the changed ones. A line counts where it gets an account."""
    entity = facts.entity
    dropped = sorted(_keys(before) - _keys(after))
    lines, moved, gross, moved_gross = 0, 0, defaultdict(Decimal), defaultdict(Decimal)
    for old, new in zip(before, after, strict=True):
        if not _of_the_same_lines(old, new):
            continue
        for was, now in zip(old.cells, new.cells, strict=True):
            if was.posting is None and now.posting is not None:
                lines += now.lines
                gross[old.settlement.currency] += now.credit + now.debit
            elif was.posting != now.posting:
                moved += now.lines
                moved_gross[old.settlement.currency] += now.credit + now.debit
    freed, blocked = defaultdict(Decimal), defaultdict(Decimal)
    for old, new in zip(before, after, strict=True):
        if not old.complete:
            blocked[old.settlement.currency] += max(old.version.total, ZERO)
            if new.complete:
                freed[old.settlement.currency] += max(old.version.total, ZERO)
    return Comparison(
        lines=lines,
        gross=dict(gross),
        moved=moved,
        moved_gross=dict(moved_gross),
        currencies=_currencies(entity, before, after),
        payouts=_payouts(entity, after),
        journals=sum(entry.corrects is None for entry in _changed(before, after)),
        corrections=_corrections(entity, before, after),
        returned=[key for key in returned(facts, after) if key not in dropped],
        dropped=dropped,
        locked=dict(
            Counter(entry.period for payout in after for entry in payout.entries if entry.period in facts.locked)
        ),
        freed=dict(freed),
        blocked=dict(blocked),
    )


def _of_the_same_lines(old: Payout, new: Payout) -> bool:
    """Not where another file counts, or the legs fall otherwise: then nothing is to be said cell by cell."""
    lines = [[(cell.cause, cell.day, cell.leg, cell.lines) for cell in payout.cells] for payout in (old, new)]
    return old.version.pk == new.version.pk and lines[0] == lines[1]


def _keys(payouts: Sequence[Payout]) -> set[str]:
    return {entry.key for payout in payouts for entry in payout.entries}


def _currencies(entity: Entity, before: Sequence[Payout], after: Sequence[Payout]) -> list[CurrencyChange]:
    old, new = balances(before), balances(after)
    accounts = {account.pk: account for account in Account.objects.filter(entity=entity)}
    found = []
    for currency in sorted(old.keys() | new.keys()):
        was, now = old[currency], new[currency]
        changed = sorted(
            (account for account in was.keys() | now.keys() if was[account] != now[account]),
            key=lambda account: accounts[account].code if account else "",
        )
        if changed:
            found.append(
                CurrencyChange(
                    currency=currency,
                    accounts=[
                        AccountChange(
                            name=str(accounts[account]) if account else NO_ACCOUNT,
                            before=words(was[account], currency),
                            after=words(now[account], currency),
                            change=_signed(now[account] - was[account], currency),
                        )
                        for account in changed
                    ],
                    before=words(sum((was[account] for account in changed), ZERO), currency),
                    after=words(sum((now[account] for account in changed), ZERO), currency),
                )
            )
    return found


def _changed(before: Sequence[Payout], after: Sequence[Payout]) -> list[Entry]:
    """The journals that would come or say something else."""
    known = {entry.key: entry.lines_hash for payout in before for entry in payout.entries}
    entries = (entry for payout in after for entry in payout.entries)
    return [entry for entry in entries if known.get(entry.key) != entry.lines_hash]


def _corrections(entity: Entity, before: Sequence[Payout], after: Sequence[Payout]) -> list[Correction]:
    accounts = {account.pk: str(account) for account in Account.objects.filter(entity=entity)}
    return [_correction(entry, accounts) for entry in _changed(before, after) if entry.corrects is not None]


def _correction(entry: Entry, accounts: dict[int, str]) -> Correction:
    currency = entry.version.settlement.currency
    return Correction(
        key=entry.key,
        month=entry.month,
        posted=entry.period,
        lines=[
            CorrectionLine(
                name=accounts[line.account] if line.account else line.label,
                debit=words(line.debit, currency) if line.debit else "",
                credit=words(line.credit, currency) if line.credit else "",
            )
            for line in entry.draft.lines
        ],
    )


def balances(payouts: Sequence[Payout]) -> dict[str, dict[int | None, Decimal]]:
    """Currency -> account (None: no account) -> debits less credits."""
    found: dict = defaultdict(lambda: defaultdict(Decimal))
    for payout in payouts:
        for draft in payout.drafts:
            for line in draft.lines:
                found[payout.settlement.currency][line.account] -= line.amount
    return found


def _payouts(entity: Entity, after: Sequence[Payout]) -> list[PayoutChange]:
    stopping = {
        line.label: line for payout in after for draft in payout.drafts for line in draft.lines if line.account is None
    }
    cases = _cases(entity, list(stopping.values()))
    return [
        PayoutChange(
            settlement_id=new.settlement.settlement_id,
            payout=words(new.version.total, new.settlement.currency),
            months=_months([draft.period for draft in new.drafts]),
            complete=new.complete,
            stops=[Stop(label=label, case=cases.get(label)) for label in dict.fromkeys(_stops(new))],
        )
        for new in after
    ]


def _stops(payout: Payout) -> list[str]:
    return [line.label for draft in payout.drafts for line in draft.lines if line.account is None]


def _cases(entity: Entity, lines: Sequence[Line]) -> dict[str, int]:
    """The label of a line without an account -> its live case."""
    keys = dict(
        FeeSignature.objects.filter(pk__in=[line.parts[0].cause for line in lines if line.parts]).values_list(
            "pk", "key"
        )
    )
    subjects = {line.label: line.missing_tax or keys[line.parts[0].cause] for line in lines if line.parts}
    live = Case.objects.live().filter(entity=entity, type__in=STOPPING, subject__in=subjects.values())
    found = dict(live.values_list("subject", "pk"))
    return {label: found[subject] for label, subject in subjects.items() if subject in found}


def _months(periods: Sequence[date]) -> str:
    return ", ".join(f"{period:%b}" for period in periods)


def _signed(amount: Decimal, currency: str) -> str:
    return f"+{words(amount, currency)}" if amount > 0 else words(amount, currency)
