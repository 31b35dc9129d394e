"""Which SKU is which item: the listings, one with its mapping over time and what may be done to it, the items."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.catalog import operations
from apps.catalog.models import Item, Listing, MappingPart, SkuMapping
from apps.console.deeds import Attempted, attempt, may_not, named, offer
from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.models import User
from apps.core.permissions import READ_ORDERS
from apps.exceptions.models import Case
from apps.integrations.models import Job, JobState
from apps.orders import mapping
from apps.orders.mapping_deeds import DEEDS, MAP, fitting_deeds
from apps.orders.models import Order
from apps.orders.routing import RELEASE
from apps.work.proposals import waiting_for

VIEWS = {"all": "All", "unmapped": "No item", "mapped": "Mapped", "ended": "Ended"}
UNDER_WAY = (JobState.WAITING, JobState.RUNNING)
SHOWN_AFTER = timedelta(hours=1)  # how long an ended release stays on the listing's page
ORDERS_SHOWN = 10


@door(READ_ORDERS)
def listings(request: HttpRequest) -> HttpResponse:
    """By SKU. ?show=unmapped, mapped or ended; ?q= finds in SKU, ASIN and title."""
    mine = request.companies.within(Listing.objects.visible_to(request.user), "connection__entity_id")
    show = request.GET.get("show", "all")
    show = show if show in VIEWS else "all"
    wanted = request.GET.get("q", "").strip()
    rows = _shown(mine, show)
    if wanted:
        rows = rows.filter(Q(sku__icontains=wanted) | Q(asin__iexact=wanted) | Q(title__icontains=wanted))
    after, _, pk = request.GET.get("after", "").rpartition("~")
    if pk.isdecimal():
        rows = rows.filter(Q(sku__gt=after) | Q(sku=after, pk__gt=int(pk)))
    in_force = SkuMapping.objects.in_force().order_by("-period").prefetch_related("parts__item")
    shown, more = page_of(
        rows.order_by("sku", "pk")
        .select_related("connection__entity")
        .prefetch_related(Prefetch("mappings", in_force, to_attr="in_force"))
    )
    waiting = mapping.waiting_by_listing([row.pk for row in shown])
    context = {
        "rows": [(row, _present(row), waiting.get(row.pk, 0)) for row in shown],
        "views": VIEWS.items(),
        "show": show,
        "q": wanted,
        "kept": query_without(request, "after"),
        "next": f"{shown[-1].sku}~{shown[-1].pk}" if more else "",
        "unmapped": _shown(mine, "unmapped").count(),
        "cases": Case.objects.visible_to(request.user).live().filter(type="sku.unmapped").count(),
        "several": request.companies.several,
    }
    return render_screen(request, "listings.html", context)


def _shown(mine: QuerySet[Listing], show: str) -> QuerySet[Listing]:
    """Mapped: on this day or a later one. Ended: only on earlier ones."""
    said = SkuMapping.objects.in_force().filter(listing=OuterRef("pk"))
    open_ = said.filter(Q(period__endswith=None) | Q(period__endswith__gt=timezone.localdate()))
    if show == "unmapped":
        return mine.filter(~Exists(open_))
    if show == "mapped":
        return mine.filter(Exists(open_))
    return mine.filter(Exists(said), ~Exists(open_)) if show == "ended" else mine


def _present(listing: Listing) -> SkuMapping | None:
    """Its mapping of today among those read, else the newest."""
    on = mapping.today(listing)
    return next((row for row in listing.in_force if row.holds_on(on)), next(iter(listing.in_force), None))


@door(READ_ORDERS)
def listing(request: HttpRequest, pk: int) -> HttpResponse:
    """?do= names another deed than the one that is offered first."""
    found = _seen_by(request, pk)
    fitting = fitting_deeds(found)
    deed = DEEDS.get(request.GET.get("do", ""))
    deed = deed if deed in fitting else fitting[0]
    able = not may_not(deed, found, request.user)
    return _show(request, found, offer(deed, found, request.user) if able else None)


@door(READ_ORDERS, methods=["POST"])
def listing_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Preview the mapping, its change or its undoing, or do it if it still matches the preview."""
    found = _seen_by(request, pk)
    attempted = attempt(named(DEEDS, name), found, request, kind="listing")
    if attempted.done:
        return redirect("listing", pk=pk)
    return _show(request, found, attempted)


