"""Orders: the list by what they wait for."""

from datetime import UTC, datetime

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.console.screens import door, page_of, query_without, render_screen
from apps.core.permissions import KEEP_ORDER_SETTINGS, READ_ORDERS
from apps.exceptions.models import Case
from apps.integrations.marketplaces import NAMES
from apps.orders.models import Order, OrderQuerySet, Route

VIEWS = {"all": "All", "held": "Held", "to-ship": "To ship", "late": "Near or past ship-by"}
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # orders without a ship-by come last
MARKS = {
    Route.PENDING: "wait",
    Route.HELD: "late",
    Route.SHIP: "ok",
    Route.RECORD: "ok",
    Route.NO_SALE: "wait",
    Route.ENDED: "wait",
    Route.DONE: "ok",
}


@door(READ_ORDERS)
def orders(request: HttpRequest) -> HttpResponse:
    """The newest first, or in the views of what is to be done the earliest ship-by first. ?view= as in VIEWS."""
    view = request.GET.get("view", "all")
    view = view if view in VIEWS else "all"
    mine = request.companies.within(Order.objects.visible_to(request.user))
    now = timezone.now()
    counts = {"held": mine.filter(route=Route.HELD).count(), "to-ship": mine.to_ship().count(), "late": mine.late(now).count()}
    shown, more = page_of(_after(_rows(mine, view, now), view, request.GET.get("after", "")))
    context = {
        "views": [(name, label, counts.get(name)) for name, label in VIEWS.items()],
        "view": view,
        "label": VIEWS[view],
        "counts": counts,
        "cases": Case.objects.visible_to(request.user).live().filter(type="sku.unmapped").count(),
        "rows": [(order, MARKS[order.route], order.hold_words, NAMES.get(order.marketplace, "")) for order in shown],
        "next": _key(shown[-1], view) if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
        "keeps": [entity for entity in request.companies.shown if request.user.may(KEEP_ORDER_SETTINGS, entity.pk)],
    }
    return render_screen(request, "orders.html", context)


def _rows(mine: OrderQuerySet, view: str, now: datetime) -> QuerySet[Order]:
    rows = mine.select_related("entity", "connection")
    if view == "all":
        return rows.order_by("-purchased_at", "-pk")
    asked = rows.filter(route=Route.HELD) if view == "held" else rows.late(now) if view == "late" else rows.to_ship()
    return asked.annotate(due=Coalesce("ship_by", Value(NEVER))).order_by("due", "pk")


def _after(rows: QuerySet[Order], view: str, after: str) -> QuerySet[Order]:
    """What follows the last row of the page before; an odd key begins at the beginning."""
    moment, _, pk = after.partition("~")
    if not pk.isdecimal() or not (at := _moment(moment)):
        return rows
    if view == "all":
        return rows.filter(Q(purchased_at__lt=at) | Q(purchased_at=at, pk__lt=int(pk)))
    return rows.filter(Q(due__gt=at) | Q(due=at, pk__gt=int(pk)))


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _key(order: Order, view: str) -> str:
    at = order.purchased_at if view == "all" else order.due
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z~{order.pk}"
