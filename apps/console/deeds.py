"""A change with a preview outside of any case: a form, what it would do, doing it if that still holds (case.py's likeness)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import models, transaction
from django.forms import Form
from django.http import Http404, HttpRequest

from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.console.screens import who_can
from apps.core.errors import NotAllowed, Refused
from apps.core.models import User
from apps.core.permissions import Permission
from apps.exceptions.operations import sweep_soon, take_turn
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope

UNSAID = "–"  # stands for a reason in a preview: only the doing needs one


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What may be done to a record that has an `entity`. The callables are those of apps.exceptions.types.Action, with the
    record in the case's place: `form(record, actor, data=None)`, `preview(record, actor, cleaned)` gives the plan, and
    `run(record, actor, cleaned)` calls a verb and returns the words for the notice. `clears` names the types swept at once.
    """

    name: str
    label: str
    permission: Permission
    form: Callable[..., Form]
    preview: Callable[[Any, User, dict[str, Any]], Plan]
    run: Callable[[Any, User, dict[str, Any]], str]
    clears: tuple[str, ...] = ()
    template: str = "cases/plan.html"
    form_template: str = "parts/form.html"


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """A deed as far as a person has got with it. `done` says what was done; until then `plan` is what it would do."""

    deed: Deed
    form: Form
    plan: Plan | None = None
    fault: str = ""
    changed: bool = False
    done: str = ""

    @property
    def status(self) -> int:
        if self.changed:
            return CONFLICT
        return UNPROCESSABLE if self.form.is_bound and self.plan is None else 200


def may_not(deed: Deed, record: models.Model, person: User) -> str:
    """Why this person cannot do it, or nothing."""
    if person.may(deed.permission, record.entity_id):
        return ""
    return f"Your role cannot {deed.permission.does}. {who_can(deed.permission, [record.entity_id])}"


def offer(deed: Deed, record: models.Model, person: User) -> Attempted:
    """The form as it is suggested, with the plan of that where the suggestions are enough for one."""
    form = deed.form(record, person)
    suggested = {field.html_name: field.value() for field in form if field.value() is not None}
    plan, fault = _plan(deed, record, person, deed.form(record, person, {"reason": UNSAID} | suggested))
    return Attempted(deed=deed, form=form, plan=plan, fault=fault)


def named(deeds: Mapping[str, Deed], name: str) -> Deed:
    """The one that an address names. Raises Http404."""
    if name not in deeds:
        raise Http404(f"nothing called {name}")
    return deeds[name]


def attempt(deed: Deed, record: models.Model, request: HttpRequest) -> Attempted:
    """Preview the posted form as it stands, or do it if it still matches the preview, and say so. Raises NotAllowed."""
    if refusal := may_not(deed, record, request.user):
        raise NotAllowed(refusal)
    if "preview" not in request.POST:
        attempted = _do(deed, record, request.user, request.POST)
        if attempted.done:
            messages.success(request, attempted.done)
        return attempted
    said = request.POST.copy()
    said["reason"] = said.get("reason", "").strip() or UNSAID
    plan, fault = _plan(deed, record, request.user, deed.form(record, request.user, said))
    form = deed.form(record, request.user, request.POST)
    return Attempted(deed=deed, form=form, plan=plan, fault=fault)


def _plan(deed: Deed, record: models.Model, person: User, form: Form) -> tuple[Plan | None, str]:
    """What the form would do; where it would be refused, the words."""
    if not form.is_valid():
        return None, ""
    try:
        return deed.preview(record, person, form.cleaned_data), ""
    except Refused as refused:
        return None, refused.words


def _do(deed: Deed, record: models.Model, person: User, data: Any) -> Attempted:
    with transaction.atomic():
        take_turn(record.entity_id)  # no other change comes between this plan and what is done
        record.refresh_from_db()
        form = deed.form(record, person, data)
        plan, fault = _plan(deed, record, person, form)
        if plan is None or plan.digest != data.get("digest", ""):
            return Attempted(deed=deed, form=form, plan=plan, fault=fault, changed=plan is not None)
        done = deed.run(record, person, form.cleaned_data)
        sweep_each({code: Scope(entity=record.entity) for code in deed.clears}, ended_by=person, ending=done)
        sweep_soon(record.entity_id)
    return Attempted(deed=deed, form=form, plan=plan, done=done)
