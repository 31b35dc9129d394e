"""Changes above a company's limits: asked for by one person, approved on the same preview by another, done then.

A company without limits, or with the one-person setting, has none. Who asked stays who maps, so the second person may still
approve the journals; both stand in the audit trail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.forms import Form
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.money import words as money_words
from apps.core.permissions import check_may
from apps.exceptions import operations
from apps.exceptions.models import Case
from apps.exceptions.operations import InvalidForm, PlanChanged, take_turn
from apps.exceptions.types import Action, Plan
from apps.work import deeds
from apps.work.deeds import KINDS, Deed, Kind, register_kind
from apps.work.models import Proposal

LASTS = timedelta(days=7)
State = Proposal.State


def _doings_of(case: Case) -> dict[str, Action]:
    return {action.name: action for action in case.kind.actions}


def _case(pk: int, entity: Entity) -> Case:
    return Case.objects.select_related("entity").get(pk=pk, entity=entity)


register_kind(Kind(name="case", find=_case, deeds=_doings_of))


@dataclass(frozen=True, kw_only=True)
class Review:
    """A waiting change as it would be done now: its form filled in, and its plan, or why there is none (`fault`).

    `differs` says what is not as the asker saw it: [(what, then, now)].
    """

    doing: Deed | Action | None = None
    record: Any = None
    form: Form | None = None
    plan: Plan | None = None
    fault: str = ""
    differs: list[tuple[str, str, str]] = field(default_factory=list)
    changed: bool = False


@transaction.atomic
def propose(*, kind: str, record: Any, name: str, actor: User, data: Any, digest: str) -> Proposal:
    """Ask a second person to approve what the preview with this digest showed. It lapses after LASTS.

    Raises NotAllowed, InvalidForm, PlanChanged, or Refused where one person is enough or a change of the record waits.
    """
    take_turn(record.entity_id)
    record.refresh_from_db()
    doing = _doing(kind, record, name)
    form, plan = _plan(doing, record, actor, data)
    if plan is None or not form.is_valid():
        raise InvalidForm(form)
    if plan.digest != digest:
        raise PlanChanged(plan, form)
    if not plan.over:
        raise Refused("One person may do this alone: it is within the company's limits.", code="not-needed")
    _lapse(kind, record)
    if other := Proposal.objects.filter(kind=kind, record=record.pk, entity=record.entity_id, state=State.WAITING).first():
        words = f"A change of it waits already: “{other.label}”, which {other.asked_by.name} asked for."
        raise Refused(words, code="change-waits")
    row = Proposal.objects.create(
        entity=record.entity,
        kind=kind,
        record=record.pk,
        about=_about(record),
        action=name,
        label=doing.label,
        permission=doing.permission.name,
        data=_kept(form, data),
        digest=plan.digest,
        shown=_said(plan),
        asked_by=actor,
        lapses_at=timezone.now() + LASTS,
    )
    _record(row, "change.proposed", actor, reason=str(form.cleaned_data.get("reason", "")))
    return row


def review(proposal: Proposal) -> Review:
    """The same preview, computed anew in the asker's name, with what differs. Changes nothing."""
    try:
        record, doing = _found(proposal)
        form, plan = _plan(doing, record, proposal.asked_by, _given(proposal))
    except NotAllowed:
        return Review(fault=f"{proposal.asked_by.name} may not do this any more. Decline it, and ask for it yourself.")
    except Refused as refused:
        return Review(fault=refused.words)
    if plan is None:
        faults = " ".join(str(fault) for found in form.errors.values() for fault in found)
        return Review(doing=doing, record=record, form=form, fault=faults)
    return Review(
        doing=doing,
        record=record,
        form=form,
        plan=plan,
        differs=_differences(proposal, plan),
        changed=plan.digest != proposal.digest,
    )


@transaction.atomic
def approve(*, proposal: Proposal, actor: User, digest: str) -> str:
    """Do the change, in the asker's name and this person's, as the review with this digest showed it; the words for the notice.

    Raises NotAllowed, PlanChanged where the world moved since the review, or another Refused. Nothing was done then.
    """
    take_turn(proposal.entity_id)
    row = _waiting(proposal)
    record, doing = _found(row)
    _check_other(row, actor)
    if not row.asked_by.may(doing.permission, row.entity_id):
        raise Refused(f"{row.asked_by.name} may not do this any more. Decline it, and ask for it yourself.", code="asker")
    did = _do(doing, record, row, digest, actor)
    _decide(row, State.APPROVED, actor)
    _record(row, "change.approved", actor, did=did)
    return did


@transaction.atomic
def decline(*, proposal: Proposal, words: str, actor: User) -> Proposal:
    """Say no, in words for the asker. Nothing is changed."""
    row = _waiting(proposal)
    _check_other(row, actor)
    if not words.strip():
        raise Refused(f"Say why, for {row.asked_by.name}.", field="words")
    row.words = words.strip()
    _decide(row, State.DECLINED, actor)
    _record(row, "change.declined", actor, reason=row.words)
    return row


@transaction.atomic
def withdraw(*, proposal: Proposal, actor: User) -> Proposal:
    """Take back what one asked for."""
    row = _waiting(proposal)
    if row.asked_by != actor:
        raise NotAllowed(f"{row.asked_by.name} asked for it and can withdraw it. Nothing was changed.")
    _decide(row, State.WITHDRAWN, actor)
    _record(row, "change.withdrawn", actor)
    return row


