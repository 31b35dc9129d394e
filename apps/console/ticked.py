"""Journals ticked in the list, or one from its page: approve them, export them, each after a preview."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.screens import door, render_screen, show_in_zone
from apps.core.errors import NotAllowed, Refused
from apps.core.permissions import APPROVE_JOURNALS, EXPORT_JOURNALS
from apps.ledger.models import ExportBatch, Journal
from apps.settlements.journal_deeds import APPROVE, EXPORT, Ticked, ticked
from apps.work.deeds import Deed

DIGITS = 18  # of a journal's id at the most


@door(APPROVE_JOURNALS, methods=["GET", "POST"])
def approve(request: HttpRequest) -> HttpResponse:
    chosen, attempted = _attempt(request, APPROVE)
    if not attempted.done:
        return _show(request, chosen, attempted)
    return redirect("journal", pk=chosen.journals[0].pk) if len(chosen.journals) == 1 else redirect("journals")


@door(EXPORT_JOURNALS, methods=["GET", "POST"])
def export(request: HttpRequest) -> HttpResponse:
    chosen, attempted = _attempt(request, EXPORT)
    if not attempted.done:
        return _show(request, chosen, attempted)
    left = ExportBatch.objects.filter(journals__journal__in=chosen.journals, journals__live=True)
    return redirect("batch", pk=left.latest("pk").pk)


def _attempt(request: HttpRequest, deed: Deed) -> tuple[Ticked, Attempted]:
    """A GET shows the preview of what is ticked; a POST previews another form of it, or does it."""
    chosen = _ticked(request)
    show_in_zone(chosen.entity)
    if request.method != "POST":
        if refusal := may_not(deed, chosen, request.user):
            raise NotAllowed(refusal)
        return chosen, offer(deed, chosen, request.user)
    return chosen, attempt(deed, chosen, request)


def _ticked(request: HttpRequest) -> Ticked:
    asked = request.POST if request.method == "POST" else request.GET
    ids = set(asked.getlist("journal"))
    if not ids:
        raise Refused("No journal is ticked. Go back, tick some, and press the button again.", code="none-ticked")
    if not all(each.isdecimal() and len(each) <= DIGITS for each in ids):
        raise Http404("no such journal")
    try:
        return ticked(map(int, ids), request.user)
    except Journal.DoesNotExist as error:
        raise Http404("no such journal") from error


def _show(request: HttpRequest, chosen: Ticked, attempted: Attempted) -> HttpResponse:
    status = attempted.status if request.method == "POST" else 200
    context = {"ticked": chosen, "attempted": attempted}
    return render_screen(request, "ticked.html", context, partial="preview", status=status)
