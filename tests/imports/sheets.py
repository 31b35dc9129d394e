"""Spreadsheets as people send them, and having them taken as the screen and the worker do."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook, load_workbook

from apps.core.models import Entity, User
from apps.imports.models import Import, ImportRow
from apps.imports.operations import begin_apply, take_file
from apps.integrations.jobs import run_here

ITEMS = ["Item", "Title", "EAN", "ASIN", "Pack", "Price", "Currency", "Active"]
MUG = ["BF-MUG-0350", "Stoneware mug, 350 ml", "5060712350102", "B0MUGMUG01", 1, 12.5, "GBP", "yes"]
TOWEL = ["BF-TOWEL-ECRU", "Bath towel, ecru", "5060712350119", "", 1, "18.00", "GBP", "yes"]


def xlsx(rows: Sequence[Sequence[Any]]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(list(row))
    book.save(file)
    return file.getvalue()


def csv_of(rows: Sequence[Sequence[Any]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def cells(content: bytes, format: str) -> list[list[Any]]:
    """What somebody sees who opens the file."""
    if format == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return [list(row) for row in load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)]


def bring(
    entity: Entity, actor: User, content: bytes, *, sheet: str = "items", mode: str = "good", name: str = "sheet.xlsx"
) -> Import:
    """Uploaded and dry-run."""
    row = take_file(entity=entity, sheet=sheet, mode=mode, name=name, chunks=[content], actor=actor)
    job = run_here(row.job)
    assert job.state == "done", job.error
    row.refresh_from_db()
    return row


def save(row: Import, actor: User, *, keep_conflicts: bool = False) -> Import:
    begun = begin_apply(row=row, digest=row.digest, keep_conflicts=keep_conflicts, actor=actor)
    job = run_here(begun.job)
    assert job.state == "done", job.error
    row.refresh_from_db()
    return row


def outcomes(row: Import) -> dict[int, str]:
    return dict(ImportRow.objects.filter(of=row).values_list("number", "outcome"))


def faults(row: Import) -> dict[int, list[list[Any]]]:
    return {found.number: found.faults for found in ImportRow.objects.filter(of=row).exclude(faults=[])}
