"""The runbooks: every kind of exception in plain words, from the catalogue, with what each company's people add to it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from apps.console import words
from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import door, render_screen
from apps.core import money
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.core.refusals import who_can
from apps.exceptions.types import REGISTRY, ExceptionType
from apps.work import runbooks as additions
from apps.work.models import RunbookAddition

VERSIONS_SHOWN = 20


class AdditionForm(forms.Form):
    text = forms.CharField(
        label="What your own people should know",
        required=False,
        widget=forms.Textarea({"rows": 8}),
        help_text="Paragraphs with an empty line between them; an address that begins with https:// becomes a link. "
        "It stands on each case's page too. Empty takes it out.",
    )
    after = forms.IntegerField(widget=forms.HiddenInput)


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A company's own text, the newest version first; `form` where this person writes it."""

    entity: Entity
    versions: list[RunbookAddition]
    form: AdditionForm | None

    @property
    def now(self) -> RunbookAddition | None:
        return self.versions[0] if self.versions and self.versions[0].text else None


@door()
def runbooks(request: HttpRequest) -> HttpResponse:
    """By team. ?q= finds in what each says."""
    wanted = request.GET.get("q", "").strip()
    found = [kind for kind in REGISTRY.values() if all(word in _text(kind) for word in wanted.casefold().split())]
    counts = additions.open_now(request.user, request.companies.ids)
    reads = _teams_read(request.user, request.companies.ids)
    teams = [
        (
            team,
            team in reads,
            sorted(((kind, counts.get(kind.code, 0)) for kind in kinds), key=lambda row: row[0].title),
        )
        for team in Team
        if (kinds := [kind for kind in found if kind.team == team])
    ]
    context = {"teams": teams, "count": len(found), "all": len(REGISTRY), "q": wanted}
    return render_screen(request, "runbooks.html", context)


@door()
def runbook(request: HttpRequest, code: str) -> HttpResponse:
    return _show(request, _kind(code))


@door(methods=["POST"])
def runbook_write(request: HttpRequest, code: str, entity: int) -> HttpResponse:
    """Write a company's addition as a new version."""
    kind = _kind(code)
    company = next((each for each in request.companies.all if each.pk == entity), None)
    if company is None:
        raise Http404("no such company")
    form = AdditionForm(request.POST, auto_id=f"id_{entity}_%s")
    if form.is_valid():
        try:
            written = additions.write(kind=kind, entity=company, actor=request.user, **form.cleaned_data)
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_error("text", refused.words)
        else:
            messages.success(request, f"Version {written.version} stands." if written.text else "Taken out.")
            return redirect("runbook", code=code)
    return _show(request, kind, failed={entity: form}, status=UNPROCESSABLE)


def _kind(code: str) -> ExceptionType:
    if code not in REGISTRY:
        raise Http404(f"no runbook {code}")
    return REGISTRY[code]


def _text(kind: ExceptionType) -> str:
    book = kind.runbook
    said = (kind.title, kind.code, book.impact, *book.steps, book.escalate, book.prevention)
    return " ".join((*said, *(action.label for action in kind.actions))).casefold()


def _teams_read(person: User, entity_ids: list[int]) -> set[Team]:
    return {team for entity, teams in person.teams_seen_in().items() if entity in entity_ids for team in teams}


def _show(
    request: HttpRequest, kind: ExceptionType, *, failed: dict[int, AdditionForm] | None = None, status: int = 200
) -> HttpResponse:
    user, companies = request.user, request.companies
    may: dict[str, str] = {action.permission.name: who_can(action.permission, companies.ids) for action in kind.actions}
    reads = kind.team in _teams_read(user, companies.ids)
    context: dict[str, Any] = {
        "kind": kind,
        "diagnosis_says": words.DIAGNOSES[kind.diagnosis],
        "actions": [(action, may[action.permission.name]) for action in kind.actions],
        "reads": reads,
        "open": additions.open_now(user, companies.ids).get(kind.code, 0),
        "record": additions.record_of(kind, user, companies.ids, timezone.now()),
        "days": additions.MEASURED.days,
        "floor": _floor(kind, companies.shown) if reads else "",
        "additions": _additions(kind, user, companies.shown, failed or {}),
        "several": companies.several,
    }
    return render_screen(request, "runbook.html", context, status=status)


def _floor(kind: ExceptionType, entities: tuple[Entity, ...]) -> str:
    currencies = sorted({entity.base_currency for entity in entities})
    return words.listed((money.words(kind.floor, currency) for currency in currencies), "or")


def _additions(
    kind: ExceptionType, person: User, entities: tuple[Entity, ...], failed: dict[int, AdditionForm]
) -> list[Addition]:
    rows: dict[int, list[RunbookAddition]] = {entity.pk: [] for entity in entities}
    written = RunbookAddition.objects.filter(entity__in=entities, type=kind.code).select_related("written_by")
    for row in written:
        rows[row.entity_id].append(row)
    return [
        Addition(
            entity=entity,
            versions=rows[entity.pk][:VERSIONS_SHOWN],
            form=failed.get(entity.pk) or _form(kind, person, entity, rows[entity.pk]),
        )
        for entity in entities
    ]


def _form(kind: ExceptionType, person: User, entity: Entity, versions: list[RunbookAddition]) -> AdditionForm | None:
    if not additions.may_write(person, kind, entity.pk):
        return None
    now = versions[0] if versions else None
    initial = {"text": now.text if now else "", "after": now.version if now else 0}
    return AdditionForm(initial=initial, auto_id=f"id_{entity.pk}_%s")
