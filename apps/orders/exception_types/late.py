"""Orders near or past their ship-by: those that are released and not confirmed, and those that wait on another team."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.core.models import AuditEntry, User
from apps.core.money import ZERO, plain
from apps.core.permissions import WORK_ORDERS, Team
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, digest, register
from apps.integrations.feeds import silent
from apps.orders.models import Order, Route
from apps.orders.operations import settings_of
from apps.orders.statements import UNMAPPED

ORDERS_NAMED = 25
# What keeps the order: a listing without an item on the day it was bought, or that nobody says who ships it.
HELD = f"""
    SELECT CASE WHEN item.listing_id IS NULL THEN 'channel' ELSE 'listing:' || item.listing_id END, listing.sku,
           o.order_id, o.ship_by, o.currency, o.total
    FROM orders_order o
    JOIN core_entity entity ON entity.id = o.entity_id
    LEFT JOIN orders_orderitem item ON item.order_id = o.id AND item.quantity > 0 AND {UNMAPPED}
    LEFT JOIN catalog_listing listing ON listing.id = item.listing_id
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND o.ship_by <= %(until)s
      AND (item.listing_id IS NOT NULL OR 'channel' = ANY(o.holds))
    ORDER BY o.ship_by, o.order_id
"""
WAITS_ON = {"listing": "sku.unmapped", "channel": "order.channel-unknown"}


@dataclass
class Group:
    """Orders that are late for one cause. Money per currency; an order without a total counts in none."""

    sku: str = ""
    orders: list[str] = field(default_factory=list)
    first: datetime | None = None
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, order_id: str, ship_by: datetime, currency: str, total: Decimal | None) -> None:
        if order_id in self.orders[-1:]:  # two of its lines wait on the same listing
            return
        self.orders.append(order_id)
        self.first = min(self.first or ship_by, ship_by)
        if total is not None:
            self.amounts[currency] = self.amounts.get(currency, ZERO) + total

    def finding(self, scope: Scope, subject: str, **facts: Any) -> Finding:
        largest = max(sorted(self.amounts), key=self.amounts.__getitem__, default=scope.entity.base_currency)
        return Finding(
            subject=subject,
            currency=largest,
            stake=max(self.amounts.get(largest, ZERO), ZERO),
            lines=len(self.orders),
            due_at=self.first,
            facts=facts
            | {
                "orders": self.orders[:ORDERS_NAMED],
                "first_ship_by": self.first.isoformat(),
                "amounts": {currency: plain(amount, currency) for currency, amount in self.amounts.items()},
            },
        )


def late_orders(scope: Scope) -> Iterator[Finding]:
    """One finding for each connection and day of the company's zone by which orders should have left."""
    entity = scope.entity
    rows = Order.objects.filter(entity=entity).late(timezone.now()).exclude(route=Route.HELD)
    days = rows.annotate(day=TruncDate("ship_by", tzinfo=ZoneInfo(entity.zone)))
    found: dict[str, Group] = {}
    named = days.order_by("ship_by", "order_id").values_list(
        "connection", "connection__name", "day", "order_id", "ship_by", "currency", "total"
    )
    names = {}
    for place, name, day, *order in named:
        subject = f"{place}:{day.isoformat()}"
        found.setdefault(subject, Group()).add(*order)
        names[subject] = (place, name, day)
    for subject, group in found.items():
        if scope.subjects is None or subject in scope.subjects:
            place, name, day = names[subject]
            yield group.finding(scope, subject, connection=name, connection_id=place, day=day.isoformat())


def held_orders(scope: Scope) -> Iterator[Finding]:
    """One finding for each cause that keeps orders past the warning of their ship-by."""
    found: dict[str, Group] = {}
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"entity": scope.entity.pk, "until": timezone.now() + settings_of(scope.entity).warning})
        for subject, sku, *order in cursor.fetchall():
            found.setdefault(subject, Group(sku=sku or "")).add(*order)
    for subject, group in found.items():
        if scope.subjects is None or subject in scope.subjects:
            yield group.finding(scope, subject, sku=group.sku)


