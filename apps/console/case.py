"""A case: what stopped, what it costs, the evidence, the action with its preview, and what happened so far."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from apps.console import words
from apps.console.came_back import came_back
from apps.console.case_moves import MOVES, Move, form_for, offered
from apps.console.deeds import ask
from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.console.queue import acts_on
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.timeline import timeline
from apps.core.errors import NotAllowed, Refused
from apps.core.models import User
from apps.core.permissions import Team
from apps.core.refusals import who_can
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.exceptions.reference import score_words
from apps.exceptions.sweep import doubts_about
from apps.exceptions.types import Action, Plan
from apps.exceptions.weighing import NeedsSecondPerson
from apps.settlements.replay import CHANGES
from apps.work.proposals import waiting_for
from apps.work.ranking import behind
from apps.work.runbooks import addition


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """An action's form as far as a person has got with it. `plan` is None where the form has faults."""

    action: Action
    form: forms.Form
    plan: Plan | None = None
    fault: str = ""
    changed: bool = False


@door()
def case(request: HttpRequest, pk: int) -> HttpResponse:
    found = case_seen_by(request, pk)
    action = _chosen(found, request.GET.get("action", ""))
    may = action is not None and request.user.may(action.permission, found.entity_id)
    return _show(request, found, action, attempted=_suggested(found, action, request.user) if may else None)


@door(methods=["POST"])
def act(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Preview the form as it stands, or do it if it still matches the preview."""
    found = case_seen_by(request, pk)
    chosen = operations.find_action(found, action)
    asked = {"case": found, "action": chosen, "actor": request.user, "data": request.POST}
    if "preview" in request.POST:
        form, plan = operations.plan(**asked)
        attempted = Attempted(action=chosen, form=form, plan=plan)
        return _show(request, found, chosen, attempted=attempted, status=200 if plan else UNPROCESSABLE)
    try:
        if "ask" in request.POST:
            messages.success(request, ask(request, "case", found, chosen.name))
            return redirect("case", pk=found.pk)
        outcome = operations.perform(**asked, digest=request.POST.get("digest", ""))
    except operations.InvalidForm as invalid:
        return _show(
            request, found, chosen, attempted=Attempted(action=chosen, form=invalid.form), status=UNPROCESSABLE
        )
    except (operations.PlanChanged, NeedsSecondPerson) as now:
        attempted = Attempted(action=chosen, form=now.form, plan=now.plan, changed=True)
        return _show(request, found, chosen, attempted=attempted, status=CONFLICT)
    if not outcome.resolved:  # else the page says so itself
        messages.success(request, outcome.words)
    return redirect("case", pk=found.pk)


@door(methods=["POST"])
def move(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Take it, put it back, assign, snooze, hand over, dismiss, note."""
    found = case_seen_by(request, pk)
    if name not in MOVES:
        raise Http404(f"no move {name}")
    chosen = MOVES[name]
    form = form_for(chosen, found, request.user, request.POST)
    if form.is_valid():
        try:
            chosen.do(found, request.user, form.cleaned_data)
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        else:
            messages.success(request, chosen.did)
            return redirect("case", pk=pk) if _still_seen(request.user, pk) else redirect("queue", team=found.team)
    found = case_seen_by(request, pk)
    return _show(request, found, _chosen(found, ""), failed=(chosen, form), status=UNPROCESSABLE)


def case_seen_by(request: HttpRequest, pk: int) -> Case:
    """The case, if the person reads its queue; else there is none."""
    visible = Case.objects.visible_to(request.user).select_related(
        "entity", "assigned_to", "claimed_by", "ended_by", "earlier__ended_by"
    )
    found = get_object_or_404(visible, pk=pk)
    show_in_zone(found.entity)
    return found


def _show(
    request: HttpRequest,
    case: Case,
    action: Action | None,
    *,
    attempted: Attempted | None = None,
    failed: tuple[Move, forms.Form] | None = None,
    status: int = 200,
) -> HttpResponse:
    works = acts_on(request.user, case)
    able = _able(case)
    context: dict[str, Any] = {
        "case": case,
        "kind": case.kind,
        "team": Team(case.team),
        "headline": case.kind.headline(case),
        "diagnosis_says": words.DIAGNOSES[case.diagnosis],
        "back": came_back(case),
        "doubts": doubts_about(case),
        "score": score_words(case),
        "action": action,
        "replay": reverse("replay", args=["case", case.pk, action.name]) if action and ("case", action.name) in CHANGES else "",
        "others": [other for other in able if other != action],
        "recommended": _recommended(case),
        "attempted": attempted,
        "may_not": _may_not(action, case, request.user) if action and not attempted and not failed else "",
        "works": works,
        "moves": offered(case, request.user, failed) if works and case.is_live else [],
        "failed": failed,
        "addition": addition(case.kind, case.entity),
        "timeline": timeline(case),
        "waits": waiting_for("case", case.pk) if case.is_live else None,
        "neighbours": _neighbours(case),
    }
    return render_screen(request, "case.html", context, partial="preview", status=status)


def _able(case: Case) -> list[Action]:
    return [action for action in case.kind.actions if case.is_live and action.available(case)]


def _chosen(case: Case, name: str) -> Action | None:
    """The action that was asked for, else the one that the type recommends, else the first."""
    able = {action.name: action for action in _able(case)}
    recommended, _ = _recommended(case)
    return able.get(name) or able.get(recommended) or next(iter(able.values()), None)


def _recommended(case: Case) -> tuple[str, str]:
    """Which action, and why."""
    return case.kind.recommends(case) if case.is_live and case.kind.recommends else ("", "")


def _suggested(case: Case, action: Action, actor: User) -> Attempted:
    """The form as the action suggests it, with the plan of that where the suggestions are enough for one."""
    form = action.form(case, actor)
    data = {field.html_name: field.value() for field in form if field.value() is not None}
    try:
        _, plan = operations.plan(case=case, action=action, actor=actor, data=data)
    except Refused as refused:
        return Attempted(action=action, form=form, fault=refused.words)
    return Attempted(action=action, form=form, plan=plan)


def _may_not(action: Action, case: Case, person: User) -> str:
    if person.may(action.permission, case.entity_id):
        return ""
    return f"Your role cannot {action.permission.does}. {who_can(action.permission, [case.entity_id])}"


def _still_seen(person: User, pk: int) -> bool:
    """A case that was handed over may have left the queues that the person reads."""
    return Case.objects.visible_to(person).filter(pk=pk).exists()


def _neighbours(case: Case) -> dict[str, Case | None]:
    """The cases before and after this one in its company's queue."""
    queue = Case.objects.live().filter(entity=case.entity_id, team=case.team).exclude(state=State.SNOOZED)
    above = Q(score__gt=case.score) | Q(score=case.score, id__lt=case.pk)
    return {
        "previous": queue.filter(above).order_by("score", "-id").first(),
        "next": queue.filter(behind(case.score, case.pk)).by_rank().first(),
    }
