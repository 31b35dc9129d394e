"""Who did what, when and why. Entries are read here and changed nowhere."""

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
        "rows": [(entry, happening(entry, ZoneInfo(str(zone)))) for entry in shown],
        "subject": subject,
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "audit.html", context, partial="rows")
