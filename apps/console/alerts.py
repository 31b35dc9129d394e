"""Alerts: what each team was told, what was silenced and why; one of them whole."""

from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.core.models import User
from apps.core.permissions import KEEP_ALERTS, READ_ALERTS
from apps.exceptions.models import Case
from apps.work.alerts.composing import title_of
from apps.work.alerts.models import Alert, AlertCase, Channel
from apps.work.alerts.sending import to_words

VIEWS = {
    "all": ("All", {}),
    "sent": ("Sent", {"state": Alert.State.SENT}),
    "silenced": ("Silenced", {"state": Alert.State.SILENCED}),
    "waiting": ("Waiting", {"state": Alert.State.WAITING}),
    "failed": ("Failed", {"state": Alert.State.FAILED}),
}
CASES_SHOWN = 50


@door(READ_ALERTS)
def alerts(request: HttpRequest) -> HttpResponse:
    """The newest first."""
    view = request.GET.get("view", "all")
    view = view if view in VIEWS else "all"
    mine = request.companies.within(Alert.objects.visible_to(request.user), "channel__entity_id")
    counted = AlertCase.objects.filter(alert=OuterRef("pk")).order_by().values("alert")
    rows = mine.filter(**VIEWS[view][1]).select_related("channel__entity", "person", "job").order_by("-pk")
    rows = rows.annotate(
        cases=Subquery(counted.annotate(n=Count("case", distinct=True)).values("n")),
        case=Subquery(AlertCase.objects.filter(alert=OuterRef("pk")).order_by("case").values("case")[:1]),
    )
    after = request.GET.get("after", "")
    shown, more = page_of(rows.filter(pk__lt=int(after)) if after.isdecimal() else rows, PAGE)
    channels = request.companies.within(Channel.objects.visible_to(request.user))
    context = {
        "rows": [(row, to_words(row)) for row in shown],
        "view": view,
        "views": [(name, label) for name, (label, _) in VIEWS.items()],
        "faults": list(channels.exclude(fault="").select_related("entity")),
        "channels": channels.count(),
        "may_keep": request.user.may_anywhere(KEEP_ALERTS),
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "alerts.html", context)


@door(READ_ALERTS)
def alert(request: HttpRequest, pk: int) -> HttpResponse:
    mine = Alert.objects.visible_to(request.user).select_related("channel__entity", "person", "job")
    found = get_object_or_404(mine, pk=pk)
    show_in_zone(found.channel.entity)
    cases = Case.objects.filter(pk__in=AlertCase.objects.filter(alert=found).values("case"))
    context: dict[str, Any] = {
        "alert": found,
        "to": to_words(found),
        "title": title_of(found.type) if found.type else "",
        "cases": list(cases.by_rank()[:CASES_SHOWN]),
        "count": cases.count(),
        "attempts": list(found.job.attempts.all()) if found.job else [],
    }
    return render_screen(request, "alert.html", context)


def faulty_channels(user: User) -> Any:
    """Those that nothing gets through, of what the person may mend."""
    if not user.may_anywhere(KEEP_ALERTS):
        return Channel.objects.none()
    return Channel.objects.visible_to(user).exclude(fault="")
