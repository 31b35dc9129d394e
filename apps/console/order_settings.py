"""How a company works its orders: how long it keeps buyers, and when an order counts as late."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console import words
from apps.console.close import Subject
from apps.console.deeds import attempt, may_not, offer
from apps.console.screens import PAGE, door, render_screen, show_in_zone
from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import KEEP_ORDER_SETTINGS, READ_ORDERS
from apps.exceptions.types import Plan, digest
from apps.orders import buyers
from apps.orders.operations import LONGEST_KEPT, LONGEST_WARNING, set_order_settings, settings_of
from apps.work.deeds import Deed


class SettingsForm(forms.Form):
    purge_after = forms.IntegerField(label="Days that buyers are kept after delivery", min_value=1, max_value=LONGEST_KEPT)
    warn_before = forms.IntegerField(label="Hours of warning before a ship-by", min_value=1, max_value=LONGEST_WARNING)
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, subject: Subject, actor: User, data: Any = None):
        now = settings_of(subject.entity)
        super().__init__(data, initial={"purge_after": now.purge_after, "warn_before": now.warn_before})


def _preview(subject: Subject, actor: User, cleaned: dict[str, Any]) -> Plan:
    now, days, hours = settings_of(subject.entity), cleaned["purge_after"], cleaned["warn_before"]
    if (now.purge_after, now.warn_before) == (days, hours):
        raise Refused("That is how it is set. Change a figure and its effect is shown here.")
    due = buyers.due(subject.entity, days)
    return Plan(
        effect="Save the settings",
        says="Purged buyers do not come back. Orders and journals stay whole.",
        digest=digest(now.purge_after, now.warn_before, days, hours, due),
        detail={
            "buyers": f"{words.counted(days, 'day')} after delivery instead of {now.purge_after}",
            "at the next purge": f"{words.counted(due, 'buyer')} of orders delivered longer ago {'goes' if due == 1 else 'go'}",
            "late orders": f"{words.counted(hours, 'hour')} before the ship-by instead of {now.warn_before}",
        },
    )


def _run(subject: Subject, actor: User, cleaned: dict[str, Any]) -> str:
    settings = set_order_settings(entity=subject.entity, actor=actor, **cleaned)
    return f"Saved. Buyers are kept {words.counted(settings.purge_after, 'day')} after delivery."


SETTINGS = Deed(
    name="settings",
    label="Change the settings",
    permission=KEEP_ORDER_SETTINGS,
    form=SettingsForm,
    preview=_preview,
    run=_run,
    clears=("order.held", "order.late-ship"),
)


@door(READ_ORDERS, methods=["GET", "POST"])
def order_settings(request: HttpRequest, entity: int) -> HttpResponse:
    mine = Entity.objects.filter(pk__in=request.user.entities_where(READ_ORDERS))
    subject = Subject(get_object_or_404(mine, pk=entity))
    show_in_zone(subject.entity)
    if request.method == "POST":
        attempted = attempt(SETTINGS, subject, request)
        if attempted.done:
            return redirect("order_settings", entity=entity)
    else:
        attempted = None if may_not(SETTINGS, subject, request.user) else offer(SETTINGS, subject, request.user)
    about = AuditEntry.objects.about(f"entity:{entity}")
    context = {
        "company": subject.entity,
        "settings": settings_of(subject.entity),
        "attempted": attempted,
        "action": request.path,
        "may_not": may_not(SETTINGS, subject, request.user),
        "history": about.filter(verb__in=["orders.settings", "buyers.purged"])[:PAGE],
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "order_settings.html", context, partial="preview", status=status)
