"""One box that finds any id: order, SKU, ASIN, FNSKU, EAN, item, settlement, journal, case. Live cases also by words."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from apps.catalog.models import Item, Listing
from apps.console.screens import door, render_screen
from apps.core.permissions import READ_MONEY, READ_ORDERS
from apps.exceptions.models import Case
from apps.ledger.models import Journal
from apps.orders.models import Order
from apps.settlements.models import Settlement
from apps.work.filters import LONGEST, worded_as

SHOWN = 20  # of each kind
SHORTEST = 3  # letters from which a beginning is looked for


@dataclass(frozen=True)
class Hit:
    label: str
    about: str
    url: str


@door()
def search(request: HttpRequest) -> HttpResponse:
    """?q= the id, or its beginning. A single exact hit is opened at once."""
    asked = request.GET.get("q", "").strip()[:LONGEST]
    groups = {name: hits for name, hits in _found(request, asked) if hits} if asked else {}
    hits = [hit for found in groups.values() for hit in found]
    exact = [hit for hit in hits if hit.label.casefold() == asked.casefold()]
    if len(exact) == 1:
        return redirect(exact[0].url)
    context = {"asked": asked, "groups": groups, "count": len(hits), "shown": SHOWN, "shortest": SHORTEST}
    return render_screen(request, "search.html", context)


def _found(request: HttpRequest, asked: str) -> list[tuple[str, list[Hit]]]:
    user, mine = request.user, request.companies.within
    readers = user.entities_where(READ_ORDERS)
    orders = mine(Order.objects.filter(entity__in=readers)).filter(_begins("order_id", asked))
    listings = mine(Listing.objects.visible_to(user), "connection__entity_id").filter(
        _begins("sku", asked) | Q(asin__iexact=asked) | Q(fnsku__iexact=asked) | _is("ean", asked)
    )
    items = mine(Item.objects.filter(entity__in=readers)).filter(
        _begins("code", asked) | _is("ean", asked) | Q(asin__iexact=asked)
    )
    settlements = mine(Settlement.objects.visible_to(user)).filter(_begins("settlement_id", asked))
    journals = mine(Journal.objects.filter(entity__in=user.entities_where(READ_MONEY))).filter(_begins("key", asked))
    visible = mine(Case.objects.visible_to(user))
    named = list(visible.filter(pk=int(asked))) if _number(asked) else []
    worded = _few(visible.live().filter(worded_as(asked)).by_rank()) if _has_a_word(asked) else []
    cases = {case.pk: case for case in [*named, *worded]}.values()
    return [
        ("Cases", [Hit(str(case.pk), case.kind.headline(case), reverse("case", args=[case.pk])) for case in cases]),
        ("Orders", [_order(order) for order in _few(orders.select_related("connection"))]),
        ("SKUs", [_listing(listing) for listing in _few(listings.select_related("connection"))]),
        ("Items", [Hit(item.code, item.title, f"{reverse('items')}?q={item.code}") for item in _few(items)]),
        ("Settlements", [_settlement(row) for row in _few(settlements.select_related("connection"))]),
        ("Journals", [Hit(row.key, row.get_state_display(), reverse("journal", args=[row.pk])) for row in _few(journals)]),
    ]


def _begins(name: str, asked: str) -> Q:
    """Ids of one or two letters begin too much."""
    return Q(**{f"{name}__istartswith": asked}) if len(asked) >= SHORTEST else Q(**{f"{name}__iexact": asked})


def _has_a_word(asked: str) -> bool:
    return len(asked) >= SHORTEST and any(letter.isalnum() for letter in asked)


def _is(name: str, asked: str) -> Q:
    return Q(**{name: asked})


def _number(asked: str) -> bool:
    return asked.isascii() and asked.isdecimal() and len(asked) < 18


def _few(rows: QuerySet) -> list:
    return list(rows[:SHOWN])


def _order(order: Order) -> Hit:
    return Hit(order.order_id, f"{order.get_route_display()}, {order.connection}", reverse("order", args=[order.pk]))


def _listing(listing: Listing) -> Hit:
    return Hit(listing.sku, listing.title or str(listing.connection), reverse("listing", args=[listing.pk]))


def _settlement(settlement: Settlement) -> Hit:
    return Hit(settlement.settlement_id, str(settlement.connection), reverse("settlement", args=[settlement.settlement_id]))
