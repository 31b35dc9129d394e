"""The lines of a V2 file as typed frames, block by block, so that a file of any size takes the same memory. Pure."""

import hashlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.settlements.layout import ORDER_ID_LONGEST, SHOWN, Unreadable
from apps.settlements.raw import LINE_ENDS, blocks, to_newlines
from apps.settlements.report import DATE_STYLES, DECIMAL_STYLES, YEARS, Report, amount_pattern

SIGNATURE = ("marketplace-name", "transaction-type", "amount-type", "amount-description")
LONGEST = dict(zip(SIGNATURE, (80, 120, 120, 240), strict=True)) | {"order-id": ORDER_ID_LONGEST}
ITEM = ("transaction-type", "order-id", "order-item-code")
# The columns that are read; the others stay in the raw file.
READ = (
    "settlement-id", "total-amount", "currency", *SIGNATURE, "order-id", "order-item-code", "sku", "quantity-purchased",
    "fulfillment-id", "amount", "posted-date-time",
)  # fmt: skip
# Amount types that are taxed by whoever owes the order item's tax (architecture.md section 5).
TREATED = ("itemprice", "promotion", "itemwithheldtax")


def rows_hash(stream: BinaryIO, report: Report, sha256: str) -> str:
    """Hash of the lines whatever their BOM, line ends and blank lines: equal for equal rows.

    `sha256` is the file's own hash, which is the answer for a file that has none of these.
    """
    if all(_is_plain(block) for block in blocks(stream, 0, report.line_end)):
        return sha256
    digest = hashlib.sha256()
    for block in blocks(stream, 0, report.line_end):
        for line in block.split(LINE_ENDS[report.line_end]):
            if line.strip():
                digest.update(line.removeprefix(BOM_UTF8).removesuffix(b"\r") + b"\n")
    return digest.hexdigest()


def _is_plain(block: bytes) -> bool:
    """Without anything that the hash of rows leaves out."""
    odd = b"\r" in block or b"\n\n" in block or block.startswith((BOM_UTF8, b"\n"))
    return not odd and block.endswith(b"\n")


def withheld_items(stream: BinaryIO, report: Report) -> pl.Series:
    """Keys of the order items with a withheld-tax line that is not zero: their tax is the facilitator's."""
    found = [pl.Series([], dtype=pl.String)]
    for block in blocks(stream, report.rows_start, report.line_end):
        text = _lines(_utf8(to_newlines(block, report.line_end), report)).filter(
            pl.col("raw").str.contains("(?i)itemwithheldtax")
        )
        if text.height:
            fields = text["raw"].str.split("\t")
            at = {
                name: pl.col("f").list.get(report.columns.index(name), null_on_oob=True).fill_null("").str.strip_chars()
                for name in (*ITEM, "amount-type", "amount")
            }
            found.append(
                pl.DataFrame({"f": fields})
                .filter(at["amount-type"].str.to_lowercase() == "itemwithheldtax", at["amount"].str.contains("[1-9]"))
                .select(_item_key(*(at[name] for name in ITEM)))
                .to_series()
            )
    return pl.concat(found).unique()


def frames(stream: BinaryIO, report: Report, withheld: pl.Series, exponent: int) -> Iterator[tuple[pl.DataFrame, int]]:
    """Typed lines, block by block, each with the bytes read so far.

    Columns: line, byte_offset, the four of SIGNATURE, treatment, posted_at (UTC), amount (Decimal), order_id, order_item_code,
    sku, quantity, fulfillment. Raises `Unreadable` naming the first line that cannot be read.
    """
    line, offset = report.first_line, report.rows_start
    for block in blocks(stream, report.rows_start, report.line_end):
        even = to_newlines(block, report.line_end)
        text = _lines(_utf8(even, report))
        lengths = (
            text["raw"].str.len_bytes()
            if report.encoding == "UTF-8"
            else pl.Series("raw", [len(part) for part in even.removesuffix(b"\n").split(b"\n")], dtype=pl.UInt32)
        )
        places = text.select(
            line=pl.int_range(line, line + pl.len(), dtype=pl.Int32),
            byte_offset=offset + (lengths.cast(pl.Int64) + 1).cum_sum() - lengths.cast(pl.Int64) - 1,
            tabs=pl.col("raw").str.count_matches("\t", literal=True),
            blank=pl.col("raw").str.strip_chars() == "",
        )
        line += text.height
        offset += len(block)
        if places["blank"].any():
            text, places = text.filter(~places["blank"]), places.filter(~pl.col("blank"))
            even = "\n".join(text["raw"]).encode() + b"\n"
        elif report.encoding != "UTF-8":
            even = _utf8(even, report)
        if not text.height:
            continue
        _refuse_where(
            places["tabs"] != len(report.columns) - 1,
            places,
            "line-broken",
            lambda row: f"has {row['tabs'] + 1} fields; the header has {len(report.columns)}",
        )
        fields = pl.scan_csv(
            even,
            has_header=False,
            separator="\t",
            quote_char=None,
            empty_string_is_null=False,
            schema=dict.fromkeys(report.columns, pl.String),
        ).select(pl.col(READ).str.strip_chars())
        yield _typed(fields.collect(), places, report, withheld, exponent), offset


