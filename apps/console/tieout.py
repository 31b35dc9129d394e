"""The proof of a settlement: total, lines, signatures and journals are one amount, and each leads to the lines."""

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import F, Sum
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import reverse

from apps.console import words
from apps.console.downloads import fall_file
from apps.console.lines import NONE, version_seen_by, with_account
from apps.console.screens import door, render_screen
from apps.console.waterfall import Fall
from apps.core.money import ZERO
from apps.core.permissions import READ_MONEY, TAKE_FILES
from apps.exceptions.models import Case
from apps.ledger.models import Account, Journal, TaxClass
from apps.settlements.booked import Booked, Month, Posted, months_of, posted_by
from apps.settlements.models import FeeSignature, FileReading, Settlement, SettlementVersion
from apps.settlements.verdict import cases_about

State = SettlementVersion.State


@dataclass(frozen=True)
class Figure:
    """One of the figures that must be equal; `gap` is how far it is from the one before. No amount: it is not there yet."""

    label: str
    amount: Decimal | None
    small: str
    gap: Decimal = ZERO
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


@door(READ_MONEY)
def settlement(request: HttpRequest, settlement_id: str) -> HttpResponse:
    found, version = version_seen_by(request, settlement_id)
    rows = _signatures(version)
    months = months_of(found) if version.state == State.TAKEN else []
    posted = posted_by(months)
    context: dict[str, Any] = {
        "settlement": found,
        "version": version,
        "versions": list(found.versions.select_related("file")),
        "equal": _equal(version, rows, months, posted),
        "rows": rows,
        "unmapped": [row for row in rows if row.account is None],
        "fall": _fall(version, rows) if rows else None,
        "fall_file": f"{reverse('settlement_fall', args=[settlement_id])}?version={version.number}",
        "months": months,
        "checks": _checks(version, rows, months, posted),
        "cases": _cases(request, found, version),
        "reading": FileReading.objects.filter(file=version.file_id).first(),
        "may_upload": request.user.may(TAKE_FILES, found.entity_id),
    }
    return render_screen(request, "tieout.html", context)


@door(READ_MONEY)
def settlement_fall(request: HttpRequest, settlement_id: str) -> FileResponse:
    """From sales to payout, by account."""
    _, version = version_seen_by(request, settlement_id)
    return fall_file(f"settlement-{version.settlement.settlement_id}.csv", [_fall(version, _signatures(version))])


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


def _equal(
    version: SettlementVersion, rows: list[SignatureRow], months: list[Month], posted: Posted
) -> list[Figure]:
    """Five figures from five places. The sign before each says whether it equals the one before it."""
    journals = [booked for month in months for booked in month.journals]
    signatures = len({row.signature.pk for row in rows})
    unmapped = len({row.signature.pk for row in rows if row.account is None})
    figures = [
        Figure("Amazon says", version.total, "total-amount, line 2 of the file"),
        *_booked_figures(journals, posted),
        Figure(
            words.counted(signatures, "signature"),
            sum((row.amount for row in rows), ZERO),
            f"{unmapped} without an account" if unmapped else "all mapped",
            url="#signatures",
        ),
        Figure(
            words.counted(version.lines, "line"),
            version.sum,
            "each read once",
            url=reverse("settlement_lines", args=[version.settlement.settlement_id]) + f"?version={version.number}",
        ),
    ]
    before = version.total
    for place, figure in enumerate(figures):
        if figure.amount is not None:
            figures[place] = replace(figure, gap=figure.amount - before)
            before = figure.amount
    return figures


def _booked_figures(journals: list[Booked], posted: Posted) -> list[Figure]:
    if not journals:
        none = "none: only the version that counts has them"
        return [Figure("Clearing", None, none), Figure("Journals", None, none)]
    corrections = sum(booked.number > 1 for booked in journals)
    incomplete = any(booked.journal.state == Journal.State.INCOMPLETE for booked in journals)
    of_them = f", {words.counted(corrections, 'correction')} of them" if corrections else ""
    complete = "incomplete" if incomplete else "complete"
    return [
        Figure("Clearing", posted.clearing, "what all journals post there", url="#journals"),
        Figure(
            words.counted(len(journals), "journal"),
            posted.rest,
            f"all other accounts, {complete}{of_them}",
            url="#journals",
        ),
    ]


def _fall(version: SettlementVersion, rows: list[SignatureRow]) -> Fall:
    """By account; several amounts of one account are one step."""
    steps: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        steps[row.account.name if row.account else "No account"] += row.amount
    return Fall(version.settlement.currency, list(steps.items()), "Payout" if version.state == State.TAKEN else "Sum of lines")


def _checks(
    version: SettlementVersion, rows: list[SignatureRow], months: list[Month], posted: Posted
) -> list[tuple[bool, str]]:
    """Each statement with whether it holds."""
    currency = version.settlement.currency
    counted = sum(row.lines for row in rows)
    ties = version.sum == version.total
    checks = [
        (ties, "The lines add up to total-amount, no tolerance" if ties else "The lines do not add up to total-amount"),
        (counted == version.lines, f"{version.lines:,} lines in the file, {counted:,} in the signatures"),
    ]
    for month in months:
        for booked in month.journals:
            which = f"{'correction of ' if booked.number > 1 else ''}{month.first_day:%B}"
            sides = f"{words.figure(booked.debit, currency)} {currency}"
            checks.append((booked.debit == booked.credit, f"Debits equal credits in {which}: {sides}"))
    if len(months) > 1:
        carried = words.figure(posted.carried_forward, currency)
        checks.append((not posted.carried_forward, f"Carried forward from month to month: {carried} is left"))
    unmapped = [row for row in rows if row.account is None]
    checks.append(
        (not unmapped, "Every signature has an account" if not unmapped else f"{len(unmapped)} without an account")
    )
    return checks


def _cases(request: HttpRequest, settlement: Settlement, version: SettlementVersion) -> list[Case]:
    """Live cases about the version, by rank."""
    visible = Case.objects.visible_to(request.user).live().filter(cases_about(version), entity=settlement.entity_id)
    return list(visible.select_related("claimed_by").by_rank()[:50])