def _seen_by(request: HttpRequest, pk: int) -> Listing:
    mine = Listing.objects.visible_to(request.user).select_related("connection__entity")
    found = get_object_or_404(mine, pk=pk)
    show_in_zone(found.entity)
    return found


def _show(request: HttpRequest, listing: Listing, attempted: Attempted | None) -> HttpResponse:
    history = listing.mappings.order_by("-pk").select_related("made_by").prefetch_related("parts__item")
    release = _releases(request.user).filter(args__listings__contains=[listing.pk]).order_by("-pk").first()
    recent = release and (release.state in UNDER_WAY or release.ended_at > timezone.now() - SHOWN_AFTER)
    context = {
        "listing": listing,
        "present": operations.mapping_on(listing, mapping.today(listing)),
        "history": history,
        "waiting": mapping.waiting_by_listing([listing.pk]).get(listing.pk, 0),
        "orders": Order.objects.filter(items__listing=listing).distinct().order_by("-purchased_at")[:ORDERS_SHOWN],
        "order_count": mapping.orders_of([listing.pk]).get(listing.pk, 0),
        "cases": Case.objects.visible_to(request.user)
        .live()
        .filter(type__in=mapping.CASES, entity=listing.entity_id, subject=str(listing.pk)),
        "attempted": attempted,
        "waits": waiting_for("listing", listing.pk),
        "others": [(deed.name, deed.label) for deed in fitting_deeds(listing) if attempted and deed != attempted.deed],
        "job": release if recent else None,
        "may_not": may_not(MAP, listing, request.user),
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "listing.html", context, partial="preview", status=status)


@door(READ_ORDERS)
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the release of orders is. Asks again every second until it has ended."""
    job = get_object_or_404(_releases(request.user).select_related("entity", "asked_by"), pk=pk)
    show_in_zone(job.entity)
    context = {
        "job": job,
        "under_way": job.state in UNDER_WAY,
        "listings": Listing.objects.visible_to(request.user).filter(pk__in=job.args["listings"]).order_by("sku"),
    }
    return render_screen(request, "release.html", context, partial="progress")


def _releases(user: User) -> QuerySet[Job]:
    return Job.objects.filter(kind=RELEASE, entity__in=user.entities_where(READ_ORDERS))


@door(READ_ORDERS)
def items(request: HttpRequest) -> HttpResponse:
    """By company and code. ?q= finds in code, EAN, ASIN and title."""
    mine = Item.objects.filter(entity__in=request.user.entities_where(READ_ORDERS)).select_related("entity")
    mine = request.companies.within(mine)
    wanted = request.GET.get("q", "").strip()
    rows = mine
    if wanted:
        rows = rows.filter(
            Q(code__icontains=wanted) | Q(ean=wanted) | Q(asin__iexact=wanted) | Q(title__icontains=wanted)
        )
    entity, _, code = request.GET.get("after", "").partition("~")
    if entity.isdecimal():
        rows = rows.filter(Q(entity__gt=int(entity)) | Q(entity=int(entity), code__gt=code))
    days = Q(mapping__period__contains=timezone.localdate())
    parts = MappingPart.objects.filter(days).select_related("mapping__listing").order_by("mapping__listing__sku", "pk")
    shown, more = page_of(rows.order_by("entity", "code").prefetch_related(Prefetch("mapped", parts, to_attr="today")))
    context = {
        "rows": shown,
        "q": wanted,
        "count": mine.count(),
        "kept": query_without(request, "after"),
        "next": f"{shown[-1].entity_id}~{shown[-1].code}" if more else "",
        "several": request.companies.several,
    }
    return render_screen(request, "items.html", context)
