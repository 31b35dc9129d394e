"""The proof of a settlement: total, lines, signatures and journals are one amount, and each leads to the lines."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.console import words
from apps.console.lines import NONE, version_seen_by, with_account
from apps.console.screens import door, render_screen
from apps.console.waterfall import Chart, chart
from apps.core.permissions import READ_MONEY, TAKE_FILES
from apps.exceptions.models import Case
from apps.ledger.models import Account, Journal, JournalLine, TaxClass
from apps.ledger.rules import CLEARING, ROLE_NAMES
from apps.settlements.models import FeeSignature, FileReading, Settlement, SettlementVersion
from apps.settlements.verdict import cases_about

State = SettlementVersion.State


@dataclass(frozen=True)
class Figure:
    """One of the figures that must be equal; `gap` is how far it is from the first. No amount: it is not there yet."""

    label: str
    amount: Decimal | None
    small: str
    gap: Decimal = Decimal(0)
    url: str = ""


@dataclass(frozen=True)
class SignatureRow:
    signature: FeeSignature
    account: Account | None
    tax_class: TaxClass | None
    lines: int
    amount: Decimal

    @property
    def account_code(self) -> str:
        return self.account.code if self.account else NONE


@dataclass(frozen=True)
class Booked:
    """A journal with its lines and their sums."""

    journal: Journal
    lines: list[JournalLine]

    @property
    def debit(self) -> Decimal:
        return sum((line.debit for line in self.lines), Decimal(0))

    @property
    def credit(self) -> Decimal:
        return sum((line.credit for line in self.lines), Decimal(0))


@door(READ_MONEY)
def settlement(request: HttpRequest, settlement_id: str) -> HttpResponse:
    found, version = version_seen_by(request, settlement_id)
    rows = _signatures(version)
    journals = _journals(version)
    context: dict[str, Any] = {
        "settlement": found,
        "version": version,
        "versions": list(found.versions.select_related("file")),
        "equal": _equal(version, rows, journals),
        "rows": rows,
        "unmapped": [row for row in rows if row.account is None],
        "chart": _chart(rows, "Payout" if version.state == State.TAKEN else "Sum of lines"),
        "journals": journals,
        "checks": _checks(version, rows, journals),
        "cases": _cases(request, found, version),
        "reading": FileReading.objects.filter(file=version.file_id).first(),
        "may_upload": request.user.may(TAKE_FILES, found.entity_id),
    }
    return render_screen(request, "tieout.html", context)


def _signatures(version: SettlementVersion) -> list[SignatureRow]:
    """A row for each signature and account; a signature whose rule changed within the period has several."""
    cells = with_account(version.rollups.all()).values("signature", "account_id", "tax_class_id")
    sums = list(cells.annotate(n=Sum("lines"), amount=Sum(F("credit") - F("debit"))))
    signatures = FeeSignature.objects.in_bulk([cell["signature"] for cell in sums])
    accounts = Account.objects.in_bulk([cell["account_id"] for cell in sums if cell["account_id"]])
    classes = TaxClass.objects.in_bulk([cell["tax_class_id"] for cell in sums if cell["tax_class_id"]])
    rows = [
        SignatureRow(
            signatures[cell["signature"]],
            accounts.get(cell["account_id"]),
            classes.get(cell["tax_class_id"]),
            cell["n"],
            cell["amount"],
        )
        for cell in sums
    ]
    return sorted(rows, key=_by_account)


def _by_account(row: SignatureRow) -> tuple:
    """Income first, then costs, then the balance sheet; what has no account stands at the end."""
    order = {Account.Kind.INCOME: 0, Account.Kind.EXPENSE: 1, Account.Kind.LIABILITY: 2, Account.Kind.ASSET: 3}
    if row.account is None:
        return (4, "", -abs(row.amount), str(row.signature))
    return (order[row.account.kind], row.account.code, -abs(row.amount), str(row.signature))


def _journals(version: SettlementVersion) -> list[Booked]:
    booked = list(Journal.objects.filter(of_settlement__version=version).order_by("period"))
    lines: dict[int, list[JournalLine]] = defaultdict(list)
    for line in JournalLine.objects.filter(journal__in=booked).select_related("account", "tax_code").order_by("number"):
        lines[line.journal_id].append(line)
    return [Booked(journal, lines[journal.pk]) for journal in booked]


def _cleared(journals: list[Booked]) -> Decimal | None:
    """What the journals post to clearing. No fee stands behind that line: it is the payout itself."""
    unassigned = f"No account: {ROLE_NAMES[CLEARING]}"
    clearing = JournalLine.objects.filter(
        Q(account__role=CLEARING) | Q(account=None, label=unassigned),
        journal__in=[booked.journal for booked in journals],
        parts=None,
    )
    sums = clearing.aggregate(debit=Sum("debit"), credit=Sum("credit"))
    return None if sums["debit"] is None else sums["debit"] - sums["credit"]


def _equal(version: SettlementVersion, rows: list[SignatureRow], journals: list[Booked]) -> list[Figure]:
    lines = reverse("settlement_lines", args=[version.settlement.settlement_id]) + f"?version={version.number}"
    by_signature = sum((row.amount for row in rows), Decimal(0))
    signatures = len({row.signature.pk for row in rows})
    unmapped = len({row.signature.pk for row in rows if row.account is None})
    figures = [
        Figure("Amazon says", version.total, "total-amount, line 2 of the file"),
        Figure(words.counted(version.lines, "line"), version.sum, "each read once", version.sum - version.total, lines),
        Figure(
            words.counted(signatures, "signature"),
            by_signature,
            f"{unmapped} without an account" if unmapped else "all mapped",
            by_signature - version.total,
            "#signatures",
        ),
    ]
    if journals:
        cleared = _cleared(journals)
        incomplete = any(booked.journal.state == Journal.State.INCOMPLETE for booked in journals)
        small = f"to clearing, {'incomplete' if incomplete else 'complete'}"
        gap = (cleared or Decimal(0)) - version.total
        figures.append(Figure(words.counted(len(journals), "journal"), cleared, small, gap, "#journals"))
    else:
        figures.append(Figure("Journals", None, "none: only a version that ties has them"))
    return figures


def _chart(rows: list[SignatureRow], total_name: str) -> Chart | None:
    """By account; several amounts of one account are one bar."""
    steps: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        steps[row.account.name if row.account else "No account"] += row.amount
    return chart(list(steps.items()), total_name) if rows else None


def _checks(version: SettlementVersion, rows: list[SignatureRow], journals: list[Booked]) -> list[tuple[bool, str]]:
    """Each statement with whether it holds."""
    currency = version.settlement.currency
    counted = sum(row.lines for row in rows)
    ties = version.sum == version.total
    checks = [
        (ties, "The lines add up to total-amount, no tolerance" if ties else "The lines do not add up to total-amount"),
        (counted == version.lines, f"{version.lines:,} lines in the file, {counted:,} in the signatures"),
    ]
    for booked in journals:
        sides = f"{words.figure(booked.debit, currency)} {currency}"
        checks.append((booked.debit == booked.credit, f"Debits equal credits in {booked.journal.period:%B}: {sides}"))
    unmapped = [row for row in rows if row.account is None]
    checks.append(
        (not unmapped, "Every signature has an account" if not unmapped else f"{len(unmapped)} without an account")
    )
    return checks


def _cases(request: HttpRequest, settlement: Settlement, version: SettlementVersion) -> list[Case]:
    """Live cases about the version, by rank."""
    visible = Case.objects.visible_to(request.user).live().filter(cases_about(version), entity=settlement.entity_id)
    return list(visible.select_related("claimed_by").by_rank()[:50])
