"""What people do to a case: act on its cause after a preview, or move it. Each checks who asks, and is audited."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet
from django.forms import Form
from django.utils import timezone

from apps.core import money
from apps.core.errors import NotAllowed, Refused
from apps.core.locks import wait_for
from apps.core.models import AuditEntry, Entity, Membership, User
from apps.core.permissions import Role, Team, works_for
from apps.exceptions import tasks
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import DetectorFailed, Swept, hold, sweep_each
from apps.exceptions.types import Action, Plan, Scope
from apps.exceptions.waking import AWAKE, NOBODY_HAS_IT
from apps.exceptions.weighing import check_second, weighed

log = logging.getLogger(__name__)

CLAIM_LASTS = timedelta(hours=2)
NAMES_SHOWN = 3
NOBODYS = NOBODY_HAS_IT | {"assigned_to": None}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an action did, in the action's own words, and what its sweep found afterwards: {code: Swept}."""

    case: Case
    words: str
    swept: dict[str, Swept] = field(default_factory=dict)

    @property
    def resolved_ids(self) -> tuple[int, ...]:
        return tuple(identity for swept in self.swept.values() for identity in swept.ended_ids)

    @property
    def opened_ids(self) -> tuple[int, ...]:
        return tuple(identity for swept in self.swept.values() for identity in swept.opened_ids)

    @property
    def resolved(self) -> bool:
        """Whether the case that was acted on is resolved."""
        return self.case.pk in self.resolved_ids


class InvalidForm(Refused):
    """The form does not validate; `form` carries the words beside its fields."""

    def __init__(self, form: Form):
        super().__init__("The form has a fault. Nothing was changed.", code="invalid-form")
        self.form = form


class PlanChanged(Refused):
    """The world is not the one that was previewed. `plan` is what the action would do now."""

    def __init__(self, plan: Plan, form: Form):
        super().__init__(
            "The figures changed since your preview, so nothing was done. Here is what it does now.",
            code="plan-changed",
        )
        self.plan = plan
        self.form = form


def find_action(case: Case, name: str) -> Action:
    """What the case's type declares under this name."""
    for action in case.kind.actions:
        if action.name == name:
            return action
    raise Refused(f"“{case.kind.title}” has no action “{name}”.", code="no-action")


def plan(*, case: Case, action: Action, actor: User, data: Any) -> tuple[Form, Plan | None]:
    """The bound form and what the action would do; no plan where the form has a fault. Changes nothing."""
    _check_action(action, actor, case)
    form = action.form(case, actor, data)
    if not form.is_valid():
        return form, None
    return form, weighed(case.entity, action.preview(case, actor, form.cleaned_data))


def perform(
    *, case: Case, action: Action, actor: User, data: Any, digest: str, second: User | None = None
) -> Outcome:
    """Do what the preview with this digest showed, and sweep the types that the action clears; all or nothing.

    `second` is who approved it, which a plan above the company's limits needs. Raises NotAllowed, InvalidForm, PlanChanged,
    NeedsSecondPerson, DetectorFailed, or another Refused; nothing was done then. The other types are swept soon after.
    """
    try:
        with transaction.atomic():
            outcome = act(case=case, action=action, actor=actor, data=data, digest=digest, second=second)
    except DetectorFailed as failure:
        log.exception("The detector of %s failed, so %s of case %s was undone", failure.kind.code, action.name, case.pk)
        raise
    sweep_soon(case.entity_id)
    return outcome


def act(
    *, case: Case, action: Action, actor: User, data: Any, digest: str, second: User | None = None
) -> Outcome:
    """What `perform` does, within the caller's transaction and without the sweep of the other types."""
    # Actions in one company take turns, so that no other one comes between this plan and what is done. The lock of the
    # case itself comes with the sweep, after the facts are written: see apps.exceptions.sweep.
    take_turn(case.entity_id)
    case = Case.objects.select_related("entity").get(pk=case.pk)
    form, now_planned = plan(case=case, action=action, actor=actor, data=data)
    if now_planned is None:
        raise InvalidForm(form)
    if now_planned.digest != digest:
        raise PlanChanged(now_planned, form)
    check_second(
        now_planned, form, permission=action.permission, entity=case.entity, actor=actor, second=second
    )
    words = action.run(case, actor, form.cleaned_data)
    AuditEntry.objects.record(
        actor=actor,
        entity=case.entity,
        verb=f"case.{action.name}",
        subject=case.audit_subject,
        before={"state": case.state},
        after={"action": action.label, "planned": now_planned.says, "did": words}
        | ({"approved by": second.name} if second else {}),
        reason=str(form.cleaned_data.get("reason", "")),
    )
    swept = sweep_each({code: Scope(entity=case.entity) for code in action.clears}, ended_by=actor, ending=words)
    case.refresh_from_db()
    return Outcome(case=case, words=words, swept=swept)


