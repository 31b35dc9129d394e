"""Bulk actions: begin one from a queue, its dry run, its progress, what became of each case, and the list of them."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.forms import ChoiceField, Form
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.queue import entities_showing, show_queue, team_named
from apps.console.screens import PAGE, door, page_of, query_without, render_screen
from apps.core.errors import NotAllowed, Refused
from apps.core.models import User
from apps.exceptions.models import Case
from apps.exceptions.operations import InvalidForm, find_action
from apps.exceptions.types import REGISTRY
from apps.work.bulk import operations, whole
from apps.work.bulk.models import Bulk, BulkMember
from apps.work.bulk.moves import BULK_MOVES, queues_worked_by
from apps.work.bulk.putting_back import KNOWN_MOVES
from apps.work.bulk.statements import CHANGED
from apps.work.filters import CaseFilter

DIGITS = 18  # of a case's id at the most
Verdict = BulkMember.Verdict
LISTS = {"mine": "Mine", "all": "My teams’"}
RESULTS = {  # verdict -> label, figure of the bulk, mark
    "eligible": ("Eligible", "not_reached", "wait"),
    "done": ("Done", "done", "ok"),
    "skipped": ("Skipped", "skipped", "late"),
    "failed": ("Failed", "failed", "bad"),
    "not-eligible": ("Not eligible", "not_eligible", "late"),
}
GROUPS = {bar.code: bar.group for move in KNOWN_MOVES.values() for bar in (*move.bars, CHANGED)}
MOVES = {  # name -> verb, words afterwards
    "confirm": (operations.confirm, "Begun. You may leave this page."),
    "ask": (whole.propose, "Asked. It begins once another person approves it."),
    "stop": (operations.stop, "Stopped. What is done stays done."),
    "go-on": (operations.go_on, "A worker goes on with it."),
    "retry": (operations.retry_failed, "What was left is checked anew."),
    "put-back": (operations.put_back, "Nothing is put back yet. Each of them is checked first."),
}


@door(methods=["POST"])
def bulk_new(request: HttpRequest, team: str) -> HttpResponse:
    """`which`: "all" that match the address, or the ticked `case`s. Asks for what the action needs, then freezes them."""
    asked = CaseFilter.of(request.GET.dict() | {"team": team_named(team).value})
    entity_ids = entities_showing(request.user, request.companies, team_named(team))
    every, ids = request.POST.get("which") == "all", _ticked(request)
    which: dict[str, Any] = {"filter": asked} if every else {"case_ids": ids}
    action = request.POST.get("action", "")
    try:
        bulk = operations.freeze(user=request.user, action=action, data=request.POST, entity_ids=entity_ids, **which)
    except InvalidForm as invalid:
        cases = asked.cases(request.user, entity_ids) if every else Case.objects.filter(pk__in=ids)
        filled = "filled" in request.POST
        context = {
            "team": team_named(team),
            "action": action,
            "move": BULK_MOVES.get(action),
            "ids": [] if every else ids,
            "every": every,
            "chosen": asked.words(request.user) if every else "Ticked in the list",
            "number": cases.count(),
            **_asking(action, cases, entity_ids, request.user),
        }
        if filled:
            context["form"] = invalid.form
        return render_screen(request, "bulk_new.html", context, status=UNPROCESSABLE if filled else 200)
    except NotAllowed:
        raise
    except Refused as refused:
        return show_queue(request, asked, refused=refused.words, status=UNPROCESSABLE)
    return redirect("bulk", pk=bulk.pk)


@door()
def bulks(request: HttpRequest) -> HttpResponse:
    """Those that touch the companies that are shown."""
    show = request.GET.get("show", "")
    show = show if show in LISTS else "mine"
    rows = Bulk.objects.visible_to(request.user).of_companies(request.companies.ids).select_related("made_by", "job")
    rows = rows.filter(made_by=request.user) if show == "mine" else rows
    after = request.GET.get("after", "")
    rows = rows.filter(pk__lt=int(after)) if after.isdecimal() and len(after) < DIGITS else rows
    shown, more = page_of(rows)
    context = {
        "rows": [(row, label_of(row)) for row in shown],
        "lists": LISTS.items(),
        "show": show,
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
    }
    return render_screen(request, "bulks.html", context)


@door()
def bulk(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks again every second until the worker has ended. ?show= chooses cases by what became of them."""
    return _show(request, _seen_by(request.user, pk))


