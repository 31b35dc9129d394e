"""Rows of a spreadsheet, bounded before and while they are read. What cannot be read is refused in words.

Which format it is, its first bytes say, not its name. A workbook is looked at as a zip file before anything unpacks it.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from apps.core.errors import Refused

LARGEST = 20 * 2**20
MOST_ROWS = 100_000
MOST_COLUMNS = 100
MOST_CELLS = 2_000_000
LAST_ROW = 1_048_576  # of an Excel sheet
LONGEST_CELL = 32_767
MOST_PARTS = 1_000
UNPACKED = 256 * 2**20
UNPACKED_STRINGS = 40 * 2**20  # they are held in memory
UNPACKED_OTHER = 16 * 2**20
RATIO = 250
RATIO_FROM = 4 * 2**20  # small parts may be as repetitive as they like
HEAD = 4096

XLSX, CSV = "xlsx", "csv"
ZIP_START = b"PK\x03\x04"
OLE_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DELIMITERS = ",;\t"
BROKEN = (
    BadZipFile, ParseError, ZlibError, InvalidFileException, KeyError, IndexError, ValueError, TypeError,
    AttributeError, EOFError, OverflowError, NotImplementedError, RuntimeError, AssertionError,
)  # fmt: skip
"""What openpyxl raises on a workbook that is none."""


@dataclass(frozen=True)
class Row:
    """`number` as the spreadsheet program counts it; cells as the file has them: text, number, date, None."""

    number: int
    cells: list[Any]


def format_of(file: BinaryIO) -> str:
    """"xlsx" or "csv". Refuses what is neither."""
    start = file.read(HEAD)
    file.seek(0)
    if start.startswith(ZIP_START):
        return XLSX
    if start.startswith(OLE_START):
        rest = file.read(LARGEST)
        file.seek(0)
        if "EncryptedPackage".encode("utf-16-le") in rest:
            raise _refused("It is protected by a password. Save it without one.", "encrypted")
        raise _refused("It is a workbook of the old kind (.xls). Save it as .xlsx.", "old-workbook")
    return CSV


def rows_of(file: BinaryIO, header: list[str]) -> Iterator[Row]:
    """The rows that are not empty. `header`: the column names that a file may have, to know a CSV's delimiter by."""
    reader = _workbook_rows(file) if format_of(file) == XLSX else _csv_rows(file, header)
    count = cells = 0
    for row in reader:
        if row.number > LAST_ROW:
            raise _refused(f"It names row {row.number:,}. A sheet has {LAST_ROW:,} at most.", "too-long")
        width = len(row.cells)
        while width and row.cells[width - 1] in (None, ""):
            width -= 1
        if not width:
            continue
        count += 1
        cells += width
        if count > MOST_ROWS + 1:
            raise _refused(f"It has more than {MOST_ROWS:,} rows. Split it.", "too-long")
        if width > MOST_COLUMNS or len(row.cells) > LONGEST_CELL or cells > MOST_CELLS:
            raise _refused(f"Row {row.number:,} makes it too wide. At most {MOST_COLUMNS} columns.", "too-wide")
        for place, cell in enumerate(row.cells[:width], start=1):
            if isinstance(cell, str) and len(cell) > LONGEST_CELL:
                where = f"{get_column_letter(place)}{row.number}"
                raise _refused(f"Cell {where} holds {len(cell):,} characters. At most {LONGEST_CELL:,}.", "too-long")
        yield Row(row.number, row.cells[:width])


def _workbook_rows(file: BinaryIO) -> Iterator[Row]:
    """Of the first sheet. openpyxl streams them."""
    try:
        _check_parts(file)
        book = load_workbook(file, read_only=True, keep_links=False)
        sheets = book.worksheets
        if not sheets:
            raise _refused("The workbook has no sheet with cells.", "not-a-workbook")
        sheets[0].reset_dimensions()  # what a file says of its own size is often wrong
        for number, cells in enumerate(sheets[0].iter_rows(values_only=True), start=1):
            yield Row(number, list(cells))
        book.close()
    except BROKEN as error:
        raise _refused("It is not a workbook that can be read, or it is damaged. Save it again.", "damaged") from error


def _check_parts(file: BinaryIO) -> None:
    with ZipFile(file) as archive:
        parts = archive.infolist()
        names = {part.filename.lower() for part in parts}
        if any(part.flag_bits & 1 for part in parts):
            raise _refused("It is protected by a password. Save it without one.", "encrypted")
        if "xl/workbook.xml" not in names:
            raise _refused("It is a zip file, but no Excel workbook (.xlsx).", "not-a-workbook")
        if any(name.endswith("vbaproject.bin") for name in names):
            raise _refused("It has macros. Save it as .xlsx, which has none.", "macros")
        if len(parts) > MOST_PARTS or len(names) != len(parts):
            raise _refused("It is packed in a way no spreadsheet program packs.", "zip-bomb")
        if sum(part.file_size for part in parts) > UNPACKED or any(_swells(part) for part in parts):
            raise _refused("Unpacked it is far larger than any sheet that we take. Save it again.", "zip-bomb")
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as content:
                    if b"<!DOCTYPE" in content.read(HEAD):
                        raise _refused("It declares a document type, which no spreadsheet does.", "not-a-workbook")
    file.seek(0)


def _swells(part: ZipInfo) -> bool:
    name = part.filename.lower()
    most = UNPACKED
    if name.endswith("sharedstrings.xml"):
        most = UNPACKED_STRINGS
    elif not name.startswith("xl/worksheets/"):
        most = UNPACKED_OTHER
    return part.file_size > most or (part.file_size > RATIO_FROM and part.file_size > RATIO * part.compress_size)


def _csv_rows(file: BinaryIO, header: list[str]) -> Iterator[Row]:
    text = io.TextIOWrapper(file, encoding=_encoding(file), errors="strict", newline="")
    number = 0
    try:
        first = text.readline()
        if "\0" in first:
            raise _refused("It holds NUL characters, so it is no text. Save it as “CSV UTF-8”.", "not-text")
        text.seek(0)
        for number, cells in enumerate(csv.reader(text, delimiter=_delimiter(first, header), strict=True), start=1):
            if any("\0" in cell for cell in cells):
                raise _refused(f"Row {number:,} holds NUL characters. Expected text.", "not-text")
            yield Row(number, cells)
    except UnicodeError as error:
        raise _refused(f"Below row {number:,} it is not UTF-8 text. Save it as “CSV UTF-8”.", "encoding") from error
    except csv.Error as error:
        words = f"Row {number + 1:,} cannot be read as CSV ({error}). Is a quotation mark left open?"
        raise _refused(words, "damaged") from error


def _encoding(file: BinaryIO) -> str:
    start = file.read(4)
    file.seek(0)
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _delimiter(first: str, header: list[str]) -> str:
    """The one that parts the first line into the most known names."""
    names = {name.casefold() for name in header}

    def known(delimiter: str) -> int:
        cells = next(csv.reader([first], delimiter=delimiter), [])
        return sum(" ".join(cell.split()).casefold() in names for cell in cells)

    return max(DELIMITERS, key=known)


def _refused(words: str, code: str) -> Refused:
    return Refused(words, code=code, field="file")
