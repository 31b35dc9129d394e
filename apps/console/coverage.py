"""Coverage of the mapping week by week: what had an account when it arrived and has one now, and what has none."""

from operator import attrgetter

from django.http import FileResponse, HttpRequest, HttpResponse

from apps.console.downloads import csv_file
from apps.console.pictures import Picture
from apps.console.screens import door, render_screen
from apps.console.shares import drawn, left_out
from apps.core.coverage import Week
from apps.core.permissions import READ_MONEY
from apps.settlements import coverage as covered

UNCOVERED_SHOWN = 20
SIDES = {"now": "Has an account now", "arrived": "Had one when it arrived"}
HEADERS = (
    "company", "connection", "marketplace", "currency", "week", "lines", "money", "lines with an account now",
    "money with an account now", "lines kept at arrival", "money kept at arrival", "lines with an account at arrival",
    "money with an account at arrival",
)  # fmt: skip


@door(READ_MONEY)
def coverage(request: HttpRequest) -> HttpResponse:
    """?side=arrived draws what had an account when it was read instead of what has one now."""
    mine = _mine(request)
    weeks = covered.trend(mine)
    side = request.GET.get("side", "")
    side = side if side in SIDES else "now"
    newest = max((week.monday for week in weeks), default=None)
    latest = [week for week in weeks if week.monday == newest]
    context = {
        "side": side,
        "sides": SIDES.items(),
        "picture": _drawn(request, weeks, side) if weeks else None,
        "hidden": left_out(weeks),
        "weeks": sorted(weeks, key=lambda week: (-week.monday.toordinal(), str(week.channel))),
        "least": min(latest, key=lambda week: week.now.of_money, default=None),
        "channels": len(latest),
        "several": request.companies.several,
        "uncovered": covered.uncovered(mine, UNCOVERED_SHOWN),
    }
    return render_screen(request, "coverage.html", context)


@door(READ_MONEY)
def coverage_file(request: HttpRequest) -> FileResponse:
    """The figures of the picture and its table, as CSV."""
    rows = []
    for week in covered.trend(_mine(request)):
        channel, now, then = week.channel, week.now, week.arrived
        shares = [now.count, now.money, now.mapped_count, now.mapped_money]
        shares += [then.count, then.money, then.mapped_count, then.mapped_money] if then else [""] * 4
        rows.append([channel.company, channel.connection, channel.marketplace, channel.currency, week.monday, *shares])
    return csv_file("coverage.csv", HEADERS, rows)


def _mine(request: HttpRequest) -> list[int]:
    return [pk for pk in request.companies.ids if request.user.may(READ_MONEY, pk)]


def _drawn(request: HttpRequest, weeks: list[Week], side: str) -> Picture:
    title = f"Share of money, by channel and week: {SIDES[side].lower()}"
    of_money = attrgetter("of_money")
    return drawn(weeks, attrgetter(side), of_money, title=title, several=request.companies.several)
