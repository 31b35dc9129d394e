"""Who did what, when and why. Entries are read here and changed nowhere."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.console.screens import PAGE, door, page_of, query_without, render_screen
from apps.console.timeline import happening
from apps.core.models import AuditEntry
from apps.core.permissions import READ_AUDIT


@door(READ_AUDIT)
def audit(request: HttpRequest) -> HttpResponse:
    subject = request.GET.get("subject", "").strip()
    rows = request.companies.within(AuditEntry.objects.visible_to(request.user)).select_related("entity")
    if subject:
        rows = rows.about(subject)
    before = request.GET.get("after", "")
    if before.isdecimal():
        rows = rows.filter(pk__lt=int(before))
    shown, more = page_of(rows.order_by("-pk"), PAGE)
    zone = timezone.get_current_timezone()
    context = {
        "rows": [(entry, happening(entry, ZoneInfo(str(zone))), changes(entry)) for entry in shown],
        "subject": subject,
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "audit.html", context, partial="rows")


def changes(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    """What differs: (what it is, before, after), None where a side says nothing of it."""
    names = dict.fromkeys([*entry.before, *entry.after])
    sides = ((name, entry.before.get(name), entry.after.get(name)) for name in names)
    return [(_read(name), before, after) for name, before, after in sides if before != after]


def _read(name: str) -> str:
    """blocked_payouts as people read it: Blocked payouts."""
    return f"{name[:1].upper()}{name[1:]}".replace("_", " ").replace("-", " ")
