"""Journals by month, and one journal with what each of its lines is made of."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.permissions import READ_MONEY
from apps.ledger.models import Journal
from apps.settlements.models import JournalPart, SettlementJournal


@door(READ_MONEY)
def journals(request: HttpRequest) -> HttpResponse:
    state, month = request.GET.get("state", ""), request.GET.get("month", "")
    visible = request.companies.within(Journal.objects.visible_to(request.user))
    rows = visible.filter(state=state) if state in Journal.State.values else visible
    first = _month(month)
    if first:
        rows = rows.filter(period=first)
    rows = rows.filter(_after(request.GET.get("after", ""))).select_related(
        "entity", "of_settlement__version__settlement__connection"
    )
    shown, more = page_of(rows.order_by("-period", "key"), PAGE)
    sums = Journal.objects.filter(pk__in=[journal.pk for journal in shown]).order_by()
    totals = dict(sums.values_list("pk").annotate(Sum("lines__debit")))
    context: dict[str, Any] = {
        "rows": [(journal, totals.get(journal.pk) or 0) for journal in shown],
        "states": Journal.State.choices,
        "state": state,
        "month": month if first else "",
        "months": visible.order_by("-period").values_list("period", flat=True).distinct()[:36],
        "next": f"{shown[-1].period:%Y-%m-%d}~{shown[-1].key}" if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "journals.html", context, partial="rows")


@door(READ_MONEY)
def journal(request: HttpRequest, pk: int) -> HttpResponse:
    visible = Journal.objects.visible_to(request.user).select_related("entity")
    found = get_object_or_404(visible, pk=pk)
    show_in_zone(found.entity)
    booked = SettlementJournal.objects.select_related("version__settlement__connection").get(journal=found)
    parts: dict[int, list[JournalPart]] = defaultdict(list)
    made_of = JournalPart.objects.filter(journal_line__journal=found).select_related("signature")
    for part in made_of.order_by(
        "signature__transaction_type", "signature__amount_type", "signature__amount_description", "leg"
    ):
        parts[part.journal_line_id].append(part)
    lines = [(line, parts[line.pk]) for line in found.lines.select_related("account", "tax_code")]
    context = {
        "journal": found,
        "version": booked.version,
        "settlement": booked.version.settlement,
        "lines": lines,
        "debit": sum(line.debit for line, _ in lines),
        "credit": sum(line.credit for line, _ in lines),
        "missing": [line for line, _ in lines if line.account_id is None],
    }
    return render_screen(request, "journal.html", context)


def _month(text: str) -> Any:
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        return None


def _after(cursor: str) -> Q:
    """The journals behind "period~key"; all of them for a cursor that is none of ours."""
    day, _, key = cursor.partition("~")
    try:
        period = datetime.strptime(day, "%Y-%m-%d").date()
    except ValueError:
        return Q()
    return Q(period__lt=period) | Q(period=period, key__gt=key)
