"""Settlement Report V2, the flat file: which layout and style a file has, and its lines as typed frames (domain.md 4.1).

Pure: reads a seekable binary stream block by block, so that a file of any size takes the same memory. Whatever cannot be read
raises `Unreadable` with the line and the words for a person; nothing is guessed and no amount becomes zero.
"""

import hashlib
import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import BinaryIO

import polars as pl

from apps.settlements.layout import COLUMNS, Unreadable, split_header

BLOCK = 4 << 20
LINE_ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r"}
# Name as shown -> (pattern, strptime). Real files: vocabulary section 4. The date style does not imply the decimal style.
DATE_STYLES = {
    "2026-12-31": (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "%Y-%m-%d %H:%M:%S UTC"),
    "31.12.2026": (r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d UTC", "%d.%m.%Y %H:%M:%S UTC"),
}
DECIMAL_STYLES = {"1.00": ".", "1,00": ","}
LONGEST = {"marketplace-name": 80, "transaction-type": 120, "amount-type": 120, "amount-description": 240}
SIGNATURE = tuple(LONGEST)
ITEM = ("transaction-type", "order-id", "order-item-code")
# Amount types that are taxed by whoever owes the order item's tax (architecture.md section 5).
TREATED = ("itemprice", "promotion", "itemwithheldtax")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the first two lines and the bytes of a file say of it. `rows_start` is the offset of line 3."""

    columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    encoding: str
    line_end: str
    date_style: str
    decimal_style: str
    settlement_id: str
    currency: str
    start_at: datetime
    end_at: datetime
    deposit_at: datetime
    total: Decimal
    rows_start: int
    first_line: int


def describe(stream: BinaryIO, exponent) -> Report:
    """Recognise the file or raise `Unreadable`. `exponent(currency)` gives the currency's decimals."""
    stream.seek(0)
    head = stream.read(BLOCK)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("resaved-by-spreadsheet", 1, "This is a spreadsheet workbook. Amazon sends a tab-separated text file: download the flat file again and upload it untouched.")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("encoding-unknown", 1, "The file is UTF-16. Amazon sends UTF-8, Shift_JIS or Windows-1252: a program between has re-saved it.")
    start = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    line_end = _line_end(head)
    mark = LINE_ENDS[line_end]
    lines, offset = [], start
    number = 0
    while len(lines) < 2 and offset < len(head):
        stop = head.find(mark, offset)
        stop = len(head) if stop < 0 else stop
        number += 1
        raw = head[offset:stop]
        offset = stop + len(mark)
        if raw.strip():
            lines.append((number, raw))
    if not lines:
        raise Unreadable("empty", 1, "The file is empty. Expected a settlement report with a header line.")
    header, extra = split_header(lines[0][1].decode("cp1252", "replace"), head[start:].decode("cp1252", "replace"), lines[0][0])
    if len(lines) < 2:
        raise Unreadable("no-summary", lines[0][0], "The file ends after its header. Expected the summary row with total-amount below it.")
    line, raw = lines[1]
    values = [value.strip() for value in raw.decode("cp1252", "replace").split("\t")]
    if len(values) != len(header):
        raise Unreadable("line-broken", line, f"Line {line} has {len(values)} fields; the header has {len(header)}.")
    summary = dict(zip(header, values, strict=True))
    currency = summary["currency"].upper()
    if not summary["total-amount"] or not re.fullmatch("[A-Z]{3}", currency) or summary["transaction-type"]:
        raise Unreadable("no-summary", line, f"Line {line} is not the summary row: expected total-amount and currency there and no transaction-type.")
    date_style = _date_style(summary["settlement-start-date"], line)
    decimal_style = _decimal_style(stream, header, summary["total-amount"], offset, line_end)
    total = _total(summary["total-amount"], decimal_style, exponent(currency), line)
    return Report(
        columns=header,
        extra_columns=extra,
        encoding=_encoding(stream, currency),
        line_end=line_end,
        date_style=date_style,
        decimal_style=decimal_style,
        settlement_id=summary["settlement-id"],
        currency=currency,
        start_at=_instant(summary, "settlement-start-date", date_style, line),
        end_at=_instant(summary, "settlement-end-date", date_style, line),
        deposit_at=_instant(summary, "deposit-date", date_style, line),
        total=total,
        rows_start=offset,
        first_line=line + 1,
    )


def rows_hash(stream: BinaryIO, report: Report, sha256: str) -> str:
    """Hash of the lines whatever their BOM, line ends and blank lines: equal for equal rows.

    `sha256` is the file's own hash, which is the answer for a file that has none of these.
    """
    stream.seek(0)
    digest, first, plain = hashlib.sha256(), True, True
    for block in _blocks(stream, 0, report.line_end):
        if first and block.startswith(BOM_UTF8):
            block, plain = block[len(BOM_UTF8):], False
        first = False
        even = _to_newlines(block, report.line_end)
        if report.line_end == "CRLF":
            even = even.replace(b" \n", b"\n")
        if even.startswith(b"\n") or b"\n\n" in even or not even.endswith(b"\n"):
            even = b"".join(line + b"\n" for line in even.split(b"\n") if line.strip())
        plain = plain and even is block
        if not plain:
            break
    if plain:
        return sha256
    stream.seek(0)
    for block in _blocks(stream, 0, report.line_end):
        for line in _to_newlines(block, report.line_end).split(b"\n"):
            line = line.removeprefix(BOM_UTF8)
            if line.strip():
                digest.update((line[:-1] if report.line_end == "CRLF" and line.endswith(b" ") else line) + b"\n")
    return digest.hexdigest()


def withheld_items(stream: BinaryIO, report: Report) -> pl.Series:
    """Keys of the order items with a withheld-tax line that is not zero: their tax is the facilitator's."""
    found = [pl.Series([], dtype=pl.String)]
    for block in _blocks(stream, report.rows_start, report.line_end):
        text = _lines(_utf8(_to_newlines(block, report.line_end), report)).filter(pl.col("raw").str.contains("(?i)itemwithheldtax"))
        if text.height:
            fields = text["raw"].str.split("\t")
            at = {name: pl.col("f").list.get(report.columns.index(name), null_on_oob=True).fill_null("").str.strip_chars()
                  for name in (*ITEM, "amount-type", "amount")}
            found.append(
                pl.DataFrame({"f": fields})
                .filter(at["amount-type"].str.to_lowercase() == "itemwithheldtax", at["amount"].str.contains("[1-9]"))
                .select(_item_key([at[name] for name in ITEM]))
                .to_series()
            )
    return pl.concat(found).unique()


def frames(stream: BinaryIO, report: Report, withheld: pl.Series, exponent: int) -> Iterator[tuple[pl.DataFrame, int]]:
    """Typed lines, block by block, each with the bytes read so far.

    Columns: line, byte_offset, the four of SIGNATURE, treatment, posted_at (UTC), amount (Decimal), order_id, order_item_code,
    sku, quantity, fulfillment. Raises `Unreadable` naming the first line that cannot be read.
    """
    line, offset = report.first_line, report.rows_start
    for block in _blocks(stream, report.rows_start, report.line_end):
        even = _to_newlines(block, report.line_end)
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
        _refuse_where(places["tabs"] != len(report.columns) - 1, places, "line-broken",
                      lambda row: f"has {row['tabs'] + 1} fields; the header has {len(report.columns)}")
        fields = pl.read_csv(even, has_header=False, separator="\t", quote_char=None, empty_string_is_null=False,
                             schema=dict.fromkeys(report.columns, pl.String))
        yield _typed(fields, places, report, withheld, exponent), offset


def _typed(fields: pl.DataFrame, places: pl.DataFrame, report: Report, withheld: pl.Series, exponent: int) -> pl.DataFrame:
    text = fields.select(pl.col(COLUMNS).str.strip_chars())
    named = pl.concat([places, text], how="horizontal")

    def refuse(faulty: pl.Series, reason: str, column: str, expected: str) -> None:
        _refuse_where(faulty, named, reason, lambda row: f"has {column} “{row[column]}”; expected {expected}")

    refuse(text["settlement-id"] != report.settlement_id, "other-settlement", "settlement-id", report.settlement_id)
    refuse(~text["currency"].str.to_uppercase().is_in(["", report.currency]), "other-currency", "currency", report.currency)
    refuse(text["total-amount"] != "", "second-summary", "total-amount", "it in the summary row only")
    refuse(text["transaction-type"] == "", "line-broken", "transaction-type", "a transaction type")
    for column, longest in LONGEST.items():
        refuse(text[column].str.len_chars() > longest, "field-too-long", column, f"{longest} characters at most")
    # A spreadsheet turns 07821148853890 into 7.82115E+12 and the item can no longer be told from its neighbours.
    refuse(text["order-item-code"].str.contains(r"^\d(?:[.,]\d+)?E\+\d+$"), "resaved-by-spreadsheet", "order-item-code", "a whole number")
    point = DECIMAL_STYLES.get(report.decimal_style, ".")
    refuse(~text["amount"].str.contains(_amount_pattern(point, exponent)), "amount-unreadable", "amount",
           f"an amount such as -12{point + '34'[:exponent] if exponent else ''} in {report.currency}")
    posted = text["posted-date-time"].str.to_datetime(DATE_STYLES[report.date_style][1], time_unit="us", strict=False)
    refuse(posted.is_null(), "date-unreadable", "posted-date-time", f"a date such as {report.date_style} 23:59:59 UTC")
    refuse(~text["quantity-purchased"].str.contains(r"^(?:-?\d{1,9})?$"), "quantity-unreadable", "quantity-purchased", "a whole number")
    amount_type = pl.col("amount-type").str.to_lowercase()
    return named.select(
        "line",
        "byte_offset",
        *SIGNATURE,
        treatment=pl.when(~amount_type.is_in(TREATED))
        .then(pl.lit("none"))
        .when(_item_key([pl.col(name) for name in ITEM]).is_in(withheld.implode()))
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


def raw_line(stream: BinaryIO, offset: int, line_end: str) -> bytes:
    """The bytes of the line that starts there, without its line end."""
    stream.seek(offset)
    mark, found = LINE_ENDS[line_end], b""
    while chunk := stream.read(4096):
        found += chunk
        if (stop := found.find(mark)) >= 0:
            return found[:stop]
    return found


def _refuse_where(faulty: pl.Series, named: pl.DataFrame, reason: str, say) -> None:
    if faulty.any():
        row = named.row(faulty.arg_true()[0], named=True)
        raise Unreadable(reason, row["line"], f"Line {row['line']} {say(row)}.")


def _blocks(stream: BinaryIO, start: int, line_end: str) -> Iterator[bytes]:
    """Blocks of whole lines."""
    mark = LINE_ENDS[line_end]
    stream.seek(start)
    rest = b""
    while chunk := stream.read(BLOCK):
        rest += chunk
        cut = rest.rfind(mark) + len(mark)
        # A CR at the very end of a CR file may be half of nothing else; of a CRLF file it waits for its LF.
        if cut >= len(mark):
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _to_newlines(block: bytes, line_end: str) -> bytes:
    """Same length, LF ends: byte offsets stay true. The blank that stands for a CR is stripped with the field."""
    if line_end == "CRLF":
        return block.replace(b"\r\n", b" \n")
    return block.replace(b"\r", b"\n") if line_end == "CR" else block


def _utf8(even: bytes, report: Report) -> bytes:
    return even if report.encoding == "UTF-8" else even.decode(report.encoding).encode()


def _lines(even: bytes) -> pl.DataFrame:
    """One row a line. No settlement file holds the separator U+0001, so each line is one field."""
    return pl.read_csv(even, has_header=False, separator="\x01", quote_char=None, empty_string_is_null=False, schema={"raw": pl.String})


def _item_key(parts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(parts, separator="\x1f")


def _line_end(head: bytes) -> str:
    first = re.search(rb"\r\n|\n|\r", head)
    found = first.group() if first else b"\n"
    return next(name for name, mark in LINE_ENDS.items() if mark == found)


def _date_style(text: str, line: int) -> str:
    for name, (pattern, _) in DATE_STYLES.items():
        if re.fullmatch(pattern, text):
            return name
    raise Unreadable("date-unreadable", line, f"Line {line} has settlement-start-date “{text}”; expected 2026-12-31 23:59:59 UTC or 31.12.2026 23:59:59 UTC.")


def _instant(summary: dict[str, str], column: str, style: str, line: int) -> datetime:
    try:
        return datetime.strptime(summary[column], DATE_STYLES[style][1]).replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("date-unreadable", line, f"Line {line} has {column} “{summary[column]}”; expected a date such as {style} 23:59:59 UTC.") from None


def _decimal_style(stream: BinaryIO, header: tuple[str, ...], total: str, rows_start: int, line_end: str) -> str:
    """From total-amount, else from the first amount with a decimal mark; a file without any (JPY) reads as "1.00"."""
    at = header.index("amount")

    def amounts() -> Iterator[str]:
        yield total
        for block in _blocks(stream, rows_start, line_end):
            for raw in _to_newlines(block, line_end).split(b"\n"):
                fields = raw.split(b"\t", at + 1)
                if len(fields) > at:
                    yield fields[at].decode("cp1252", "replace")

    for text in amounts():
        if mark := re.search("[.,]", text):
            return next(name for name, point in DECIMAL_STYLES.items() if point == mark.group())
    return "1.00"


def _amount_pattern(point: str, exponent: int) -> str:
    fraction = rf"\d{{1,{exponent}}}0*" if exponent else "0+"
    return rf"^-?\d{{1,13}}(?:{re.escape(point)}{fraction})?$"


def _decimal(text: pl.Expr, point: str, exponent: int) -> pl.Expr:
    return text.str.replace(point, ".", literal=True).cast(pl.Decimal(20, exponent))


def _total(text: str, style: str, exponent: int, line: int) -> Decimal:
    point = DECIMAL_STYLES[style]
    if not re.fullmatch(_amount_pattern(point, exponent), text):
        raise Unreadable("amount-unreadable", line, f"Line {line} has total-amount “{text}”; expected an amount such as 1234{point + '56'[:exponent] if exponent else ''}.")
    return Decimal(text.replace(point, "."))


def _encoding(stream: BinaryIO, currency: str) -> str:
    """UTF-8, else Shift_JIS for JPY where all of it decodes, else Windows-1252 (vocabulary section 1)."""
    for name in ("UTF-8", *(["Shift_JIS"] if currency == "JPY" else []), "cp1252"):
        if _decodes(stream, name):
            return name
    raise Unreadable("encoding-unknown", 1, "The file is neither UTF-8 nor Windows-1252. A program between has re-saved it.")


def _decodes(stream: BinaryIO, encoding: str) -> bool:
    decoder = getincrementaldecoder(encoding)()
    stream.seek(0)
    try:
        while chunk := stream.read(BLOCK):
            if not (chunk.isascii() and decoder.getstate()[0] == b""):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
