"""A change with a preview outside of any case: a form, what it would do, doing it if that still holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.forms import Form

from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import Permission
from apps.core.refusals import who_can
from apps.exceptions.operations import sweep_soon, take_turn
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Action, Plan, Scope
from apps.exceptions.weighing import check_second, weighed

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
class Kind:
    """Records of one kind: `find(pk, entity)`, of a company's, raises ObjectDoesNotExist; `deeds(record)` are what may be done
    to one, by name.

    Deeds whose plans have a weight belong to a kind, so that one is found again when a second person approves it. `name` is
    also the name of the record's address in the console.
    """

    name: str
    find: Callable[[int, Entity], Any]
    deeds: Callable[[Any], Mapping[str, Deed | Action]]


KINDS: dict[str, Kind] = {}


def register_kind(kind: Kind) -> Kind:
    """Add a kind of records. A name declared twice is a mistake of ours and stops the start."""
    if kind.name in KINDS:
        raise ValueError(f"records of kind {kind.name} are declared twice")
    KINDS[kind.name] = kind
    return kind


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """A deed as far as a person has got with it. `done` says what was done; until then `plan` is what it would do, or `refused`
    says why it would do nothing.
    """

    deed: Deed
    form: Form
    plan: Plan | None = None
    refused: Refused | None = None
    changed: bool = False
    done: str = ""

    @property
    def fault(self) -> str:
        return self.refused.words if self.refused else ""


def may_not(deed: Deed, record: models.Model, person: User) -> str:
    """Why this person cannot do it, or nothing."""
    if person.may(deed.permission, record.entity_id):
        return ""
    return f"Your role cannot {deed.permission.does}. {who_can(deed.permission, [record.entity_id])}"


def offer(deed: Deed, record: models.Model, person: User) -> Attempted:
    """The form as it is suggested, with the plan of that where the suggestions are enough for one."""
    form = deed.form(record, person)
    suggested = {field.html_name: field.value() for field in form if field.value() is not None}
    plan, refused = _plan(deed, record, person, deed.form(record, person, {"reason": UNSAID} | suggested))
    return Attempted(deed=deed, form=form, plan=plan, refused=refused)


def preview(deed: Deed, record: models.Model, person: User, data: Any) -> Attempted:
    """What the form as it stands would do. Raises NotAllowed."""
    _check_may(deed, record, person)
    said = data.copy()
    said["reason"] = said.get("reason", "").strip() or UNSAID
    plan, refused = _plan(deed, record, person, deed.form(record, person, said))
    return Attempted(deed=deed, form=deed.form(record, person, data), plan=plan, refused=refused)


def perform(
    deed: Deed, record: models.Model, person: User, data: Any, digest: str, *, second: User | None = None
) -> Attempted:
    """Do what the preview with this digest showed, if that still holds. Raises NotAllowed.

    `second` is who approved it: without one, what is above the company's limits raises NeedsSecondPerson.
    """
    _check_may(deed, record, person)
    with transaction.atomic():
        take_turn(record.entity_id)  # no other change comes between this plan and what is done
        record.refresh_from_db()
        form = deed.form(record, person, data)
        plan, refused = _plan(deed, record, person, form)
        if plan is None or plan.digest != digest:
            return Attempted(deed=deed, form=form, plan=plan, refused=refused, changed=plan is not None)
        check_second(plan, form, permission=deed.permission, entity=record.entity, actor=person, second=second)
        done = deed.run(record, person, form.cleaned_data)
        sweep_each({code: Scope(entity=record.entity) for code in deed.clears}, ended_by=person, ending=done)
        sweep_soon(record.entity_id)
    return Attempted(deed=deed, form=form, plan=plan, done=done)


def _check_may(deed: Deed, record: models.Model, person: User) -> None:
    if refusal := may_not(deed, record, person):
        raise NotAllowed(refusal)


def _plan(deed: Deed, record: models.Model, person: User, form: Form) -> tuple[Plan | None, Refused | None]:
    """What the form would do, or how it would be refused; neither where the form has a fault of its own."""
    if not form.is_valid():
        return None, None
    try:
        return weighed(record.entity, deed.preview(record, person, form.cleaned_data)), None
    except Refused as refused:
        return None, refused