def claim(*, case: Case, actor: User) -> Case:
    """Say that you are at it. A claim lapses by itself."""
    with transaction.atomic():
        case = _for_move(case, actor)
        return _move(
            case,
            actor,
            "case.claimed",
            state=State.CLAIMED,
            claimed_by=actor,
            claimed_until=timezone.now() + CLAIM_LASTS,
            **AWAKE,
        )


def release(*, case: Case, actor: User) -> Case:
    """Give your claim back."""
    with transaction.atomic():
        case = _for_move(case, actor)
        if case.state != State.CLAIMED:
            raise Refused("Nobody has claimed this exception.", code="not-claimed")
        return _move(case, actor, "case.released", state=State.OPEN, **NOBODY_HAS_IT)


def assign(*, case: Case, actor: User, to: User | None) -> Case:
    """Say whose case it is, one of the team's people; None makes it nobody's. It stays so until the case ends or leaves."""
    with transaction.atomic():
        case = _for_move(case, actor)
        if to == case.assigned_to:
            raise Refused(f"It is {to.name}’s already." if to else "It is nobody’s already.", field="to", code="assigned")
        if to is not None and not (to.is_active and _works_on(case, to)):
            raise Refused(
                f"{to.name} does not work on {Team(case.team).label} exceptions at {case.entity.name}.",
                field="to",
                code="not-of-team",
            )
        return _move(case, actor, "case.assigned", assigned_to=to)


def snooze(
    *,
    case: Case,
    actor: User,
    until: datetime | None = None,
    above: Decimal | None = None,
    currency: str = "",
    next_run: bool = False,
    reason: str,
) -> Case:
    """Put the case aside, for a reason: until an instant, until more than an amount in its currency is at stake, or until
    what feeds its type has run once more; the latter two until its deadline at the latest. It stays live, and clears if its
    cause goes away. `currency` is the one in which the person saw what is at stake.
    """
    with transaction.atomic():
        case = _for_move(case, actor)
        now = timezone.now()
        if [until is not None, above is not None, next_run].count(True) != 1:
            raise Refused("Say until when: a time, an amount, or the next run.", code="until-when")
        if until is not None and until <= now:
            raise Refused("Choose a time that is still to come.", field="until")
        if above is not None and currency and currency != case.currency:
            raise Refused(f"It is counted in {case.currency}, not in {currency}.", field="above", code="other-currency")
        if above is not None and above <= case.stake:
            at_stake = money.words(case.stake, case.currency)
            raise Refused(f"{at_stake} is at stake already. Choose a higher amount.", field="above", code="at-stake")
        if until is None and case.due_at <= now:
            raise Refused("Its deadline has passed, so it sleeps until a time alone.", code="overdue")
        _check_reason(reason)
        alarm = {"snoozed_until": until, "snoozed_above": above, "snoozed_for_run": now if next_run else None}
        of_what = {} if above is None else {"currency": case.currency}
        asleep = NOBODY_HAS_IT | {"state": State.SNOOZED} | alarm | of_what
        return _move(case, actor, "case.snoozed", reason, **asleep)


def wake(*, case: Case, actor: User) -> Case:
    """End a snooze early."""
    with transaction.atomic():
        case = _for_move(case, actor)
        if case.state != State.SNOOZED:
            raise Refused("This exception is not snoozed.", code="not-snoozed")
        return _move(case, actor, "case.woken", state=State.OPEN, **NOBODY_HAS_IT)


def dismiss(*, case: Case, actor: User, reason: str) -> Case:
    """Let the cause be, for a reason, where it holds nothing back. It opens again if the cause goes and returns."""
    with transaction.atomic():
        case = _for_move(case, actor)
        if case.holds_back:
            raise Refused("It holds work back, so it cannot be dismissed. Fix it or snooze it.", code="holds-back")
        _check_reason(reason)
        return _move(
            case,
            actor,
            "case.dismissed",
            reason,
            state=State.DISMISSED,
            ended_at=timezone.now(),
            ended_by=actor,
            ending={"words": reason.strip()},
            **NOBODYS,
        )


def hand_over(*, case: Case, actor: User, team: Team, reason: str) -> Case:
    """Move the case to another team's queue, for a reason. What clears it stays the same."""
    with transaction.atomic():
        case = _for_move(case, actor)
        if team == case.team:
            raise Refused(f"It is with {Team(team).label} already.", field="team", code="same-team")
        _check_reason(reason)
        return _move(case, actor, "case.handed-over", reason, team=Team(team), state=State.OPEN, **NOBODYS)


