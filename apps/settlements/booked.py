"""What the journals of a settlement post, month by month, and in sum where the tie-out needs it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from apps.core.money import ZERO
from apps.ledger.models import Journal, JournalLine
from apps.ledger.rules import CARRIED_FORWARD, CLEARING, ROLE_NAMES
from apps.settlements.models import JournalPart, Settlement


@dataclass(frozen=True)
class Booked:
    """A journal with its lines and their sums. `number` 1 is all of its month, each later one a difference."""

    journal: Journal
    number: int
    lines: list[JournalLine]

    @property
    def debit(self) -> Decimal:
        return sum((line.debit for line in self.lines), ZERO)

    @property
    def credit(self) -> Decimal:
        return sum((line.credit for line in self.lines), ZERO)


@dataclass(frozen=True)
class Month:
    """What a settlement books of one month: the journal of all of it, and beneath it those that correct it."""

    first_day: date
    journals: list[Booked]


@dataclass(frozen=True)
class Posted:
    """What journals post in sum: to clearing, to carried forward, and to all other accounts as Amazon signs it."""

    clearing: Decimal
    carried_forward: Decimal
    rest: Decimal


def months_of(settlement: Settlement) -> list[Month]:
    """All that was booked of the settlement, by whichever of its versions. A journal that a void emptied says nothing."""
    rows = Journal.objects.filter(of_settlement__version__settlement=settlement).select_related("of_settlement")
    booked = list(rows.order_by("of_settlement__month", "of_settlement__number"))
    lines: dict[int, list[JournalLine]] = defaultdict(list)
    for line in JournalLine.objects.filter(journal__in=booked).select_related("account", "tax_code").order_by("number"):
        lines[line.journal_id].append(line)
    found: dict[date, list[Booked]] = defaultdict(list)
    for journal in booked:
        if lines[journal.pk]:
            found[journal.of_settlement.month].append(Booked(journal, journal.of_settlement.number, lines[journal.pk]))
    return [Month(month, journals) for month, journals in found.items()]


def _posts_to(line: JournalLine, role: str) -> bool:
    if line.account:
        return line.account.role == role
    return line.label == f"No account: {ROLE_NAMES[role]}"


def posted_by(months: list[Month]) -> Posted:
    """A fee that is mapped to clearing itself has parts there, the payout has none: they belong to the rest."""
    lines = [line for month in months for booked in month.journals for line in booked.lines]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        role = next((role for role in ROLE_NAMES if _posts_to(line, role)), "")
        sums[role] += line.credit - line.debit
    clearing = [line.pk for line in lines if _posts_to(line, CLEARING)]
    fees = JournalPart.objects.filter(journal_line__in=clearing).aggregate(amount=Sum("amount"))["amount"] or ZERO
    return Posted(clearing=fees - sums[CLEARING], carried_forward=sums[CARRIED_FORWARD], rest=sums[""] + fees)
