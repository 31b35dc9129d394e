"""Tables as files for a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.http import FileResponse

from apps.console.waterfall import Fall
from apps.core.money import round_half_up


def csv_file(name: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> FileResponse:
    """Texts come through `safe`; figures are plain."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(headers)
    writer.writerows([safe(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    content = io.BytesIO(text.getvalue().encode())
    return FileResponse(content, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")


def fall_file(name: str, falls: Iterable[Fall]) -> FileResponse:
    """The rows of waterfalls, each with what it leads to at its end."""
    rows: list[Sequence[Any]] = []
    for fall in falls:
        cents = partial(round_half_up, currency=fall.currency)
        rows += [(fall.currency, step, cents(amount), cents(after)) for step, amount, after in fall.rows]
        rows.append((fall.currency, fall.total_name, cents(fall.total), cents(fall.total)))
    return csv_file(name, ("currency", "step", "amount", "left after it"), rows)


def safe(text: str) -> str:
    """A text that a spreadsheet would run begins with a quote."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text
