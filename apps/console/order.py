"""One order: system by system, its lines with their items, its buyer as far as one may read it, and where it goes and why."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from apps.catalog.models import Channel, MappingPart, SkuMapping
from apps.console import words
from apps.console.orders import MARKS
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.console.whose import whose
from apps.core.models import AuditEntry
from apps.core.permissions import READ_ORDERS
from apps.exceptions.models import Case
from apps.integrations.marketplaces import NAMES
from apps.integrations.models import Command
from apps.orders.buyers import shown_to
from apps.orders.models import NOT_SHIPPED, Hold, Order, OrderItem, Route, Status

SYSTEMS = ("Amazon", "Console", "ERP", "Warehouse")
AMAZON, CONSOLE, ERP, WAREHOUSE = range(len(SYSTEMS))
LANES = {"erp": ERP, "warehouse": WAREHOUSE}
ASKED = {"erp": "Sale to record", "warehouse": "Order to ship"}
COMMAND_LOOKS = {"waiting": "next", "sent": "", "refused": "held", "cancelled": "next"}
FROM_AMAZON = "Amazon says so"


@dataclass(frozen=True)
class Cell:
    """What one system knows at a moment. `look`: held, next (not yet) or gap (it should have it and has not)."""

    words: str
    small: str = ""
    look: str = ""


@dataclass
class Moment:
    """A row of the lanes. `at` None is now."""

    at: datetime | None
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def lanes(self) -> list[tuple[str, Cell | None]]:
        return [(name, self.cells.get(place)) for place, name in enumerate(SYSTEMS)]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line with the items that its listing was on the purchase day; without, the case that asks for one."""

    item: OrderItem
    parts: list[MappingPart]
    case: Case | None


@door(READ_ORDERS)
def order(request: HttpRequest, pk: int) -> HttpResponse:
    mine = Order.objects.visible_to(request.user).select_related("entity", "connection", "channel_set_by")
    found = get_object_or_404(mine, pk=pk)
    show_in_zone(found.entity)
    items = list(found.items.select_related("listing").order_by("pk"))
    commands = list(Command.objects.filter(entity=found.entity_id, subject=f"order:{pk}").order_by("pk"))
    about = whose(_cases(found, items), request.user)
    cases = [each.case for each in about if each.seen]
    context = {
        "order": found,
        "marketplace": NAMES.get(found.marketplace, found.marketplace),
        "finding": _finding(found),
        "why": _why(found),
        "mark": MARKS[found.route],
        "who_says": found.channel_set_by.name if found.channel_set_by else FROM_AMAZON,
        "to_ship": found.status in NOT_SHIPPED and found.route in (Route.SHIP, Route.HELD),
        "systems": SYSTEMS,
        "moments": _moments(found, commands, timezone.now()),
        "lines": _lines(found, items, cases),
        "cases": cases,
        "elsewhere": [each for each in about if not each.seen],
        "commands": commands,
        "buyer": shown_to(request.user, found),
        "history": AuditEntry.objects.about(f"order:{pk}")[:PAGE],
    }
    return render_screen(request, "order.html", context)


def _cases(order: Order, items: list[OrderItem]) -> QuerySet[Case]:
    """The live cases that are about this order, or about what holds it."""
    about = Q(type="order.misrouted-fba", subject=str(order.pk)) | Q(type="order.rejected", facts__order=order.pk)
    if Hold.CHANNEL in order.holds:
        about |= Q(type="order.channel-unknown", subject=f"{order.connection_id}:{order.channel_said}")
    if Hold.SKU in order.holds:
        about |= Q(type="sku.unmapped", facts__listing_id__in=[item.listing_id for item in items])
    live = Case.objects.live().filter(about, entity=order.entity_id)
    return live.select_related("entity", "claimed_by").order_by("-score")


def _lines(order: Order, items: list[OrderItem], cases: list[Case]) -> list[Line]:
    day = order.purchased_at.astimezone(ZoneInfo(order.entity.zone)).date()
    mappings = SkuMapping.objects.filter(listing__in=[item.listing_id for item in items], period__contains=day)
    parts = {each.listing_id: list(each.parts.all()) for each in mappings.prefetch_related("parts__item")}
    asking = {case.facts.get("listing_id"): case for case in cases}
    return [
        Line(item=item, parts=parts.get(item.listing_id, []), case=asking.get(item.listing_id)) for item in items
    ]


