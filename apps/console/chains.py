"""Reserve chains: every chain with its standing, and one chain link by link, to be confirmed, opened, mended or ended."""

from dataclasses import replace
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from apps.console.deeds import attempt, may_not, named, offer
from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.models import AuditEntry
from apps.core.permissions import READ_MONEY
from apps.settlements import chains as reserve
from apps.settlements.chain_deeds import CONFIRM, DEEDS, MOVE, OPENING
from apps.settlements.chain_rules import Link
from apps.settlements.chain_words import link_words
from apps.settlements.chains import RollForward
from apps.settlements.models import ReserveChain
from apps.work.deeds import Deed

MARKS = {Link.HOLDS: "ok", Link.BROKEN: "bad", Link.GAP: "transient", Link.OPENING: "wait"}
ENTRIES_SHOWN = 20


@door(READ_MONEY)
def chains(request: HttpRequest) -> HttpResponse:
    """One row a chain, by connection and currency; the heading is about those that do not hold."""
    mine = request.companies.within(ReserveChain.objects.visible_to(request.user), "connection__entity_id")
    after = request.GET.get("after", "")
    rows = mine.filter(pk__gt=int(after)) if after.isdecimal() else mine
    shown, more = page_of(rows.select_related("connection__entity", "confirmed_by").order_by("pk"))
    rolled = reserve.roll_forwards(shown, reserve.read({chain.entity_id for chain in shown}))
    listed = sorted((each for each in rolled if each.links), key=_by_place)
    context: dict[str, Any] = {
        "rows": listed,
        "stopped": sum(len(each.stopped) for each in listed),
        "unconfirmed": sum(each.chain.confirmed_at is None for each in listed),
        "next": str(shown[-1].pk) if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "chains.html", context)


@door(READ_MONEY, methods=["GET", "POST"])
def chain(request: HttpRequest, pk: int) -> HttpResponse:
    """One chain. With ?do= the deed of that name; without, the one that it waits for."""
    mine = ReserveChain.objects.visible_to(request.user)
    found = get_object_or_404(
        mine.select_related("connection__entity", "confirmed_by", "opening_by", "ended_by"), pk=pk
    )
    show_in_zone(found.entity)
    rolled = reserve.roll_forward(found)
    name = request.GET.get("do", _fitting(rolled).name)
    deed, here = named(DEEDS, name), reverse("chain", args=[pk])
    if request.method == "POST":
        attempted = attempt(deed, found, request)
        if attempted.done:
            return redirect(here if mine.filter(pk=pk).exists() else "chains")
    else:
        attempted = None if may_not(deed, found, request.user) else offer(_aimed(deed, request), found, request.user)
    context = {
        "chain": found,
        "rolled": rolled,
        "rows": [
            (settled, linked, MARKS[linked.link], link_words(linked, found.currency)) for settled, linked in rolled.rows
        ],
        "finding": _finding(rolled),
        "entries": AuditEntry.objects.about(f"chain:{pk}").order_by("-pk")[:ENTRIES_SHOWN],
        "deed": deed,
        "attempted": attempted,
        "may_not": may_not(deed, found, request.user),
        "action": f"{here}?do={name}",
        "others": [(other.name, other.label) for other in DEEDS.values() if other != deed],
    }
    status = attempted.status if attempted and request.method == "POST" else 200
    return render_screen(request, "chain.html", context, partial="preview", status=status)


def _by_place(rolled: RollForward) -> tuple:
    chain = rolled.chain
    return chain.entity.name, chain.connection.name, chain.currency, chain.name


def _fitting(rolled: RollForward) -> Deed:
    """What the chain waits for first: its opening, a settlement in the wrong place, or to be confirmed."""
    if rolled.links and rolled.first.link == Link.OPENING:
        return OPENING
    return CONFIRM if rolled.proposed or not rolled.links else MOVE


def _aimed(deed: Deed, request: HttpRequest) -> Deed:
    """Moving begins with the settlement that the address names."""
    if deed != MOVE:
        return deed
    return replace(deed, form=partial(deed.form, settlement=request.GET.get("settlement", "")))


def _finding(rolled: RollForward) -> str:
    """What the chain comes to, or the first link of it that does not hold."""
    if not rolled.links:
        return f"No settlement is in the chain {rolled.chain.name}"
    if rolled.stopped:
        first, others = rolled.stopped[0], len(rolled.stopped) - 1
        said = link_words(first, rolled.chain.currency).removeprefix("It ")
        more = f", and {others} more do{'es' if others == 1 else ''} not hold" if others else ""
        return f"Settlement {first.payout.id} {said[0].lower()}{said[1:]}{more}"
    if rolled.first.link == Link.OPENING:
        return f"The chain {rolled.chain.name} waits for its opening reserve"
    return f"The chain {rolled.chain.name} holds, settlement after settlement"
