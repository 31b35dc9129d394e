"""Journals ticked in the list, or one from its page: approve them, export them, each after a preview."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.console import words
from apps.console.deeds import Attempted, Deed, attempt, may_not, offer
from apps.console.screens import door, render_screen, show_in_zone
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import APPROVE_JOURNALS, EXPORT_JOURNALS
from apps.exceptions.forms import NoForm
from apps.exceptions.types import Plan
from apps.ledger.models import ExportBatch, Journal
from apps.settlements import approval, exports

DIGITS = 18  # of a journal's id at the most


@dataclass(frozen=True)
class Ticked:
    """Journals of one company that something is done to at once."""

    journals: list[Journal]

    @property
    def entity(self) -> Entity:
        return self.journals[0].entity

    @property
    def entity_id(self) -> int:
        return self.journals[0].entity_id

    def refresh_from_db(self) -> None:
        """Nothing: the verbs read the journals anew."""


class FormatForm(forms.Form):
    """Suggests the format that the company's last batch had."""

    format = forms.ChoiceField(label="Format", choices=ExportBatch.Format)

    def __init__(self, ticked: Ticked, actor: User, data: Any = None):
        super().__init__(data)
        last = ExportBatch.objects.filter(entity=ticked.entity_id).values_list("format", flat=True).first()
        self.fields["format"].initial = last or ExportBatch.Format.GENERIC


def _preview_approve(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> Plan:
    return approval.preview_approve(journals=ticked.journals, actor=actor)


def _approve(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> str:
    done = approval.approve(journals=ticked.journals, actor=actor)
    return f"Approved. {words.counted(len(done), 'journal')} can be exported now."


def _preview_export(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> Plan:
    return exports.preview_export(journals=ticked.journals, actor=actor, **cleaned)


def _export(ticked: Ticked, actor: User, cleaned: dict[str, Any]) -> str:
    batch = exports.export(journals=ticked.journals, actor=actor, **cleaned)
    return f"Exported as batch {batch.number}. Download its file here, now and at any time."


APPROVE = Deed(
    name="approve",
    label="Approve",
    permission=APPROVE_JOURNALS,
    form=NoForm,
    preview=_preview_approve,
    run=_approve,
    template="parts/ticked_plan.html",
)
EXPORT = Deed(
    name="export",
    label="Export",
    permission=EXPORT_JOURNALS,
    form=FormatForm,
    preview=_preview_export,
    run=_export,
    template="parts/ticked_plan.html",
)


@door(APPROVE_JOURNALS, methods=["GET", "POST"])
def approve(request: HttpRequest) -> HttpResponse:
    ticked, attempted = _attempt(request, APPROVE)
    if not attempted.done:
        return _show(request, ticked, attempted)
    return redirect("journal", pk=ticked.journals[0].pk) if len(ticked.journals) == 1 else redirect("journals")


@door(EXPORT_JOURNALS, methods=["GET", "POST"])
def export(request: HttpRequest) -> HttpResponse:
    ticked, attempted = _attempt(request, EXPORT)
    if not attempted.done:
        return _show(request, ticked, attempted)
    left = ExportBatch.objects.filter(journals__journal__in=ticked.journals, journals__live=True)
    return redirect("batch", pk=left.latest("pk").pk)


def _attempt(request: HttpRequest, deed: Deed) -> tuple[Ticked, Attempted]:
    """A GET shows the preview of what is ticked; a POST previews another form of it, or does it."""
    ticked = _ticked(request)
    show_in_zone(ticked.entity)
    if request.method != "POST":
        if refusal := may_not(deed, ticked, request.user):
            raise NotAllowed(refusal)
        return ticked, offer(deed, ticked, request.user)
    return ticked, attempt(deed, ticked, request)


def _ticked(request: HttpRequest) -> Ticked:
    asked = request.POST if request.method == "POST" else request.GET
    ids = set(asked.getlist("journal"))
    if not ids:
        raise Refused("No journal is ticked. Go back, tick some, and press the button again.", code="none-ticked")
    if not all(each.isdecimal() and len(each) <= DIGITS for each in ids):
        raise Http404("no such journal")
    visible = (
        Journal.objects.visible_to(request.user).filter(pk__in=ids).select_related("entity").order_by("period", "key")
    )
    if len(visible) < len(ids):
        raise Http404("no such journal")
    if len({journal.entity_id for journal in visible}) > 1:
        raise Refused("These journals are of several companies. Take one company at a time.", code="several-companies")
    return Ticked(list(visible))


def _show(request: HttpRequest, ticked: Ticked, attempted: Attempted) -> HttpResponse:
    status = attempted.status if request.method == "POST" else 200
    context = {"ticked": ticked, "attempted": attempted}
    return render_screen(request, "ticked.html", context, partial="preview", status=status)