def waiting_for(kind: str, pk: int) -> Proposal | None:
    """The change of a record that waits for a second person."""
    return Proposal.objects.waiting().filter(kind=kind, record=pk).select_related("asked_by").first()


def _doing(kind: str, record: Any, name: str) -> Deed | Action:
    found = KINDS[kind].deeds(record).get(name)
    if found is None:
        raise Refused(f"There is nothing called “{name}” to do to it.", code="no-action")
    return found


def _found(row: Proposal) -> tuple[Any, Deed | Action]:
    try:
        record = KINDS[row.kind].find(row.record, row.entity)
    except ObjectDoesNotExist as gone:
        raise Refused("What it would change is not there any more. Decline or withdraw it.", code="gone") from gone
    return record, _doing(row.kind, record, row.action)


def _plan(doing: Deed | Action, record: Any, actor: User, data: Any) -> tuple[Form, Plan | None]:
    """The form and its plan; no plan where the form has a fault. Raises Refused."""
    if isinstance(record, Case):
        return operations.plan(case=record, action=doing, actor=actor, data=data)
    attempted = deeds.preview(doing, record, actor, data)
    if attempted.refused:
        raise attempted.refused
    return attempted.form, attempted.plan


def _do(doing: Deed | Action, record: Any, row: Proposal, digest: str, second: User) -> str:
    given = {"data": _given(row), "digest": digest, "second": second}
    if isinstance(record, Case):
        return operations.perform(case=record, action=doing, actor=row.asked_by, **given).words
    attempted = deeds.perform(doing, record, row.asked_by, **given)
    if attempted.changed:
        raise PlanChanged(attempted.plan, attempted.form)
    if not attempted.done:
        raise attempted.refused or InvalidForm(attempted.form)
    return attempted.done


def _waiting(proposal: Proposal) -> Proposal:
    """The row as it is now, nobody else's to decide until the transaction ends."""
    rows = Proposal.objects.select_for_update(of=("self",)).select_related("entity", "asked_by")
    row = rows.get(pk=proposal.pk)
    if row.is_waiting:
        return row
    if row.decided_by is None:
        raise Refused(f"It lapsed: nobody approved it within {LASTS.days} days. Ask again.", code="lapsed")
    at = row.decided_at.astimezone(ZoneInfo(row.entity.zone))
    words = f"{row.decided_by.name} was first: {row.get_state_display().lower()} on {at:%d.%m.%Y at %H:%M}."
    raise Refused(f"{words} Nothing more was changed.", code="decided")


def _check_other(row: Proposal, actor: User) -> None:
    check_may(actor, row.needs, row.entity)
    if actor == row.asked_by:
        raise NotAllowed("You asked for it, so another person decides. You can withdraw it.")


def _decide(row: Proposal, state: State, actor: User) -> None:
    row.state, row.decided_by, row.decided_at = state, actor, timezone.now()
    row.save(update_fields=["state", "decided_by", "decided_at", "words"])


def _lapse(kind: str, record: Any) -> None:
    """Make room for a new one: what lapsed says so."""
    asked = Proposal.objects.filter(kind=kind, record=record.pk, entity=record.entity_id)
    over = asked.filter(state=State.WAITING, lapses_at__lte=timezone.now())
    for row in over.select_related("entity"):
        row.state, row.decided_at = State.LAPSED, row.lapses_at
        row.save(update_fields=["state", "decided_at"])
        _record(row, "change.lapsed", None)


def _about(record: Any) -> str:
    return (record.kind.headline(record) if isinstance(record, Case) else str(record))[:600]


def _kept(form: Form, data: Any) -> dict[str, list[str]]:
    """What was filled in, of the form's own fields, as it is posted: whatever else came along is not ours to keep."""
    kept = {name: _texts(data, name) for name in map(form.add_prefix, form.fields)}
    return {name: texts for name, texts in kept.items() if texts}


def _texts(data: Any, name: str) -> list[str]:
    """Each value as a browser would post it; None is none."""
    values = data.getlist(name) if isinstance(data, MultiValueDict) else data.get(name)
    return [str(value) for value in (values if isinstance(values, list | tuple) else [values]) if value is not None]


def _given(row: Proposal) -> MultiValueDict:
    return MultiValueDict(row.data)


def _said(plan: Plan) -> dict[str, Any]:
    money: Mapping[str, Decimal] = plan.weight.money if plan.weight else {}
    return {
        "effect": plan.effect,
        "says": plan.says,
        "lines": plan.weight.lines if plan.weight else 0,
        "money": " + ".join(money_words(amount, currency) for currency, amount in sorted(money.items())) or "nothing",
        "over": plan.over,
    }


def _differences(row: Proposal, plan: Plan) -> list[tuple[str, str, str]]:
    now = _said(plan)
    named = {"effect": "The button", "says": "What it does", "lines": "Lines", "money": "Money", "over": "Above the limit"}
    return [
        (label, str(row.shown[name]) or "no", str(now[name]) or "no")
        for name, label in named.items()
        if row.shown[name] != now[name]
    ]


def _record(row: Proposal, verb: str, actor: User | None, *, did: str = "", reason: str = "") -> None:
    entity: Entity = row.entity
    after = {"change": row.label, "planned": row.shown["says"], "asked by": row.asked_by.name}
    if row.state == State.APPROVED:
        after |= {"approved by": row.decided_by.name, "did": did}
    AuditEntry.objects.record(
        actor=actor, entity=entity, verb=verb, subject=row.audit_subject, after=after, reason=reason
    )
