"""The files that leave: every journal in them sums to zero, every text comes back, nothing runs in a spreadsheet."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import exponent
from apps.ledger.formats import GENERIC_COLUMNS, RUN, XERO_COLUMNS, Entry, Row, generic, xero

OCTOBER = Entry(
    key="stl:30000000001:202610:1",
    settlement="30000000001",
    period=date(2026, 10, 1),
    dated=date(2026, 10, 31),
    currency="GBP",
    corrects="",
    rows=(
        Row(account="5110", account_name="FBA fees", description="FBA fees", tax_code="VAT 20 %", amount=Decimal("250.0000")),
        Row(account="2201", account_name="Input VAT", description="Input VAT", tax_code="", amount=Decimal("50.0000")),
        Row(account="1200", account_name="Amazon clearing", description="Amazon clearing", tax_code="", amount=Decimal("-300")),
    ),
)  # fmt: skip


def test_generic_columns_and_bytes():
    assert generic([OCTOBER], "GB") == (
        b"journal,settlement,period,date,currency,corrects,line,account,account name,description,tax code,debit,credit\r\n"
        b"stl:30000000001:202610:1,30000000001,2026-10,2026-10-31,GBP,,1,5110,FBA fees,FBA fees,VAT 20 %,250.00,\r\n"
        b"stl:30000000001:202610:1,30000000001,2026-10,2026-10-31,GBP,,2,2201,Input VAT,Input VAT,,50.00,\r\n"
        b"stl:30000000001:202610:1,30000000001,2026-10,2026-10-31,GBP,,3,1200,Amazon clearing,Amazon clearing,,,300.00\r\n"
    )


def test_xero_columns_and_bytes():
    said = "stl:30000000001:202610:1 Amazon settlement 30000000001, October 2026"
    head, *rows = xero([OCTOBER], "GB").decode().split("\r\n")
    assert head == (
        "*Narration,*Date,Description,*AccountCode,*TaxRate,*Amount,"
        "TrackingName1,TrackingOption1,TrackingName2,TrackingOption2"
    )
    assert rows == [
        f'"{said}",31/10/2026,"FBA fees, VAT 20 %",5110,No VAT,250.00,,,,',
        f'"{said}",31/10/2026,Input VAT,2201,No VAT,50.00,,,,',
        f'"{said}",31/10/2026,Amazon clearing,1200,No VAT,-300.00,,,,',
        "",
    ]
    assert b"Tax Exempt" in xero([OCTOBER], "DE")


def test_an_amount_that_its_currency_cannot_say_is_no_file():
    row = Row(account="1", account_name="", description="", tax_code="", amount=Decimal("0.005"))
    with pytest.raises(ValueError, match="more decimals than GBP"):
        generic([Entry(**vars(OCTOBER) | {"rows": (row,)})], "GB")


# PostgreSQL keeps no NUL in a text, and no lone surrogate is UTF-8; all else may stand in an account's name.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.builds(
    "{}{}".format, st.sampled_from(RUN), st.text("=+-@'\t\r\n,\"A1", max_size=6)
)


@st.composite
def entries(draw) -> Entry:
    currency = draw(st.sampled_from(["GBP", "EUR", "JPY", "KWD"]))
    cents = draw(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6))
    amounts = [Decimal(n).scaleb(-exponent(currency)) for n in (*cents, -sum(cents))]
    return Entry(
        key=draw(TEXT),
        settlement=draw(TEXT),
        period=date(2026, 10, 1),
        dated=draw(st.dates(date(2000, 1, 1), date(2099, 12, 31))),
        currency=currency,
        corrects=draw(TEXT),
        rows=tuple(
            Row(account=draw(TEXT), account_name=draw(TEXT), description=draw(TEXT), tax_code=draw(TEXT), amount=amount)
            for amount in amounts
        ),
    )


def read(content: bytes, columns: tuple[str, ...]) -> list[dict[str, str]]:
    head, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    assert tuple(head) == columns
    return [dict(zip(columns, row, strict=True)) for row in rows]


def text(cell: str) -> str:
    return cell.removeprefix("'")


@given(st.lists(entries(), max_size=3))
def test_every_generic_journal_balances_and_reads_back(given_entries):
    rows = iter(read(generic(given_entries, "GB"), GENERIC_COLUMNS))
    for entry in given_entries:
        mine = [next(rows) for _ in entry.rows]
        amounts = [Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in mine]
        assert sum(amounts) == 0
        back = Entry(
            key=text(mine[0]["journal"]),
            settlement=text(mine[0]["settlement"]),
            period=date.fromisoformat(f"{mine[0]['period']}-01"),
            dated=date.fromisoformat(mine[0]["date"]),
            currency=mine[0]["currency"],
            corrects=text(mine[0]["corrects"]),
            rows=tuple(
                Row(
                    account=text(row["account"]),
                    account_name=text(row["account name"]),
                    description=text(row["description"]),
                    tax_code=text(row["tax code"]),
                    amount=amount,
                )
                for row, amount in zip(mine, amounts, strict=True)
            ),
        )
        assert back == entry
        assert [row["line"] for row in mine] == [str(number) for number in range(1, len(mine) + 1)]
    assert not list(rows)


@given(st.lists(entries(), max_size=3))
def test_every_xero_journal_balances(given_entries):
    rows = iter(read(xero(given_entries, "GB"), XERO_COLUMNS))
    for entry in given_entries:
        mine = [next(rows) for _ in entry.rows]
        assert [Decimal(row["*Amount"]) for row in mine] == [row.amount for row in entry.rows]
        assert [text(row["*AccountCode"]) for row in mine] == [row.account for row in entry.rows]
        assert {(row["*Narration"], row["*Date"]) for row in mine} == {
            (mine[0]["*Narration"], f"{entry.dated:%d/%m/%Y}")
        }
    assert not list(rows)


@given(entries())
def test_no_text_runs_in_a_spreadsheet(entry):
    texts = ("journal", "settlement", "corrects", "account", "account name", "description", "tax code")
    for row in read(generic([entry], "GB"), GENERIC_COLUMNS):
        assert not any(row[name].startswith(RUN[:-1]) for name in texts)
    for row in read(xero([entry], "GB"), XERO_COLUMNS):
        assert not any(row[name].startswith(RUN[:-1]) for name in ("*Narration", "Description", "*AccountCode"))


@given(entries())
def test_the_same_journals_give_the_same_bytes(entry):
    assert generic([entry], "GB") == generic([entry], "GB")
    assert xero([entry], "DE") == xero([entry], "DE")
