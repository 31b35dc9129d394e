"""The daily check of rejected orders: held, refused, unreadable, or past the warning of their ship-by (domain.md 5.1)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import F

from apps.core.models import Entity
from apps.core.money import words
from apps.core.permissions import READ_ORDERS, SIGN_CHECKS, Team
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.integrations.models import Command, UnreadableRecord
from apps.orders.models import Hold, Order, Route, Status
from apps.work.routines import Entry, Routine, register_routine

FEED = "amazon.orders"
ORDER, RECORD = "order:", "record:"


def gather(entity: Entity, now: datetime) -> list[Entry]:
    """Each order once, by the first of its reasons: refused, held, late. Those past their ship-by first."""
    found: dict[str, Entry] = {}
    for entry in (*_refused(entity, now), *_held(entity, now), *_late(entity, now), *_unreadable(entity)):
        found.setdefault(entry.subject, entry)
    return sorted(found.values(), key=lambda entry: (not entry.late, entry.due_at is None, entry.due_at or entry.since))


def _refused(entity: Entity, now: datetime) -> Iterator[Entry]:
    refused = Command.objects.filter(entity=entity, state=Command.State.REFUSED, subject__startswith=ORDER)
    words_of = {int(row.subject.removeprefix(ORDER)): f"Refused by {row.target}: {row.words}" for row in refused}
    for order in Order.objects.filter(entity=entity, pk__in=words_of):
        yield _entry(order, "refused", words_of[order.pk], now)


def _held(entity: Entity, now: datetime) -> Iterator[Entry]:
    held = list(Order.objects.filter(entity=entity, route=Route.HELD).prefetch_related("items"))
    cases = _cases(entity)
    for order in held:
        why = ", ".join(Hold(hold).label for hold in order.holds) or "Held"
        on = next((cases[item.listing_id] for item in order.items.all() if item.listing_id in cases), None)
        yield _entry(order, "held", f"{why}.", now, on)


def _late(entity: Entity, now: datetime) -> Iterator[Entry]:
    for order in Order.objects.filter(entity=entity).late(now):
        past = order.ship_by < now
        yield _entry(order, "late", "Past its ship-by, and not confirmed." if past else "Ship-by is near.", now)


def _unreadable(entity: Entity) -> Iterator[Entry]:
    records = UnreadableRecord.objects.filter(source__connection__entity=entity, source__feed=FEED, read_at=None)
    for record in records:
        yield Entry(
            subject=f"{RECORD}{record.pk}",
            label=record.key,
            kind="unreadable",
            why=record.words,
            since=record.first_seen_at,
        )


def _entry(order: Order, kind: str, why: str, now: datetime, case: Case | None = None) -> Entry:
    return Entry(
        subject=f"{ORDER}{order.pk}",
        label=order.order_id,
        kind=kind,
        why=why,
        since=order.received_at,
        amount=words(order.total, order.currency) if order.total is not None else "",
        due_at=order.ship_by,
        late=order.ship_by is not None and order.ship_by < now,
        order=order.pk,
        case=case.pk if case else None,
        held_by=case.claimed_by.name if case and case.claimed_by else "",
    )


def _cases(entity: Entity) -> dict[int, Case]:
    """Listing -> the live case that asks for its item."""
    live = Case.objects.live().filter(entity=entity, type="sku.unmapped").select_related("claimed_by")
    return {case.facts["listing_id"]: case for case in live}


def became(entity: Entity, subjects: Collection[str]) -> Mapping[str, str]:
    """What happened to those that a check before left and that are not rejected any more."""
    ids = [int(subject.removeprefix(ORDER)) for subject in subjects if subject.startswith(ORDER)]
    found = {f"{ORDER}{order.pk}": _fate(order) for order in Order.objects.filter(entity=entity, pk__in=ids)}
    return found | {subject: "Read after all." for subject in subjects if subject.startswith(RECORD)}


def _fate(order: Order) -> str:
    if order.status == Status.CANCELLED:
        return "Cancelled."
    if order.status == Status.SHIPPED:
        return "Shipped."
    return {Route.SHIP: "Released to fulfilment.", Route.RECORD: "Recorded."}.get(order.route, order.get_route_display())


def began(entity: Entity) -> date | None:
    """The day after the first order came: the first full day."""
    first = Order.objects.filter(entity=entity).order_by(F("received_at")).values_list("received_at", flat=True).first()
    return first.astimezone(ZoneInfo(entity.zone)).date() + timedelta(days=1) if first else None


def heading(entries: Sequence[Entry]) -> str:
    if not entries:
        return "No order is held, refused, unreadable or late"
    late = sum(entry.late for entry in entries)
    are = "is" if len(entries) == 1 else "are"
    past = f": {late:,} past {'its' if late == 1 else 'their'} ship-by" if late else ""
    return f"{counted(len(entries), 'order')} {are} held, refused, unreadable or late{past}"


REJECTED_ORDERS = register_routine(Routine(
    name="rejected-orders",
    title="Rejected orders",
    team=Team.OPS,
    permission=SIGN_CHECKS,
    reads=READ_ORDERS,
    heading=heading,
    kinds={
        "late": "past or near their ship-by",
        "held": "held",
        "refused": "refused",
        "unreadable": "unreadable",
    },
    subject="Order",
    deadline="Ship by",
    hours=(time(9),),
    peak_hours=(time(9), time(14)),
    gather=gather,
    became=became,
    began=began,
))  # fmt: skip
