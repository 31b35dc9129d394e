"""Journals as files that other systems import: bytes that depend on the journals alone. Pure.

Both are UTF-8 without a byte order mark, with CRLF line ends and a head line. Amounts have a point and no thousands
separator. The columns are explained in the README.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.core.money import exponent, plain

GENERIC_COLUMNS = (
    "journal", "settlement", "period", "date", "currency", "corrects", "line", "account", "account name", "description",
    "tax code", "debit", "credit",
)  # fmt: skip
XERO_COLUMNS = (
    "*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount",
    "TrackingName1", "TrackingOption1", "TrackingName2", "TrackingOption2",
)  # fmt: skip
XERO_LINES = 300  # Xero imports no more from one file

# A spreadsheet runs a cell that begins with one of these. The apostrophe itself is among them, so that taking the first
# one off gives every text back.
RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A journal line. `amount` above zero is a debit. `tax_code` names how it was taxed; the tax is a line of its own."""

    account: str
    account_name: str
    description: str
    tax_code: str
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A journal. `corrects` is the key of the journal of which this one books the difference, or empty."""

    key: str
    settlement: str
    period: date
    dated: date
    currency: str
    corrects: str
    rows: tuple[Row, ...]


def generic(entries: Iterable[Entry], country: str) -> bytes:
    """A line for each journal line, with all that is known of it. One of debit and credit is empty."""
    return _file(
        GENERIC_COLUMNS,
        (
            (
                _text(entry.key),
                _text(entry.settlement),
                f"{entry.period:%Y-%m}",
                entry.dated.isoformat(),
                entry.currency,
                _text(entry.corrects),
                str(number),
                _text(row.account),
                _text(row.account_name),
                _text(row.description),
                _text(row.tax_code),
                _money(row.amount, entry.currency) if row.amount >= 0 else "",
                _money(-row.amount, entry.currency) if row.amount < 0 else "",
            )
            for entry in entries
            for number, row in enumerate(entry.rows, 1)
        ),
    )


def xero(entries: Iterable[Entry], country: str) -> bytes:
    """Xero's import template for manual journals: lines of one narration and date are one journal, debits are positive.

    Every line has the rate that adds no tax, because the tax stands on lines of its own already: another one would make Xero
    take it out a second time.
    """
    no_tax = XERO_NO_TAX.get(country, XERO_NO_TAX_ELSEWHERE)
    return _file(
        XERO_COLUMNS,
        (
            (
                _text(_narration(entry)),
                f"{entry.dated:%d/%m/%Y}",
                _text(", ".join(part for part in (row.description, row.tax_code) if part)),
                _text(row.account),
                no_tax,
                _money(row.amount, entry.currency),
                *("",) * 4,
            )
            for entry in entries
            for row in entry.rows
        ),
    )


XERO_NO_TAX = {"GB": "No VAT"}
XERO_NO_TAX_ELSEWHERE = "Tax Exempt"
FORMATS: Mapping[str, Callable[[Iterable[Entry], str], bytes]] = {"generic": generic, "xero": xero}
"""By ExportBatch.Format; the second argument is the company's country, ISO 3166."""


def _narration(entry: Entry) -> str:
    said = f"{entry.key} Amazon settlement {entry.settlement}, {entry.period:%B %Y}"
    return f"{said}, corrects {entry.corrects}" if entry.corrects else said


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(RUN) else text


def _money(amount: Decimal, currency: str) -> str:
    """Exact, or no file at all: a rounded line would unbalance its journal."""
    if amount != round(amount, exponent(currency)):
        raise ValueError(f"{amount} has more decimals than {currency}")
    return plain(amount, currency)


def _file(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows((head, *rows))
    return written.getvalue().encode()
