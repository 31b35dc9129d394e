"""Sheets as they leave: what is there now, an empty one to fill in, a file given back with an error column.

Nothing in them runs when a spreadsheet program opens them, and keys are text cells. They are written row by row into a file
on the disk, so that their length does not matter.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter

from apps.core.models import Entity
from apps.imports.columns import defuse, original, shown
from apps.imports.importable import Importable, sheet_of
from apps.imports.judging import ERROR_COLUMN, EXAMPLE
from apps.imports.models import NEEDS_YOU, Import, ImportRow
from apps.imports.reading import CSV, XLSX, rows_of
from apps.integrations.files import open_raw

FORMATS = (XLSX, CSV)
CONTENT_TYPES = {
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    CSV: "text/csv; charset=utf-8",
}
AS_TEXT = "@"
WIDTH = 18
LONGEST_TITLE = 31  # Excel's limit for the name of a sheet


def export(sheet: Importable, entity: Entity, format: str) -> BinaryIO:
    """All that is there now, as the importer reads it: imported again it changes nothing."""
    columns = list(sheet.fields().values())

    def rows() -> Iterator[list[Any]]:
        for record in sheet.present(entity):
            yield [column.export(record) for column in columns]

    return _written(format, sheet, [sheet.headers], rows())


def template(sheet: Importable, format: str) -> BinaryIO:
    """The header, and a made-up row that reading passes over."""
    first, *others = [column.example for column in sheet.fields().values()]
    return _written(format, sheet, [sheet.headers], [[f"{EXAMPLE}: {first}", *others]])


def with_errors(row: Import) -> BinaryIO:
    """The file as it came, in its own format and order, with what is wrong in a last column."""
    letters = dict(enumerate(get_column_letter(n) for n in range(1, 200)))
    needing = ImportRow.objects.filter(of=row, outcome__in=NEEDS_YOU).values_list("number", "faults")
    words = {
        number: " ".join(f"{letters.get(place, '')}: {said}" if place >= 0 else said for place, said in faults)
        for number, faults in needing
    }
    sheet = sheet_of(row)
    with open_raw(row) as file:
        return _written(row.format, sheet, [], _marked(rows_of(file, sheet.headers), words))


def _marked(rows: Iterator, words: dict[int, str]) -> Iterator[list[Any]]:
    """Each row at its own number, so that the words of the dry run stay true."""
    header = next(rows)
    earlier = next((n for n, cell in enumerate(header.cells) if shown(cell).strip() == ERROR_COLUMN), None)
    kept = [cell for n, cell in enumerate(header.cells) if n != earlier]
    for _ in range(1, header.number):
        yield []
    yield [*kept, ERROR_COLUMN]
    last = header.number
    for row in rows:
        for _ in range(last + 1, row.number):
            yield []
        last = row.number
        cells = [original(cell) if isinstance(cell, str) else cell for n, cell in enumerate(row.cells) if n != earlier]
        if row.number in words:
            cells += [None] * (len(kept) - len(cells))
            cells.append(words[row.number])
        yield cells


def _written(format: str, sheet: Importable, head: list[list[str]], rows: Iterable[list[Any]]) -> BinaryIO:
    file = TemporaryFile()  # noqa: SIM115  the caller reads and closes it
    {XLSX: _write_workbook, CSV: _write_csv}[format](file, sheet, head, rows)
    file.seek(0)
    return file


def _write_csv(file: BinaryIO, sheet: Importable, head: list[list[str]], rows: Iterable[list[Any]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", errors="replace")
    writer = csv.writer(text)
    writer.writerows(head)
    writer.writerows([defuse(cell) if isinstance(cell, str) else shown(cell) for cell in row] for row in rows)
    text.flush()
    text.detach()


def _write_workbook(file: BinaryIO, sheet: Importable, head: list[list[str]], rows: Iterable[list[Any]]) -> None:
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet.title[:LONGEST_TITLE])
    page.freeze_panes = "A2"
    for place, column in enumerate(sheet.fields().values(), start=1):
        dimension = page.column_dimensions[get_column_letter(place)]
        dimension.width = WIDTH
        if column.widget.is_text:
            dimension.number_format = AS_TEXT
    for row in head:
        page.append(row)
    for row in rows:
        page.append([_cell(page, value) for value in row])
    book.save(file)


def _cell(page: Any, value: Any) -> Any:
    if isinstance(value, str):
        if not value:
            return None
        cell = WriteOnlyCell(page, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", defuse(value)))
        cell.data_type = "s"
        cell.number_format = AS_TEXT
        return cell
    return value if isinstance(value, int | float | Decimal | date | timedelta | None) else shown(value)