def note(*, case: Case, actor: User, text: str) -> AuditEntry:
    """Write something on the case's timeline, also after its end. The search finds the case by it."""
    with transaction.atomic():
        hold([(case.type, case.entity_id)])
        case = Case.objects.select_related("entity").get(pk=case.pk)
        _check_team(case, actor)
        if not text.strip():
            raise Refused("Write the note first.", field="text")
        case.notes = f"{case.notes}\n{text.strip()}".lstrip()
        case.save(update_fields=["notes"])
        return AuditEntry.objects.record(
            actor=actor, entity=case.entity, verb="case.noted", subject=case.audit_subject, reason=text.strip()
        )


def people_of(teams: Collection[Team], entity_ids: Collection[int]) -> QuerySet[User]:
    """Who works the cases of one of the teams in one of these companies, by name."""
    roles = [role for role in Role if any(works_for(role, team) for team in teams)]
    working = Membership.objects.filter(entity_id__in=entity_ids, role__in=roles)
    return User.objects.filter(is_active=True, pk__in=working.values("user")).order_by("name", "pk")


def take_turn(entity_id: int) -> None:
    """Wait until no other person's previewed change of this company is being done; held to the end of the transaction."""
    wait_for(f"actions in {entity_id}")


def sweep_soon(entity_id: int) -> None:
    """Have every type looked at after the transaction. Without a broker the regular sweep does it."""
    transaction.on_commit(lambda: tasks.sweep_entity_task.delay(entity_id), robust=True)


def _for_move(case: Case, actor: User) -> Case:
    """The case as it is now, nobody else's to write until the transaction ends, and this person's to move."""
    hold([(case.type, case.entity_id)])
    case = Case.objects.select_related("entity", "claimed_by", "assigned_to").get(pk=case.pk)
    _check_team(case, actor)
    _check_live(case)
    if case.state == State.CLAIMED and case.claimed_by != actor and case.claimed_until > timezone.now():
        until = case.claimed_until.astimezone(ZoneInfo(case.entity.zone))
        raise Refused(f"{case.claimed_by} is on this until {until:%H:%M}. Nothing was changed.", code="claimed")
    return case


def _move(case: Case, actor: User, verb: str, reason: str = "", **changes: Any) -> Case:
    before = {name: plain(getattr(case, name)) for name in changes}
    for name, value in changes.items():
        setattr(case, name, value)
    case.save(update_fields=list(changes))
    AuditEntry.objects.record(
        actor=actor,
        entity=case.entity,
        verb=verb,
        subject=case.audit_subject,
        before=before,
        after={name: plain(value) for name, value in changes.items()},
        reason=reason.strip(),
    )
    return case


def plain(value: Any) -> Any:
    """A value as the audit keeps it: people by name, instants as ISO text, money as text."""
    if isinstance(value, User):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _check_live(case: Case) -> None:
    if not case.is_live:
        state = State(case.state).label.lower()
        raise Refused(f"This exception is {state} already. {case.ending.get('words', '')}".strip(), code="not-live")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why, for whoever reads this later.", field="reason")


def _check_action(action: Action, actor: User, case: Case) -> None:
    if action not in case.kind.actions:
        raise Refused(f"“{action.label}” is no action for “{case.kind.title}”.", code="no-action")
    if not actor.may(action.permission, case.entity_id):
        raise NotAllowed(_refusal(action.permission.does, action.permission.roles, actor, case.entity))
    _check_live(case)
    if not action.available(case):
        raise Refused(f"“{action.label}” does not apply to this exception now.", code="not-available")


def _works_on(case: Case, person: User) -> bool:
    return person.works_for(Team(case.team), case.entity_id)


def _check_team(case: Case, actor: User) -> None:
    if not _works_on(case, actor):
        roles = frozenset(role for role in Role if works_for(role, Team(case.team)))
        raise NotAllowed(_refusal(f"work on {Team(case.team).label} exceptions", roles, actor, case.entity))


def _refusal(does: str, roles: frozenset[Role], actor: User, entity: Entity) -> str:
    """Names who can, but not to a person who has no role in the company at all."""
    if not actor.roles_in(entity.pk):
        return "You have no role in this company. Nothing was changed."
    people = (
        User.objects.filter(is_active=True, memberships__entity=entity, memberships__role__in=roles)
        .order_by("name")
        .distinct()
    )
    return f"Your role cannot {does}. {_who_can([person.name for person in people], entity)}"


def _who_can(names: list[str], entity: Entity) -> str:
    if not names:
        return f"Nobody at {entity.name} can yet: an admin gives the role."
    shown = names[:NAMES_SHOWN]
    if len(names) > NAMES_SHOWN:
        shown.append(f"{len(names) - NAMES_SHOWN} more")
    return f"{shown[0] if len(shown) == 1 else ', '.join(shown[:-1]) + ' and ' + shown[-1]} can."
