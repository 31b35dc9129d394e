"""Changes that take a second person: those that wait, one with its preview as it is now, and from which weight on."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.deeds import attempt, may_not, offer
from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import READ_AUDIT
from apps.core.refusals import who_can
from apps.exceptions.models import Case
from apps.exceptions.operations import PlanChanged
from apps.work import proposals
from apps.work.limits import SET_LIMITS, Limits
from apps.work.models import Proposal

VIEWS = {"waiting": "Waiting", "all": "All"}
CHANGES_SHOWN = 12


class DeclineForm(forms.Form):
    words = forms.CharField(label="Why not", max_length=600, widget=forms.Textarea({"rows": 3}))


@door(READ_AUDIT)
def approvals(request: HttpRequest) -> HttpResponse:
    """The newest first. ?show=all: also those that were decided or lapsed."""
    mine = request.companies.within(Proposal.objects.visible_to(request.user))
    show = request.GET.get("show", "")
    show = show if show in VIEWS else "waiting"
    rows = mine.waiting() if show == "waiting" else mine
    after = request.GET.get("after", "")
    if after.isdecimal():
        rows = rows.filter(pk__lt=int(after))
    shown, more = page_of(rows.select_related("entity", "asked_by", "decided_by").order_by("-pk"))
    context = {
        "rows": shown,
        "show": show,
        "views": VIEWS.items(),
        "yours": request.companies.within(Proposal.objects.for_second(request.user)).count(),
        "waiting": mine.waiting().count(),
        "limits": [Limits(entity) for entity in request.companies.shown],
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "approvals.html", context)


@door(READ_AUDIT)
def approval(request: HttpRequest, pk: int) -> HttpResponse:
    return _show(request, _seen_by(request, pk))


@door(READ_AUDIT, methods=["POST"])
def approval_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Approve what the page showed, decline it in words, or withdraw what one asked for."""
    found = _seen_by(request, pk)
    form = DeclineForm(request.POST if name == "decline" else None)
    try:
        if name == "approve":
            said = proposals.approve(proposal=found, actor=request.user, digest=request.POST.get("digest", ""))
        elif name == "decline":
            if not form.is_valid():
                return _show(request, found, form, status=UNPROCESSABLE)
            proposals.decline(proposal=found, words=form.cleaned_data["words"], actor=request.user)
            said = f"Declined. {found.asked_by.name} reads why on this page."
        elif name == "withdraw":
            proposals.withdraw(proposal=found, actor=request.user)
            said = "Withdrawn. Nothing was changed."
        else:
            raise Http404(f"nothing called {name}")
    except PlanChanged:
        return _show(request, found, changed=True, status=CONFLICT)
    except NotAllowed:
        raise
    except Refused as refused:
        found.refresh_from_db()
        return _show(request, found, fault=refused.words, status=UNPROCESSABLE)
    messages.success(request, said)
    return redirect("approval", pk=pk)


@door(READ_AUDIT, methods=["GET", "POST"])
def limits(request: HttpRequest, entity: int) -> HttpResponse:
    """From which weight on a company's changes take a second person, who set it, and setting it."""
    found = get_object_or_404(Entity, pk=entity, pk__in=request.user.entities_where(READ_AUDIT))
    show_in_zone(found)
    record, attempted = Limits(found), None
    if request.method == "POST":
        attempted = attempt(SET_LIMITS, record, request)
        if attempted.done:
            return redirect("limits", entity=entity)
    elif not may_not(SET_LIMITS, record, request.user):
        attempted = offer(SET_LIMITS, record, request.user)
    changes = AuditEntry.objects.about(f"entity:{entity}").filter(verb="entity.second-person")
    context = {
        "company": found,
        "limits": record,
        "attempted": attempted,
        "deed": SET_LIMITS,
        "may_not": may_not(SET_LIMITS, record, request.user),
        "action": request.path,
        "changes": changes.order_by("-pk")[:CHANGES_SHOWN],
    }
    status = attempted.status if attempted and request.method == "POST" else 200
    return render_screen(request, "limits.html", context, partial="preview", status=status)


def _seen_by(request: HttpRequest, pk: int) -> Proposal:
    mine = Proposal.objects.visible_to(request.user)
    found = get_object_or_404(mine.select_related("entity", "asked_by", "decided_by"), pk=pk)
    show_in_zone(found.entity)
    return found


def _show(
    request: HttpRequest,
    found: Proposal,
    form: forms.Form | None = None,
    *,
    changed: bool = False,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    review = proposals.review(found) if found.is_waiting else None
    may = request.user.may(found.needs, found.entity_id)
    context: dict[str, Any] = {
        "proposal": found,
        "review": review,
        "plan": review and review.plan,
        "case": review.record if review and isinstance(review.record, Case) else None,
        "filled": _filled(review.form) if review and review.form else [],
        "decides": may and request.user != found.asked_by and found.is_waiting,
        "others": who_can(found.needs, [found.entity_id]) if found.is_waiting else "",
        "decline": form or DeclineForm(),
        "changed": changed,
        "fault": fault,
    }
    return render_screen(request, "approval.html", context, status=status)


def _filled(form: forms.Form) -> list[tuple[str, str]]:
    """The form as it was filled in: (label, what was chosen), in words."""
    found = []
    for bound in form:
        value = bound.value()
        choices = {str(key): label for key, label in getattr(bound.field, "choices", ())}
        found.append((bound.label, str(choices.get(str(value), value)) if value not in (None, "") else "–"))
    return found
