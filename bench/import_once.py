"""One round: a spreadsheet read by openpyxl alone, brought and dry-run, saved. Prints its seconds as JSON."""

import io
import json
import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
django.setup()

from openpyxl import Workbook, load_workbook  # noqa: E402

from apps.core.models import Entity, Membership, User  # noqa: E402
from apps.core.permissions import Role  # noqa: E402
from apps.imports.models import Import  # noqa: E402
from apps.imports.operations import begin_apply, take_file  # noqa: E402
from apps.integrations.jobs import run_here  # noqa: E402

HEADER = ["Item", "Title", "EAN", "ASIN", "Pack", "Price", "Currency", "Active"]


def workbook(number: int, rows: int) -> bytes:
    book, file = Workbook(write_only=True), io.BytesIO()
    page = book.create_sheet()
    page.append(HEADER)
    for row in range(rows):
        page.append([f"R{number}-{row:06d}", f"Item {row} of {number}", f"50607{row:08d}", f"B{row:09d}", 1, 12.5, "GBP", "yes"])
    book.save(file)
    return file.getvalue()


def timed(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def read(content: bytes) -> None:
    book = load_workbook(io.BytesIO(content), read_only=True)
    for _ in book.worksheets[0].iter_rows(values_only=True):
        pass


def main(number: int, rows: int) -> None:
    entity, _ = Entity.objects.get_or_create(
        name="Bench Ltd", defaults={"country": "GB", "zone": "Europe/London", "base_currency": "GBP"}
    )
    ada, _ = User.objects.get_or_create(email="ada@example.com", defaults={"name": "Ada Moor"})
    Membership.objects.get_or_create(user=ada, entity=entity, role=Role.ADMIN)
    content = workbook(number, rows)
    row = take_file(entity=entity, sheet="items", mode="all", name=f"{number}.xlsx", chunks=[content], actor=ada)
    seconds = {"read": timed(lambda: read(content)), "dry": timed(lambda: run_here(row.job))}
    row = Import.objects.get(pk=row.pk)
    row = begin_apply(row=row, digest=row.digest, keep_conflicts=False, actor=ada)
    seconds["saved"] = timed(lambda: run_here(row.job))
    row.refresh_from_db()
    if row.state != Import.State.APPLIED:
        raise SystemExit(f"The import is {row.state}: {row.words}")
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    memory = int(peak.split()[1]) // 1024
    print(json.dumps({**seconds, "added": row.added, "memory": memory}))


main(int(sys.argv[1]), int(sys.argv[2]))