@door(methods=["POST"])
def bulk_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Confirm what the dry run showed, stop, go on after a failure, or try again what is left."""
    row = _seen_by(request.user, pk)
    if name not in MOVES:
        raise Http404(f"nothing called {name}")
    verb, said = MOVES[name]
    digest = {"digest": request.POST.get("digest", "")} if name in ("confirm", "ask") else {}
    try:
        changed = verb(bulk=row, user=request.user, **digest)
    except NotAllowed:
        raise
    except Refused as refused:
        return _show(request, _seen_by(request.user, pk), refused=refused.words)
    messages.success(request, said)
    return redirect("bulk", pk=row.pk if name == "ask" else changed.pk)


@door()
def bulk_results(request: HttpRequest, pk: int) -> HttpResponse:
    """Every case with what became of it, as CSV."""
    row = _seen_by(request.user, pk)
    response = StreamingHttpResponse(_lines(row), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="bulk-{row.pk}.csv"'
    return response


def label_of(row: Bulk) -> str:
    """The action as people read it."""
    return row.action_declared.label if row.type else KNOWN_MOVES[row.action].label


def _seen_by(user: User, pk: int) -> Bulk:
    return get_object_or_404(Bulk.objects.visible_to(user).select_related("made_by", "stopped_by", "job"), pk=pk)


def _show(request: HttpRequest, row: Bulk, *, refused: str = "") -> HttpResponse:
    view = request.GET.get("show", "")
    figures = {name: (label, getattr(row, figure), mark) for name, (label, figure, mark) in RESULTS.items()}
    if view not in figures:
        view = next((name for name in ("failed", "skipped", "not-eligible", "done") if figures[name][1]), "eligible")
    members = row.cases.filter(verdict=view).select_related("case__entity")
    after = request.GET.get("after", "")
    members = members.filter(case__gt=int(after)) if after.isdecimal() and len(after) <= DIGITS else members
    shown, more = page_of(members.order_by("case_id"))
    seen = set(Case.objects.visible_to(request.user).filter(pk__in=[each.case_id for each in shown]).values_list("pk", flat=True))
    broken = operations.is_broken(row)
    move = KNOWN_MOVES.get(row.action) if not row.type else None
    ready = row.state == Bulk.State.READY
    ended = row.state in (Bulk.State.DONE, Bulk.State.STOPPED)
    context = {
        "row": row,
        "label": label_of(row),
        "move": move,
        "asked": _asked_in_words(row),
        "mine": row.made_by == request.user,
        "refused": refused,
        "broken": broken,
        "under_way": row.state in (Bulk.State.CHECKING, Bulk.State.RUNNING) and not broken,
        "through": row.eligible - row.not_reached if row.state == Bulk.State.RUNNING else row.eligible + row.not_eligible,
        "figures": [(name, *figure) for name, figure in figures.items()],
        "reasons": _reasons(row),
        "view": view,
        "members": [(each, each.case_id in seen) for each in shown],
        "left": row.cases.filter(operations.WORTH_A_RETRY).count() if ended else 0,
        "asked_for": list(whole.waiting(row)) if ready else [],
        "over": [plan.over for _, plan in whole.waits_for(row)] if ready else [],
        "undo": operations.undo_of(row),
        "puts_back": _puts_back(row, request.user),
        "beyond": row.matched - row.members,
        "next": shown[-1].case_id if more else "",
        "kept": query_without(request, "after"),
    }
    return render_screen(request, "bulk.html", context, partial="found", status=UNPROCESSABLE if refused else 200)


def _puts_back(row: Bulk, user: User) -> bool:
    return not operations.not_put_back(row) and bool(set(row.queues) & set(queues_worked_by(user)))


def _reasons(row: Bulk) -> list[tuple[str, str, int]]:
    """Why cases were left out: (mark, group in words, how many), the most first."""
    left = row.cases.exclude(code="").values_list("verdict", "code").annotate(number=Count("case_id")).order_by("-number")
    return [(RESULTS[verdict][2], GROUPS.get(code, "their own words say why, below"), number) for verdict, code, number in left]


def _asked_in_words(row: Bulk) -> list[tuple[str, str]]:
    """What the person filled in, as (label, words)."""
    if row.type:
        return [(name.replace("_", " ").capitalize(), str(value)) for name, value in row.data.items() if value not in ("", False)]
    form = KNOWN_MOVES[row.action].form(row.data, entity_ids=row.entity_ids)
    form.is_valid()
    return [
        (field.label, dict(field.field.choices).get(value, value) if type(field.field) is ChoiceField else value)
        for field in form
        if (value := form.cleaned_data.get(field.name)) not in ("", None) or field.name == "to"
    ]


def _asking(action: str, cases: Any, entity_ids: list[int], user: User) -> dict[str, Any]:
    """The empty form of the action, as it is suggested for the first of the cases."""
    if action in BULK_MOVES:
        return {"form": BULK_MOVES[action].form(entity_ids=entity_ids), "label": BULK_MOVES[action].label}
    sample = cases.select_related("entity").by_rank().first()
    chosen = find_action(sample, action)
    form: Form = chosen.form(sample, user)
    return {"form": form, "label": chosen.label, "case": sample, "form_template": chosen.form_template}


def _ticked(request: HttpRequest) -> list[int]:
    ids = set(request.POST.getlist("case"))
    if len(ids) > PAGE or not all(each.isascii() and each.isdecimal() and len(each) <= DIGITS for each in ids):
        raise Http404("no such case")
    return sorted(int(each) for each in ids)


def _lines(row: Bulk) -> Iterator[str]:
    """Read while it is sent, so that 50,000 take no memory."""
    writer = csv.writer(_Echo())
    yield writer.writerow(["Case", "Kind", "Cause", "Company", "Result", "Why"])
    told = ("case_id", "case__type", "case__subject", "case__entity__name", "verdict", "why")
    rows = row.cases.order_by("case_id").values_list(*told)
    for case, kind, subject, company, verdict, why in rows.iterator(chunk_size=2000):
        title = REGISTRY[kind].title if kind in REGISTRY else kind
        yield writer.writerow([case, title, _as_text(subject), _as_text(company), Verdict(verdict).label, _as_text(why)])


def _as_text(text: str) -> str:
    """No spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


class _Echo:
    """A file that hands on what is written."""

    def write(self, line: str) -> str:
        return line
