"""An order that the system it was sent to refused, in that system's own words."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.money import ZERO, plain
from apps.core.permissions import WORK_ORDERS, Team
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.models import Command
from apps.orders.models import Order
from apps.orders.routines import ORDER

State = Command.State


def refused_orders(scope: Scope) -> Iterator[Finding]:
    """One finding for each command about an order that was refused."""
    refused = Command.objects.filter(entity=scope.entity, state=State.REFUSED, subject__startswith=ORDER).order_by("pk")
    if scope.subjects is not None:
        refused = refused.filter(pk__in=[int(subject) for subject in scope.subjects])
    commands = list(refused)
    orders = Order.objects.in_bulk([int(row.subject.removeprefix(ORDER)) for row in commands])
    for command in commands:
        order = orders[int(command.subject.removeprefix(ORDER))]
        yield Finding(
            subject=str(command.pk),
            currency=order.currency or scope.entity.base_currency,
            stake=max(order.total or ZERO, ZERO),
            lines=1,
            due_at=order.ship_by,
            facts={
                "orders": [order.order_id],
                "order": order.pk,
                "target": command.target,
                "key": command.key,
                "said": command.words,
                "first_ship_by": order.ship_by.isoformat() if order.ship_by else "",
                "amounts": {order.currency: plain(order.total, order.currency)} if order.total is not None else {},
            },
        )


def _headline(case: Case) -> str:
    said = case.facts["said"].rstrip(".") or "no reason given"
    return f"The {case.facts['target']} refused order {case.facts['orders'][0]}: {said}"


@transaction.atomic
def _settle(case: Case, actor: User, verb: str, state: str, reason: str) -> Command:
    command = Command.objects.select_for_update().get(pk=int(case.subject), entity=case.entity_id)
    if command.state != State.REFUSED:
        raise Refused(f"{command} is {command.get_state_display().lower()} by now.", code="not-refused")
    before = {"state": command.state, "words": command.words}
    command.state = state
    command.save(update_fields=["state"])
    AuditEntry.objects.record(
        actor=actor,
        entity=case.entity,
        verb=verb,
        subject=command.subject,
        before=before,
        after={"key": command.key, "state": state},
        reason=reason,
    )
    return command


def _plan(effect: str, says: str) -> Any:
    return lambda case, actor, cleaned: Plan(
        effect=effect, says=says, digest=digest(case.subject, effect, Command.objects.get(pk=int(case.subject)).state)
    )


def _send_again(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    command = _settle(case, actor, "command.sent-again", State.WAITING, cleaned["reason"])
    return f"Order {case.facts['orders'][0]} waits to be sent again, with the key {command.key}."


def _give_up(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    _settle(case, actor, "command.cancelled", State.CANCELLED, cleaned["reason"])
    return f"Order {case.facts['orders'][0]} is not sent."


SEND_AGAIN = Action(
    name="send-again",
    label="Send it again",
    permission=WORK_ORDERS,
    form=ReasonForm,
    preview=_plan("Send it again", "The same order with the same key: the system that had it already keeps one."),
    run=_send_again,
    clears=("order.rejected",),
)
GIVE_UP = Action(
    name="give-up",
    label="Do not send it",
    permission=WORK_ORDERS,
    form=ReasonForm,
    preview=_plan("Do not send it", "Nothing leaves. Cancel the order at Amazon, or the buyer waits for it."),
    run=_give_up,
    clears=("order.rejected",),
)

REJECTED = register(ExceptionType(
    code="order.rejected",
    title="An order was refused by the system it went to",
    counts="order",
    team=Team.OPS,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(hours=4),
    detect=refused_orders,
    headline=_headline,
    panel="cases/late_orders.html",
    actions=(SEND_AGAIN, GIVE_UP),
    runbook=Runbook(
        impact="The buyer paid and nothing is picked.",
        steps=(
            "Read the words of the system that refused it: they name a field or a product.",
            "Mend that field where it lives: the item, its mapping, or the warehouse's own list of products.",
            "Send it again. The key stays the same, so it is never there twice.",
        ),
        prevention="Products are known to the warehouse before their listing goes live.",
        escalate="To the system's support with the key, when its words name nothing that can be mended.",
    ),
))  # fmt: skip
