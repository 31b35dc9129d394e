"""Settlement Report V2, the flat file: what its head and its bytes say of it (domain.md 4.1, settlement-vocabulary 1 and 4).

Pure. Whatever cannot be read raises `Unreadable` with the line and the words for a person; nothing is guessed.
"""

import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import BinaryIO

from apps.settlements.layout import SHOWN, Unreadable, split_header
from apps.settlements.raw import BLOCK, LINE_ENDS, blocks, to_newlines

# Name as shown -> (pattern, strptime). Real files: vocabulary section 4. The date style does not imply the decimal style.
DATE_STYLES = {
    "2026-12-31": (r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC", "%Y-%m-%d %H:%M:%S UTC"),
    "31.12.2026": (r"[0-9]{2}\.[0-9]{2}\.[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC", "%d.%m.%Y %H:%M:%S UTC"),
}
DECIMAL_STYLES = {"1.00": ".", "1,00": ","}
# A year beyond these is a misreading, such as 26 for 2026.
YEARS = range(2000, 2100)
SETTLEMENT_ID = r"[0-9A-Za-z_-]{1,40}"


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
        raise Unreadable(
            "resaved-by-spreadsheet",
            1,
            "This is a spreadsheet workbook. Amazon sends a text file: download the flat file again and upload it untouched.",
        )
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(
            "encoding-unknown",
            1,
            "The file is UTF-16. Amazon sends UTF-8, Shift_JIS or Windows-1252: a program between has re-saved it.",
        )
    start = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    line_end = _line_end(head)
    mark = LINE_ENDS[line_end]
    _refuse_nul(stream, line_end)
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
    header, extra = split_header(_text(lines[0][1]), _text(head[start:]), lines[0][0])
    if len(lines) < 2:
        raise Unreadable(
            "no-summary",
            lines[0][0],
            "The file ends after its header. Expected the summary row with total-amount below it.",
        )
    line, raw = lines[1]
    values = [value.strip() for value in _text(raw).split("\t")]
    if len(values) != len(header):
        raise Unreadable("line-broken", line, f"Line {line} has {len(values)} fields; the header has {len(header)}.")
    summary = dict(zip(header, values, strict=True))
    currency = summary["currency"].upper()
    if not summary["total-amount"] or not re.fullmatch("[A-Z]{3}", currency) or summary["transaction-type"]:
        raise Unreadable(
            "no-summary",
            line,
            f"Line {line} is not the summary row: expected total-amount and currency there and no transaction-type.",
        )
    if not re.fullmatch(SETTLEMENT_ID, summary["settlement-id"]):
        raise Unreadable(
            "settlement-id-unreadable",
            line,
            f"Line {line} has settlement-id “{summary['settlement-id'][:SHOWN]}”; expected 40 digits or letters at most.",
        )
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


def _refuse_nul(stream: BinaryIO, line_end: str) -> None:
    """No text has a NUL, and the database keeps none."""
    stream.seek(0)
    line, mark = 1, LINE_ENDS[line_end][-1:]
    while chunk := stream.read(BLOCK):
        at = chunk.find(b"\0")
        line += chunk.count(mark, 0, at if at >= 0 else len(chunk))
        if at >= 0:
            raise Unreadable(
                "not-text", line, f"Line {line} has a NUL byte, so this is no text file. Download it again."
            )


def _text(raw: bytes) -> str:
    """Of the head alone, before the encoding of the whole file is known."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _line_end(head: bytes) -> str:
    first = re.search(rb"\r\n|\n|\r", head)
    found = first.group() if first else b"\n"
    return next(name for name, mark in LINE_ENDS.items() if mark == found)


def _date_style(text: str, line: int) -> str:
    for name, (pattern, _) in DATE_STYLES.items():
        if re.fullmatch(pattern, text):
            return name
    raise Unreadable(
        "date-unreadable",
        line,
        f"Line {line} has settlement-start-date “{text[:SHOWN]}”; expected 2026-12-31 23:59:59 UTC or 31.12.2026 23:59:59 UTC.",
    )


def _instant(summary: dict[str, str], column: str, style: str, line: int) -> datetime:
    try:
        found = datetime.strptime(summary[column], DATE_STYLES[style][1]).replace(tzinfo=UTC)
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise Unreadable(
            "date-unreadable",
            line,
            f"Line {line} has {column} “{summary[column][:SHOWN]}”; expected a date such as {style} 23:59:59 UTC.",
        )
    return found


def _decimal_style(stream: BinaryIO, header: tuple[str, ...], total: str, rows_start: int, line_end: str) -> str:
    """From total-amount, else from the first amount with a decimal mark; a file without any (JPY) reads as "1.00"."""
    at = header.index("amount")

    def amounts() -> Iterator[str]:
        yield total
        for block in blocks(stream, rows_start, line_end):
            for raw in to_newlines(block, line_end).split(b"\n"):
                fields = raw.split(b"\t", at + 1)
                if len(fields) > at:
                    yield fields[at].decode("cp1252", "replace")

    for text in amounts():
        if mark := re.search("[.,]", text):
            return next(name for name, point in DECIMAL_STYLES.items() if point == mark.group())
    return "1.00"


def amount_pattern(point: str, exponent: int) -> str:
    """Three decimals of a currency that has fewer could be thousands, so they are not read."""
    fraction = f"[0-9]{{1,{exponent}}}" if exponent else "0{1,2}"
    return f"^-?[0-9]{{1,13}}(?:{re.escape(point)}{fraction})?$"


def _total(text: str, style: str, exponent: int, line: int) -> Decimal:
    point = DECIMAL_STYLES[style]
    if not re.fullmatch(amount_pattern(point, exponent), text):
        example = f"12{point + '34'[:exponent] if exponent else ''}"
        raise Unreadable(
            "amount-unreadable",
            line,
            f"Line {line} has total-amount “{text[:SHOWN]}”; expected an amount such as {example}.",
        )
    return Decimal(text.replace(point, "."))


def _encoding(stream: BinaryIO, currency: str) -> str:
    """UTF-8, else Shift_JIS for JPY where all of it decodes, else Windows-1252 (vocabulary section 1)."""
    for name in ("UTF-8", *(["Shift_JIS"] if currency == "JPY" else []), "cp1252"):
        if _decodes(stream, name):
            return name
    raise Unreadable(
        "encoding-unknown", 1, "The file is neither UTF-8 nor Windows-1252. A program between has re-saved it."
    )


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
