"""Spreadsheets: those that were brought, bringing one, and the sheets to take away: empty, or with what is there now."""

from typing import Any

from django import forms
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import PAGE, door, page_of, query_without, render_screen
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import IMPORT_SHEETS
from apps.core.refusals import not_allowed_words
from apps.imports.importable import SHEETS, Importable, sheet_of
from apps.imports.models import Mode
from apps.imports.operations import sheets_of, take_file, visible_to
from apps.imports.reading import LARGEST
from apps.imports.writing import CONTENT_TYPES, FORMATS, export, template


class ImportForm(forms.Form):
    sheet = forms.ChoiceField(label="What it holds")
    entity = forms.ModelChoiceField(Entity.objects.none(), label="Company", empty_label=None)
    file = forms.FileField(label="Spreadsheet", help_text=f".xlsx or .csv, up to {LARGEST // 2**20} MB.")
    mode = forms.ChoiceField(label="What is saved", choices=Mode, initial=Mode.GOOD, widget=forms.RadioSelect)

    def __init__(self, *args: Any, person: User, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.person = person
        companies = Entity.objects.filter(pk__in=person.entities_where(IMPORT_SHEETS))
        self.fields["entity"].queryset = companies
        self.only_company = companies[0] if len(companies) == 1 else None
        if self.only_company:
            del self.fields["entity"]
        mine = {sheet.name: sheet.title for company in companies for sheet in sheets_of(person, company)}
        self.fields["sheet"].choices = [("", "Choose a sheet"), *mine.items()]

    @property
    def company(self) -> Entity:
        return self.only_company or self.cleaned_data["entity"]


@door(IMPORT_SHEETS, methods=["GET", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """A POST stores the file raw, and a worker reads it while the person watches. ?sheet= suggests what it holds."""
    suggested = {"sheet": request.GET.get("sheet", ""), "entity": request.companies.chosen}
    form = ImportForm(request.POST or None, request.FILES or None, person=request.user, initial=suggested)
    if request.method == "POST" and form.is_valid():
        try:
            row = take_file(
                entity=form.company,
                sheet=form.cleaned_data["sheet"],
                mode=form.cleaned_data["mode"],
                name=form.cleaned_data["file"].name,
                chunks=form.cleaned_data["file"].chunks(),
                actor=request.user,
            )
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        else:
            return redirect("import", pk=row.pk)
    rows = request.companies.within(visible_to(request.user)).select_related("entity", "made_by", "applied_by")
    after = request.GET.get("after", "")
    rows = rows.filter(pk__lt=int(after)) if after.isdecimal() and len(after) < PAGE else rows
    shown, more = page_of(rows.order_by("-pk"))
    context = {
        "form": form,
        "rows": [(row, sheet_of(row).title) for row in shown],
        "sheets": [sheet for sheet in SHEETS.values() if request.user.may_anywhere(sheet.permission)],
        "companies": Entity.objects.filter(pk__in=request.user.entities_where(IMPORT_SHEETS)),
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "imports.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@door(IMPORT_SHEETS)
def import_export(request: HttpRequest, sheet: str, format: str) -> FileResponse:
    """All that is there now. ?company= names whose, where the person has several."""
    kind = _sheet(request, sheet, format)
    able = Entity.objects.filter(pk__in=request.user.entities_where(kind.permission))
    asked = request.GET.get("company", "")
    wanted = Q(pk=int(asked)) if asked.isdecimal() and len(asked) < PAGE else Q(pk__in=request.companies.ids)
    entity = get_object_or_404(able.filter(wanted)[:1])
    return _file(export(kind, entity, format), f"{kind.name}.{format}", format)


@door(IMPORT_SHEETS)
def import_empty(request: HttpRequest, sheet: str, format: str) -> FileResponse:
    kind = _sheet(request, sheet, format)
    return _file(template(kind, format), f"{kind.name}-empty.{format}", format)


def _sheet(request: HttpRequest, name: str, format: str) -> Importable:
    if name not in SHEETS or format not in FORMATS:
        raise Http404("no such sheet")
    kind = SHEETS[name]
    if not request.user.may_anywhere(kind.permission):
        raise NotAllowed(not_allowed_words(kind.permission, request.user))
    return kind


def _file(content: Any, name: str, format: str) -> FileResponse:
    return FileResponse(content, as_attachment=True, filename=name, content_type=CONTENT_TYPES[format])