def _finding(order: Order) -> str:
    """The heading, after the order's id."""
    if order.route == Route.HELD:
        return f"is held: {order.hold_words[0].lower()}{order.hold_words[1:]}"
    return {
        Route.PENDING: "waits for payment",
        Route.SHIP: "is released to fulfilment",
        Route.RECORD: "is shipped by Amazon and recorded",
        Route.NO_SALE: "is no sale of Amazon's",
        Route.ENDED: "ended before it was released",
        Route.DONE: "has nothing left to ship",
    }[Route(order.route)]


def _why(order: Order) -> list[str]:
    """Where it goes and why, a sentence each."""
    if not order.on_amazon:
        return ["It was sold outside Amazon, and Amazon only ships it: no sale to record here, nothing for our warehouse."]
    said = {
        Channel.AFN: "Amazon ships it, so it is a sale for the ERP alone. It never goes to a warehouse of ours.",
        Channel.MFN: "We ship it, so it goes to our warehouse.",
        "": "It goes nowhere until it is known who ships it.",
    }[order.channel]
    then = {
        Route.PENDING: "Amazon has not confirmed the payment. It is looked at again when that changes.",
        Route.SHIP: "Its items and quantities are released; the warehouse gets them once.",
        Route.RECORD: "Its items and quantities go to the ERP once.",
        Route.ENDED: "It was cancelled before anything of it had left."
        if order.status == Status.CANCELLED
        else "Amazon calls it unfulfillable.",
        Route.DONE: "All its units were shipped before it came here, so nothing is released.",
    }
    holds = {
        Hold.CHANNEL: "Ecommerce says who ships it, for all orders like it at once.",
        Hold.SKU: "A line has no item on the day it was bought. Mapping its SKU frees every order that waits for it.",
    }
    return [said, *([then[order.route]] if order.route in then else []), *(holds[hold] for hold in order.holds)]


def _moments(order: Order, commands: list[Command], now: datetime) -> list[Moment]:
    """What each system knew when, the present last."""
    held = order.route == Route.HELD
    moments = [
        Moment(order.purchased_at, {AMAZON: Cell("Order placed", order.get_channel_display())}),
        Moment(
            order.received_at,
            {CONSOLE: Cell("Received and held" if held else "Received", order.hold_words, "held" if held else "")},
        ),
    ]
    if order.changed_at > order.purchased_at:
        moments.append(Moment(order.changed_at, {AMAZON: Cell(order.get_status_display(), "The last change")}))
    if order.delivered_at:
        moments.append(Moment(order.delivered_at, {AMAZON: Cell("Delivered")}))
    for command in commands:
        cell = Cell(ASKED.get(command.target, command.kind), _state(command), COMMAND_LOOKS[command.state])
        moments.append(Moment(command.created_at, {CONSOLE: Cell("Released"), LANES[command.target]: cell}))
    moments.sort(key=lambda moment: moment.at)
    return [*moments, _present(order, commands, now)]


def _state(command: Command) -> str:
    return f"{command.get_state_display()}{': ' + command.words if command.words else ''}"


def _present(order: Order, commands: list[Command], now: datetime) -> Moment:
    """What each system has now. Gaps are found by comparing them, not by waiting for an error."""
    age = f"Missing for {words.span(now - order.received_at)}"
    there = {command.target for command in commands if command.state in ("waiting", "sent")}
    here = Moment(None)
    if order.route == Route.HELD:
        here.cells[CONSOLE] = Cell("Held", order.hold_words, "held")
    if order.route in (Route.HELD, Route.SHIP) and order.channel != "AFN" and "warehouse" not in there:
        here.cells[WAREHOUSE] = Cell("No order to ship", age, "gap")
    if order.route in (Route.HELD, Route.RECORD) and order.channel != "MFN" and "erp" not in there:
        here.cells[ERP] = Cell("No sale recorded", age, "gap")
    if order.channel == "MFN" and order.status in NOT_SHIPPED:
        here.cells[AMAZON] = Cell("Waits for a shipment confirmation", look="next")
    return here
