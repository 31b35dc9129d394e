"""Journals by month, and one journal: what each line is made of, its approval, the batch it left in, what corrects it."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.models import User
from apps.core.permissions import APPROVE_JOURNALS, EXPORT_JOURNALS, READ_MONEY
from apps.ledger.models import BatchJournal, Journal
from apps.settlements.journal_deeds import APPROVE, WITHDRAW, Ticked
from apps.settlements.models import JournalPart, SettlementJournal

State = Journal.State


@door(READ_MONEY)
def journals(request: HttpRequest) -> HttpResponse:
    state, month = request.GET.get("state", ""), request.GET.get("month", "")
    visible = request.companies.within(Journal.objects.visible_to(request.user))
    rows = visible.filter(state=state) if state in State.values else visible
    first = _month(month)
    if first:
        rows = rows.filter(period=first)
    rows = rows.filter(_after(request.GET.get("after", ""))).select_related(
        "entity", "approved_by", "of_settlement__version__settlement__connection"
    )
    shown, more = page_of(rows.order_by("-period", "key"), PAGE)
    pks = [journal.pk for journal in shown]
    sums = Journal.objects.filter(pk__in=pks).order_by()
    totals = dict(sums.values_list("pk").annotate(Sum("lines__debit")))
    batches = BatchJournal.objects.filter(journal__in=pks, live=True).select_related("batch").defer("batch__content")
    left = {link.journal_id: link.batch for link in batches}
    ticks = _ticks(request.user, shown)
    context: dict[str, Any] = {
        "rows": [
            (journal, totals.get(journal.pk) or 0, left.get(journal.pk), journal.pk in ticks) for journal in shown
        ],
        "ticks": {journal.state for journal in shown if journal.pk in ticks},
        "states": State.choices,
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
    found = _seen_by(request, pk)
    if found.state == State.DRAFT and found.lines_hash:
        ticked = Ticked([found])
        refusal = may_not(APPROVE, ticked, request.user)
        return _show(request, found, None if refusal else offer(APPROVE, ticked, request.user), may_not_words=refusal)
    takes_back = found.state == State.APPROVED and request.GET.get("do") == WITHDRAW.name
    if takes_back and not may_not(WITHDRAW, found, request.user):
        return _show(request, found, offer(WITHDRAW, found, request.user))
    return _show(request, found)


@door(APPROVE_JOURNALS, methods=["POST"])
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    attempted = attempt(WITHDRAW, found, request)
    if attempted.done:
        return redirect("journal", pk=pk)
    return _show(request, found, attempted, status=attempted.status)


def _seen_by(request: HttpRequest, pk: int) -> Journal:
    visible = Journal.objects.visible_to(request.user).select_related("entity", "corrects", "approved_by")
    found = get_object_or_404(visible, pk=pk)
    show_in_zone(found.entity)
    return found


def _show(
    request: HttpRequest,
    journal: Journal,
    attempted: Attempted | None = None,
    *,
    may_not_words: str = "",
    status: int = 200,
) -> HttpResponse:
    booked = SettlementJournal.objects.select_related("version__settlement__connection").get(journal=journal)
    parts: dict[int, list[JournalPart]] = defaultdict(list)
    made_of = JournalPart.objects.filter(journal_line__journal=journal).select_related("signature")
    for part in made_of.order_by(
        "signature__transaction_type", "signature__amount_type", "signature__amount_description", "leg"
    ):
        parts[part.journal_line_id].append(part)
    lines = [(line, parts[line.pk]) for line in journal.lines.select_related("account", "tax_code")]
    person, entity = request.user, journal.entity_id
    context = {
        "journal": journal,
        "booked": booked,
        "name": f"correction of {booked.month:%B %Y}" if journal.corrects_id else f"{journal.period:%B %Y} journal",
        "version": booked.version,
        "settlement": booked.version.settlement,
        "lines": lines,
        "debit": sum(line.debit for line, _ in lines),
        "credit": sum(line.credit for line, _ in lines),
        "missing": [line for line, _ in lines if line.account_id is None],
        "corrections": journal.corrections.order_by("key"),
        "batches": journal.batches.select_related("batch__made_by").defer("batch__content").order_by("batch__number"),
        "history": history(f"journal:{journal.pk}", journal.entity),
        "attempted": attempted,
        "may_not": may_not_words,
        "may_export": journal.state == State.APPROVED and person.may(EXPORT_JOURNALS, entity),
        "may_withdraw": journal.state == State.APPROVED and person.may(APPROVE_JOURNALS, entity),
    }
    return render_screen(request, "journal.html", context, partial="preview", status=status)


def _ticks(person: User, journals: list[Journal]) -> set[int]:
    """The journals of which something can be done here: drafts are approved, approved ones exported."""
    doing = {State.DRAFT: APPROVE_JOURNALS, State.APPROVED: EXPORT_JOURNALS}
    return {
        journal.pk
        for journal in journals
        if journal.lines_hash and journal.state in doing and person.may(doing[journal.state], journal.entity_id)
    }


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
