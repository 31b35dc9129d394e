"""Orders that nobody says who ships, and orders of Amazon's own that went to a warehouse of ours (domain.md 2.5)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from django import forms
from django.db import connection

from apps.catalog.models import Channel
from apps.core.models import User
from apps.core.money import ZERO, plain
from apps.core.permissions import WORK_ORDERS, Team
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.models import Command
from apps.orders import statements
from apps.orders.models import Hold, Order, Route
from apps.orders.operations import cancel_warehouse_order, set_channel
from apps.orders.routing import facts_of

ORDERS_NAMED = 25
CHANNEL_CASES = ("order.channel-unknown", "order.held")


def orders_without_channel(scope: Scope) -> Iterator[Finding]:
    """One finding for each connection and for what it said in place of who ships."""
    with connection.cursor() as cursor:
        cursor.execute(statements.NO_CHANNEL, {"entity": scope.entity.pk, "named": ORDERS_NAMED})
        rows = cursor.fetchall()
    for (place, name, said), group in groupby(rows, key=lambda row: row[:3]):
        sums = [row[3:] for row in group]
        amounts = {currency: total for currency, _, total, _, _ in sums if total is not None}
        largest = max(sorted(amounts), key=amounts.__getitem__, default=scope.entity.base_currency)
        ship_by = min((row[3] for row in sums if row[3]), default=None)
        yield Finding(
            subject=f"{place}:{said}",
            currency=largest,
            stake=max(amounts.get(largest, ZERO), ZERO),
            lines=sum(count for _, count, *_ in sums),
            due_at=ship_by,
            facts={
                "connection_id": place,
                "connection": name,
                "said": said,
                "orders": [order for *_, orders in sums for order in orders][:ORDERS_NAMED],
                "first_ship_by": ship_by.isoformat() if ship_by else "",
                "amounts": {currency: plain(amount, currency) for currency, amount in amounts.items()},
            },
        )


def _orders_of(case: Case) -> list[int]:
    held = Order.objects.filter(entity=case.entity_id, route=Route.HELD, holds__contains=[Hold.CHANNEL])
    facts = case.facts
    found = held.filter(connection=facts["connection_id"], channel_said=facts["said"])
    return list(found.order_by("pk").values_list("pk", flat=True))


def _unknown_headline(case: Case) -> str:
    said = case.facts["said"]
    held = f"{case.lines:,} order{' is' if case.lines == 1 else 's are'} held"
    why = f"{case.facts['connection']} says “{said}” where it should say who ships" if said else "nobody says who ships"
    return f"{held}: {why}" if said else f"{held}: {why} {'it' if case.lines == 1 else 'them'}"


class ChannelForm(forms.Form):
    channel = forms.ChoiceField(label="Who ships them", choices=[("", "Choose who ships"), *Channel.choices])
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)


@dataclass(frozen=True, kw_only=True)
class Going:
    """Orders that would go one way, with what buyers pay for them by currency."""

    route: str
    orders: int
    value: dict[str, Decimal]


def _preview_channel(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    facts = facts_of(case.entity, _orders_of(case))
    counts: Counter[str] = Counter()
    values: dict[str, dict[str, Decimal]] = {}
    for fact in facts:
        route = fact.decided(cleaned["channel"]).route
        counts[route] += 1
        value = values.setdefault(route, {})
        if fact.total is not None:
            value[fact.currency] = value.get(fact.currency, ZERO) + fact.total
    ways = [Going(route=Route(route).label, orders=counts[route], value=values[route]) for route in sorted(counts)]
    orders = f"{len(facts):,} order{'' if len(facts) == 1 else 's'}"
    return Plan(
        effect=f"Set who ships {orders}",
        says=f"{orders} {'is' if len(facts) == 1 else 'are'} {Channel(cleaned['channel']).label.lower()} from now on, "
        "until a record of Amazon's says otherwise. All of it or none of it.",
        digest=digest(cleaned["channel"], facts),
        detail={"ways": ways},
    )


def _run_channel(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    settled = set_channel(
        entity=case.entity,
        orders=_orders_of(case),
        channel=cleaned["channel"],
        reason=cleaned["reason"],
        actor=actor,
    )
    waits = f" {settled.held:,} wait for a mapping." if settled.held else ""
    return f"Set. {settled.released:,} released to fulfilment, {settled.recorded:,} recorded.{waits}"


SET_CHANNEL = Action(
    name="set-channel",
    label="Set who ships it",
    permission=WORK_ORDERS,
    form=ChannelForm,
    preview=_preview_channel,
    run=_run_channel,
    clears=CHANNEL_CASES,
    template="cases/channel_plan.html",
)

CHANNEL_UNKNOWN = register(ExceptionType(
    code="order.channel-unknown",
    title="Nobody says who ships the order",
    counts="order",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(hours=12),
    detect=orders_without_channel,
    headline=_unknown_headline,
    panel="cases/channel.html",
    actions=(SET_CHANNEL,),
    runbook=Runbook(
        impact="An order goes to the warehouse only if we ship it. While that is not known it goes nowhere.",
        steps=(
            "Open one of the orders in Seller Central: it says “Fulfilled by Amazon” or that you ship it.",
            "Say who ships them. Read the preview: it names what goes to the warehouse and what is only recorded.",
            "If they differ, say it for none here: correct the listing's channel at Amazon and fetch the orders again.",
        ),
        prevention="The orders are asked for with their fulfilment. If Amazon sends a new word, tell us which.",
        escalate="To operations, when the first ship-by is less than three hours away.",
    ),
))  # fmt: skip


def misrouted_orders(scope: Scope) -> Iterator[Finding]:
    """One finding for each order that Amazon ships while a warehouse of ours has it, or is about to get it."""
    with connection.cursor() as cursor:
        cursor.execute(statements.MISROUTED, {"entity": scope.entity.pk})
        rows = cursor.fetchall()
    for pk, order_id, currency, total, ship_by, key, state, released_at in rows:
        yield Finding(
            subject=str(pk),
            currency=currency or scope.entity.base_currency,
            stake=max(total or ZERO, ZERO),
            lines=1,
            due_at=ship_by,
            facts={
                "order": pk,
                "order_id": order_id,
                "key": key,
                "state": state,
                "released": released_at.isoformat(),
            },
        )


def _misrouted_headline(case: Case) -> str:
    where = "is at our warehouse" if case.facts["state"] == Command.State.SENT else "waits to go to our warehouse"
    return f"Amazon ships order {case.facts['order_id']}, and it {where} too"


def _order_of(case: Case) -> Order:
    return Order.objects.select_related("entity").get(pk=int(case.subject), entity=case.entity_id)


def _preview_cancel(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    command = Command.objects.get(entity=case.entity_id, key=case.facts["key"])
    seen = digest(command.pk, command.state)
    if command.state == Command.State.SENT:
        return Plan(
            effect="Mark it stopped at the warehouse",
            says=f"It was sent, so nothing here can call it back. Ask the warehouse to stop {case.facts['order_id']} first. "
            "When they confirm, save: the command then counts as cancelled.",
            digest=seen,
        )
    return Plan(
        effect="Cancel the warehouse order",
        says="It has not been sent and never is. The sale stays recorded: Amazon ships it.",
        digest=seen,
    )


def _run_cancel(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    command = cancel_warehouse_order(order=_order_of(case), reason=cleaned["reason"], actor=actor)
    return f"{command.key} is cancelled. Amazon alone ships {case.facts['order_id']}."


CANCEL_WAREHOUSE = Action(
    name="cancel-warehouse",
    label="Cancel the warehouse order",
    permission=WORK_ORDERS,
    form=ReasonForm,
    preview=_preview_cancel,
    run=_run_cancel,
    clears=("order.misrouted-fba",),
)

MISROUTED = register(ExceptionType(
    code="order.misrouted-fba",
    title="An order that Amazon ships is at our warehouse",
    counts="order",
    team=Team.OPS,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(200),
    respond_within=timedelta(hours=2),
    detect=misrouted_orders,
    headline=_misrouted_headline,
    panel="cases/misrouted.html",
    actions=(CANCEL_WAREHOUSE,),
    runbook=Runbook(
        impact="The buyer gets it twice: once from Amazon, once from us, and only one is paid.",
        steps=(
            "If it waits to be sent, cancel it here: nothing has left.",
            "If it was sent, ask the warehouse to stop it before it is packed, then mark it stopped here.",
            "Look at who said that we ship it: the order's page shows whether a person or Amazon's record did.",
        ),
        prevention="Who ships an order is Amazon's word. Set it by hand only when Seller Central shows it.",
        escalate="To the warehouse's shift lead, at once, when it is packed already.",
    ),
))  # fmt: skip