def _counted(case: Case) -> str:
    return f"{case.lines:,} order{'' if case.lines == 1 else 's'}"


def _late_headline(case: Case) -> str:
    day = date.fromisoformat(case.facts["day"])
    are = "is" if case.lines == 1 else "are"
    return f"{_counted(case)} of {case.facts['connection']} to ship by {day:%-d %b} {are} not confirmed"


def _held_headline(case: Case) -> str:
    waits = f"{_counted(case)} near ship-by {'waits' if case.lines == 1 else 'wait'}"
    return f"{waits} for an item for {case.facts['sku']}" if case.facts["sku"] else f"{waits} for who ships"


def waited_on(case: Case) -> Case | None:
    """The other team's case whose end frees these orders."""
    kind, _, listing = case.subject.partition(":")
    live = Case.objects.live().filter(entity=case.entity_id, type=WAITS_ON[kind])
    return (live.filter(facts__listing_id=int(listing)) if listing else live).order_by("pk").first()


def _preview_chase(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    other = waited_on(case)
    if other is None:
        return Plan(effect="Look again", says="No case of another team is open for it any more.", digest=digest(None))
    team = Team(other.team).label
    return Plan(
        effect=f"Ask {team} for it",
        says=f"Your words stand on case {other.pk}, with the first ship-by. The orders stay held until it ends.",
        digest=digest(other.pk, case.lines, case.facts["first_ship_by"]),
    )


def _run_chase(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    other = waited_on(case)
    if other is None:
        return "Nobody has to be asked: no case is open for it."
    AuditEntry.objects.record(
        actor=actor,
        entity=case.entity,
        verb="case.chased",
        subject=other.audit_subject,
        after={"orders": case.lines, "first ship-by": case.facts["first_ship_by"]},
        reason=cleaned["reason"],
    )
    return f"Asked on case {other.pk}."


CHASE = Action(
    name="chase",
    label="Ask the team that it waits on",
    permission=WORK_ORDERS,
    form=ReasonForm,
    preview=_preview_chase,
    run=_run_chase,
    clears=("order.held",),
)

LATE_SHIP = register(ExceptionType(
    code="order.late-ship",
    title="Order near or past its ship-by",
    counts="order",
    team=Team.OPS,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(hours=12),
    detect=late_orders,
    doubts=silent("amazon.orders"),
    headline=_late_headline,
    panel="cases/late_orders.html",
    runbook=Runbook(
        impact="Amazon counts a late shipment against the account, and the buyer may cancel.",
        steps=(
            "Open the orders: those that the warehouse has shipped lack only their confirmation.",
            "Ask the warehouse for the others, the earliest ship-by first.",
            "What cannot leave in time is cancelled at Amazon, with the reason, before its ship-by.",
        ),
        prevention="Orders are released the minute they are paid: what is late waited at the warehouse or for a mapping.",
        escalate="To the warehouse's shift lead, when more than a handful of one day are late.",
    ),
))  # fmt: skip

HELD_ORDERS = register(ExceptionType(
    code="order.held",
    title="Order waits on another team past its ship-by warning",
    counts="order",
    team=Team.OPS,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(100),
    respond_within=timedelta(hours=4),
    detect=held_orders,
    headline=_held_headline,
    panel="cases/late_orders.html",
    actions=(CHASE,),
    runbook=Runbook(
        impact="The orders cannot be released before the other team's case ends, and their ship-by comes nearer.",
        steps=(
            "Open the case that they wait on: it names the SKU, or what Amazon said instead of who ships.",
            "Ask the team for it. Your words stand on their case.",
            "If it cannot end in time, cancel the orders at Amazon before their ship-by.",
        ),
        prevention="A new listing is mapped before it goes live: import the sheet with its SKU first.",
        escalate="To the head of ecommerce, when the first ship-by is less than three hours away.",
    ),
))  # fmt: skip
