"""What came of a file, as programs read it: one JSON object, money as strings."""

from django.db.models import F, Q, Sum

from apps.core.money import plain
from apps.exceptions.models import Case
from apps.settlements.exception_types.files import column_subject
from apps.settlements.models import FeeSignature, FileReading, RollUp, SettlementVersion


def verdict(reading: FileReading) -> dict:
    """The reading, its figures, its unmapped fees, its journals and the live cases about it."""
    found = bare(reading.file.name, reading.status, reading.reason, reading.words) | {"line": reading.line}
    if reading.version:
        found |= _figures(reading.version)
    return found | {"exceptions": _cases(reading)}


def bare(file: str, status: str, reason: str, words: str) -> dict:
    """Of a file of which nothing was read: every key, without figures."""
    return {
        "file": file,
        "status": status,
        "reason": reason,
        "line": None,
        "words": words,
        "settlement_id": None,
        "currency": None,
        "lines": None,
        "sum": None,
        "total": None,
        "ties": None,
        "signatures": 0,
        "unmapped": [],
        "journals": [],
        "exceptions": [],
    }


def _figures(version: SettlementVersion) -> dict:
    currency = version.settlement.currency
    journals = version.journals.select_related("journal").annotate(
        debit=Sum("journal__lines__debit"), credit=Sum("journal__lines__credit")
    )
    return {
        "settlement_id": version.settlement.settlement_id,
        "currency": currency,
        "lines": version.lines,
        "sum": plain(version.sum, currency),
        "total": plain(version.total, currency),
        "ties": version.sum == version.total,
        "signatures": RollUp.objects.filter(version=version).values("signature").distinct().count(),
        "unmapped": [
            {
                "transaction_type": row["signature__transaction_type"],
                "amount_type": row["signature__amount_type"],
                "amount_description": row["signature__amount_description"],
                "treatment": row["signature__treatment"],
                "lines": row["n"],
                "amount": plain(row["amount"], currency),
            }
            for row in _unmapped(version)
        ],
        "journals": [
            {
                "period": f"{row.journal.period:%Y-%m}",
                "debit": plain(row.debit, currency),
                "credit": plain(row.credit, currency),
                "state": row.journal.state,
            }
            for row in journals.order_by("journal__period")
        ],
    }


def _unmapped(version: SettlementVersion) -> list[dict]:
    fields = ("transaction_type", "amount_type", "amount_description", "treatment")
    rows = RollUp.objects.filter(version=version).unmapped().values(*(f"signature__{field}" for field in fields))
    return rows.annotate(n=Sum("lines"), amount=Sum(F("credit") - F("debit"))).order_by(
        "amount", "signature__amount_description"
    )


def cases_about(version: SettlementVersion) -> Q:
    """What selects the cases of a version's company that are about it: its settlement, its columns, its fees, their tax."""
    settlement_id = version.settlement.settlement_id
    columns = [column_subject(version.file.connection, name) for name in version.extra_columns]
    keys = FeeSignature.objects.filter(rollups__version=version).values("key")
    return (
        Q(type__startswith="settlement.", subject=settlement_id)
        | Q(type="settlement.column-unknown", subject__in=columns)
        | Q(type="settlement.fee-unmapped", subject__in=keys)
        | Q(type="ledger.tax-code-unmapped", facts__settlements__contains=[{"settlement_id": settlement_id}])
    )


def _cases(reading: FileReading) -> list[dict]:
    """Live cases that the file opened or belongs to."""
    about = Q(type="file.layout-unknown", subject=reading.file.sha256)
    if reading.version:
        about |= cases_about(reading.version)
    cases = Case.objects.live().filter(about, entity=reading.file.connection.entity_id).by_rank()
    return [{"code": case.type, "subject": case.subject} for case in cases]