def _typed(
    text: pl.DataFrame, places: pl.DataFrame, report: Report, withheld: pl.Series, exponent: int
) -> pl.DataFrame:
    named = pl.concat([places, text], how="horizontal")

    def refuse(faulty: pl.Series, reason: str, column: str, expected: str) -> None:
        _refuse_where(faulty, named, reason, lambda row: f"has {column} “{row[column][:SHOWN]}”; expected {expected}")

    refuse(text["settlement-id"] != report.settlement_id, "other-settlement", "settlement-id", report.settlement_id)
    refuse(
        ~text["currency"].str.to_uppercase().is_in(["", report.currency]), "other-currency", "currency", report.currency
    )
    refuse(text["total-amount"] != "", "second-summary", "total-amount", "it in the summary row only")
    refuse(text["transaction-type"] == "", "line-broken", "transaction-type", "a transaction type")
    for column, longest in LONGEST.items():
        refuse(text[column].str.len_chars() > longest, "field-too-long", column, f"{longest} characters at most")
    # A spreadsheet turns 07821148853890 into 7.82115E+12 and the item can no longer be told from its neighbours.
    refuse(
        text["order-item-code"].str.contains(r"^[0-9](?:[.,][0-9]+)?E\+[0-9]+$"),
        "resaved-by-spreadsheet",
        "order-item-code",
        "a whole number",
    )
    point = DECIMAL_STYLES.get(report.decimal_style, ".")
    refuse(
        ~text["amount"].str.contains(amount_pattern(point, exponent)),
        "amount-unreadable",
        "amount",
        f"an amount such as -12{point + '34'[:exponent] if exponent else ''} in {report.currency}",
    )
    posted = text["posted-date-time"].str.to_datetime(DATE_STYLES[report.date_style][1], time_unit="us", strict=False)
    refuse(
        posted.is_null() | ~posted.dt.year().is_between(YEARS[0], YEARS[-1]),
        "date-unreadable",
        "posted-date-time",
        f"a date such as {report.date_style} 23:59:59 UTC",
    )
    refuse(
        ~text["quantity-purchased"].str.contains(r"^(?:-?[0-9]{1,9})?$"),
        "quantity-unreadable",
        "quantity-purchased",
        "a whole number",
    )
    amount_type = pl.col("amount-type").str.to_lowercase()
    return named.select(
        "line",
        "byte_offset",
        *SIGNATURE,
        treatment=pl.when(~amount_type.is_in(TREATED))
        .then(pl.lit("none"))
        .when(_item_key(*(pl.col(name) for name in ITEM)).is_in(withheld.implode()))
        .then(pl.lit("facilitator"))
        .otherwise(pl.lit("seller")),
        posted_at=posted,
        amount=_decimal(pl.col("amount"), point, exponent),
        order_id=pl.col("order-id"),
        order_item_code=pl.col("order-item-code"),
        sku=pl.col("sku"),
        quantity=pl.col("quantity-purchased").replace("", None).cast(pl.Int32),
        fulfillment=pl.col("fulfillment-id"),
    )


def _refuse_where(faulty: pl.Series, named: pl.DataFrame, reason: str, say) -> None:
    if faulty.any():
        row = named.row(faulty.arg_true()[0], named=True)
        raise Unreadable(reason, row["line"], f"Line {row['line']} {say(row)}.")


def _utf8(even: bytes, report: Report) -> bytes:
    return even if report.encoding == "UTF-8" else even.decode(report.encoding).encode()


def _lines(even: bytes) -> pl.DataFrame:
    """One row a line: `to_newlines` leaves no CR for the separator to be found."""
    return pl.read_csv(
        even, has_header=False, separator="\r", quote_char=None, empty_string_is_null=False, schema={"raw": pl.String}
    )


def _item_key(transaction_type: pl.Expr, *order_item: pl.Expr) -> pl.Expr:
    return pl.concat_str(transaction_type.str.to_lowercase(), *order_item, separator="\x1f")


def _decimal(text: pl.Expr, point: str, exponent: int) -> pl.Expr:
    return text.str.replace(point, ".", literal=True).cast(pl.Decimal(20, exponent))
