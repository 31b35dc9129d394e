"""One spreadsheet: what each row would do, what that does to open work, and saving, throwing away or undoing it."""

from dataclasses import dataclass
from pathlib import Path

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from openpyxl.utils import column_index_from_string

from apps.console.deeds import Attempted, attempt, offer
from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import IMPORT_SHEETS
from apps.core.refusals import not_allowed_words
from apps.imports.deeds import APPLY, UNDO, deeds_of
from apps.imports.importable import Importable, sheet_of
from apps.imports.models import NEEDS_YOU, Import, ImportRow, Mode, Outcome
from apps.imports.operations import CHANGED_MEANWHILE, can_apply, throw_away
from apps.imports.writing import CONTENT_TYPES, with_errors
from apps.integrations.jobs import ENDED
from apps.work.deeds import preview
from apps.work.proposals import waiting_for

VIEWS = {
    "needs-you": ("Needs you", NEEDS_YOU),
    "added": ("Added", (Outcome.ADDED,)),
    "changed": ("Changed", (Outcome.CHANGED,)),
    "same": ("Same", (Outcome.SAME,)),
}
MARKS = {"added": "ok", "changed": "work", "same": "wait", "conflict": "late", "bad": "bad"}
UNDER_WAY = (Import.State.READING, Import.State.APPLYING)
BLANKS = str.maketrans({" ": "␣", "\N{NO-BREAK SPACE}": "⍽"})


@dataclass(frozen=True)
class CellShown:
    """A cell of the table: what was found, and what is wrong with it or what it was before."""

    label: str
    text: str
    fault: str = ""
    before: str | None = None


@dataclass(frozen=True)
class RowShown:
    number: int
    outcome: str
    mark: str
    words: str
    cells: list[CellShown]


@door(IMPORT_SHEETS)
def one_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks again every second until the worker has ended. ?show= chooses rows, ?do=undo the undoing."""
    row = _seen_by(request, pk)
    undoes = request.GET.get("do") == UNDO.name and row.state == Import.State.APPLIED
    return _show(request, row, offer(deeds_of(row)[UNDO.name], row, request.user) if undoes else None)


@door(IMPORT_SHEETS, methods=["POST"])
def import_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Save the good rows as they were shown, throw the import away, or undo it after a preview."""
    row = _seen_by(request, pk)
    if name == UNDO.name:
        attempted = attempt(deeds_of(row)[name], row, request, kind="import")
        if attempted.done:
            return redirect("import", pk=pk)
        return _show(request, row, attempted)
    try:
        if name == APPLY.name:
            attempted = attempt(deeds_of(row)[name], row, request, kind="import")
            if attempted.changed:
                raise Refused(attempted.plan.over or CHANGED_MEANWHILE, code="plan-changed")
            if attempted.refused:
                raise attempted.refused
        elif name == "throw-away":
            throw_away(row=row, actor=request.user)
            messages.success(request, f"{row.name} is thrown away. Nothing was changed.")
        else:
            raise Http404(f"nothing called {name}")
    except NotAllowed:
        raise
    except Refused as refused:
        row.refresh_from_db()
        return _show(request, row, None, fault=refused)
    return redirect("import", pk=pk)


@door(IMPORT_SHEETS)
def import_errors(request: HttpRequest, pk: int, format: str) -> FileResponse:
    """The file as it came, with what is wrong in a last column."""
    row = _seen_by(request, pk)
    if format != row.format or row.state in (Import.State.READING, Import.State.REFUSED):
        raise Http404("no such file")
    name = f"{Path(row.name).stem}-errors.{format}"
    return FileResponse(with_errors(row), as_attachment=True, filename=name, content_type=CONTENT_TYPES[format])


def _seen_by(request: HttpRequest, pk: int) -> Import:
    mine = Import.objects.filter(entity__in=request.user.entities_where(IMPORT_SHEETS))
    found = get_object_or_404(mine.select_related("entity", "job", "made_by", "applied_by", "undone_by"), pk=pk)
    permission = sheet_of(found).permission
    if not request.user.may(permission, found.entity_id):
        raise NotAllowed(not_allowed_words(permission, request.user))
    show_in_zone(found.entity)
    return found


def _show(
    request: HttpRequest, row: Import, attempted: Attempted | None, *, fault: Refused | None = None
) -> HttpResponse:
    sheet = sheet_of(row)
    view = request.GET.get("show", "")
    if view not in VIEWS:
        view = next((name for name, (_, outcomes) in VIEWS.items() if _count(row, outcomes)), "needs-you")
    rows = ImportRow.objects.filter(of=row, outcome__in=VIEWS[view][1])
    after = request.GET.get("after", "")
    rows = rows.filter(number__gt=int(after)) if after.isdecimal() and len(after) < 10 else rows
    shown, more = page_of(rows)
    broken = row.job is not None and row.job.state in ENDED and row.job.state != "done"
    savable = row.good or (sheet.keep_conflicts and row.conflict)
    context = {
        "row": row,
        "sheet": sheet,
        "under_way": row.state in UNDER_WAY and not broken,
        "broken": broken and row.state in UNDER_WAY,
        "ready": can_apply(row),
        "can_save": can_apply(row) and savable and not (row.mode == Mode.ALL and row.needing),
        "keeps": sheet.keep_conflicts is not None and row.conflict and row.mode == Mode.GOOD,
        "views": [(name, label, _count(row, outcomes)) for name, (label, outcomes) in VIEWS.items()],
        "view": view,
        "rows": [_row(sheet, row, found) for found in shown],
        "next": shown[-1].number if more else "",
        "kept": query_without(request, "after"),
        "history": AuditEntry.objects.about(f"import:{row.pk}").filter(verb__startswith="import."),
        "waits": waiting_for("import", row.pk),
        "over": _over(row, request.user),
        "attempted": attempted,
        "fault": fault,
    }
    status = attempted.status if attempted else 200
    if fault:
        status = CONFLICT if fault.code == "plan-changed" else UNPROCESSABLE
    partial = "preview" if attempted else "found"
    return render_screen(request, "import.html", context, partial=partial, status=status)


def _over(row: Import, person: User) -> str:
    """Why saving it takes a second person, or nothing."""
    plan = preview(deeds_of(row)[APPLY.name], row, person, {}).plan
    return plan.over if plan else ""


def _count(row: Import, outcomes: tuple[Outcome, ...]) -> int:
    return sum(getattr(row, outcome.value) for outcome in outcomes)


def _row(sheet: Importable, row: Import, found: ImportRow) -> RowShown:
    faults = {place: words for place, words in found.faults}
    names = {column.column_name: name for name, column in sheet.fields().items()}
    cells = []
    for letter, title in row.columns:
        place = column_index_from_string(letter) - 1
        text = found.cells[place] if place < len(found.cells) else ""
        before = found.changes.get(names[title], [None])[0]
        cells.append(CellShown(f"{letter} {title}", _visible(text), faults.pop(place, ""), before))
    return RowShown(
        number=found.number,
        outcome=found.get_outcome_display(),
        mark=MARKS[found.outcome],
        words=" ".join(faults.values()),
        cells=cells,
    )


def _visible(text: str) -> str:
    """Blanks around a text are what nobody would see."""
    bare = text.strip()
    if not bare:
        return text.translate(BLANKS)
    before, after = text.split(bare, 1)
    return f"{before.translate(BLANKS)}{bare}{after.translate(BLANKS)}".replace("\N{NO-BREAK SPACE}", "⍽")
