"""What an approval is bound to: a journal's lines as they stand in the database now."""

from collections.abc import Iterable

from apps.ledger.models import Journal, JournalLine
from apps.ledger.rules import Line, fingerprint


def hash_of(journals: Iterable[Journal]) -> dict[int, str]:
    """Journal id -> fingerprint of what its rows say. Equals `lines_hash` unless somebody went around the builder."""
    lines: dict[int, list[Line]] = {journal.pk: [] for journal in journals}
    rows = JournalLine.objects.filter(journal__in=lines).order_by("journal", "number")
    for journal, account, tax_code, label, debit, credit in rows.values_list(
        "journal", "account", "tax_code", "label", "debit", "credit"
    ):
        lines[journal].append(Line(account, label, tax_code, amount=credit - debit))
    return {journal.pk: fingerprint(journal.period, journal.dated, lines[journal.pk]) for journal in journals}
