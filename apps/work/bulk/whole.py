"""The whole of a bulk weighed, company by company: what is too much for one person waits for a second one on the same dry run.

Each company's part is a record of its own, whose deed begins the bulk; a part above the limits of its company is asked for
like any such change (apps.work.proposals), and the last one that is approved begins the bulk.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from django.forms import ChoiceField, Form

from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.words import counted
from apps.exceptions.types import Action, Plan, Weight, digest
from apps.exceptions.weighing import NeedsSecondPerson, weighed
from apps.work import proposals
from apps.work.bulk import statements
from apps.work.bulk.beginning import RUN, begin, check_mine
from apps.work.bulk.models import Bulk, BulkMember
from apps.work.deeds import Deed, Kind, register_kind
from apps.work.models import Proposal

KIND = "bulk"


@dataclass
class Part:
    """What a bulk does in one company. The record of this deed."""

    bulk: Bulk
    entity: Entity

    def __str__(self) -> str:
        """For people of the one company: what was chosen may name others."""
        alone = len(self.bulk.entity_ids) == 1
        return f"Bulk action {self.bulk.pk}: {self.bulk.chosen}" if alone else f"Bulk action {self.bulk.pk}"

    @property
    def pk(self) -> int:
        return self.bulk.pk

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    def refresh_from_db(self) -> None:
        self.bulk = Bulk.objects.select_related("made_by").get(pk=self.bulk.pk)
        self.entity.refresh_from_db()


class BeginForm(Form):
    """The dry run says it all."""

    def __init__(self, part: Part, actor: User, data: Any = None):
        super().__init__(data)


def parts(bulk: Bulk) -> list[Part]:
    return [Part(bulk, entity) for entity in Entity.objects.filter(pk__in=bulk.entity_ids).order_by("pk")]


def plan_of(part: Part) -> Plan:
    """What it does in the company, with `over` where that is above its limits."""
    bulk, (members, weight) = part.bulk, _weight(part)
    label = bulk.action_declared.label
    exceptions = counted(members, "exception")
    return weighed(
        part.entity,
        Plan(
            effect=f"{label}: {exceptions}",
            says=f"Does it to {exceptions} at {part.entity.name}, as the dry run says of each. What changes before is skipped.",
            digest=digest(bulk.digest, part.entity.pk, members, weight.lines, sorted(weight.money.items())),
            weight=weight,
            detail=_filled_in(part),
        ),
    )


def _filled_in(part: Part) -> dict[str, str]:
    """What the action was given, in words: who approves it may not read a bulk over other companies."""
    bulk = part.bulk
    eligible = bulk.cases.filter(verdict=BulkMember.Verdict.ELIGIBLE, case__entity=part.entity).select_related("case__entity")
    if (member := eligible.first()) is None:
        return {}
    form = bulk.action_declared.form(member.case, bulk.made_by, bulk.data)
    form.is_valid()
    said = {field: form.cleaned_data.get(field.name) for field in form}
    return {
        field.label: str(dict(field.field.choices).get(value, value) if type(field.field) is ChoiceField else value)
        for field, value in said.items()
        if value not in (None, "", False)
    }


def waits_for(bulk: Bulk) -> list[tuple[Part, Plan]]:
    """The parts that take a second person who has not approved them yet. None of a move: it changes no books."""
    if not bulk.type:
        return []
    heavy = [(part, plan) for part in parts(bulk) if (plan := plan_of(part)).over]
    return [(part, plan) for part, plan in heavy if second_of(bulk, part.entity.pk) is None]


def check_whole(bulk: Bulk) -> None:
    """Raises NeedsSecondPerson where one person may not begin it alone."""
    for part, plan in waits_for(bulk):
        raise NeedsSecondPerson(plan, BeginForm(part, bulk.made_by, {}))


def second_of(bulk: Bulk, entity_id: int) -> User | None:
    """Who approved it for the company."""
    approved = Proposal.objects.filter(kind=KIND, record=bulk.pk, entity=entity_id, state=Proposal.State.APPROVED)
    row = approved.select_related("decided_by").first()
    return row and row.decided_by


def waiting(bulk: Bulk) -> Iterable[Proposal]:
    rows = Proposal.objects.waiting().filter(kind=KIND, record=bulk.pk)
    return rows.select_related("entity", "asked_by").order_by("pk")


@transaction.atomic
def propose(*, bulk: Bulk, user: User, digest: str) -> list[Proposal]:
    """Ask a second person for each part that is above its company's limits, on the dry run with this digest."""
    check_mine(bulk, user)
    bulk.refresh_from_db()
    if bulk.state != Bulk.State.READY:
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()}. Nothing was asked.", code="not-ready")
    if digest != bulk.digest:
        raise Refused("This is not the dry run that you looked at. Nothing was asked.", code="plan-changed")
    asked = {row.entity_id for row in waiting(bulk)}
    new = [(part, plan) for part, plan in waits_for(bulk) if part.entity.pk not in asked]
    if not new:
        raise Refused("There is nobody else to ask: begin it, or wait for who was asked.", code="not-needed")
    said = {"kind": KIND, "name": "begin", "actor": user, "data": {}}
    return [proposals.propose(record=part, digest=plan.digest, **said) for part, plan in new]


def withdraw(bulk: Bulk, user: User) -> None:
    """Take back what was asked for."""
    for row in waiting(bulk):
        proposals.withdraw(proposal=row, actor=user)


def _preview(part: Part, actor: User, cleaned: dict[str, Any]) -> Plan:
    bulk = part.bulk
    check_mine(bulk, actor)
    _check_ready(bulk)
    return plan_of(part)


def _check_ready(bulk: Bulk) -> None:
    if bulk.state != Bulk.State.READY:
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()}, so it is not begun.", code="not-ready")


def _run(part: Part, actor: User, cleaned: dict[str, Any]) -> str:
    bulk = Bulk.objects.select_for_update().get(pk=part.bulk.pk)  # of two that approve at once the second sees the first
    _check_ready(bulk)
    if left := [other for other, _ in waits_for(bulk) if other.entity != part.entity]:
        return f"Approved. It begins once it is approved for {counted(len(left), 'other company', 'other companies')} too."
    bulk.state, bulk.confirmed_at = Bulk.State.RUNNING, Now()
    begin(bulk, RUN, "bulk.confirmed")
    return "Begun. Its page says how far it is."


def _deeds(part: Part) -> dict[str, Deed]:
    action: Action = part.bulk.action_declared
    label = f"{action.label} in bulk"
    begins = Deed(
        name="begin", label=label, permission=action.permission, form=BeginForm, preview=_preview, run=_run
    )
    return {begins.name: begins}


def _weight(part: Part) -> tuple[int, Weight]:
    """How many eligible members the company has, and what they weigh together."""
    asked = {"bulk": part.bulk.pk, "entity": part.entity.pk}
    with connection.cursor() as cursor:
        cursor.execute(statements.WEIGHT, asked)
        members, lines = cursor.fetchone()
        cursor.execute(statements.WEIGHT_OF_MONEY, asked)
        return members, Weight(lines=lines, money=dict(cursor.fetchall()))


def _find(pk: int, entity: Entity) -> Part:
    return Part(Bulk.objects.select_related("made_by").get(pk=pk), entity)


register_kind(Kind(name=KIND, find=_find, deeds=_deeds))
