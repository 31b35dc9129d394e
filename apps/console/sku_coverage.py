"""Coverage of SKUs week by week: what share of the units sold had an item when it came in, which channel falls, and why."""

from datetime import timedelta
from operator import attrgetter

from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone

from apps.console.downloads import csv_file
from apps.console.screens import door, render_screen
from apps.console.shares import drawn, left_out
from apps.core.coverage import falls, newest_telling
from apps.core.permissions import READ_MONEY, READ_ORDERS
from apps.orders import coverage as covered
from apps.orders.coverage import ARRIVED, MONEY, NOW, UNITS

LISTINGS_SHOWN = 30
SIDES = {ARRIVED: "Had an item when they came in", NOW: "Have an item now"}
MEASURES = {UNITS: "By units", MONEY: "By money"}
PERCENT = {UNITS: attrgetter("of_count"), MONEY: attrgetter("of_money")}
HEADERS = (
    "company", "connection", "marketplace", "ships", "currency", "week", "units", "money", "units without a price",
    "units with an item now", "money with an item now", "units kept at arrival", "money kept at arrival",
    "units with an item at arrival", "money with an item at arrival",
)  # fmt: skip


@door(READ_ORDERS)
def sku_coverage(request: HttpRequest) -> HttpResponse:
    """?side=now is of today's mappings instead of those of then; ?by=money counts it; ?channel= names one for the listings."""
    mine = _mine(request)
    weeks = covered.trend(mine)
    side, by = _chosen(request, "side", SIDES), _chosen(request, "by", MEASURES)
    context = {"side": side, "by": by, "sides": SIDES.items(), "measures": MEASURES.items(), "weeks": []}
    if weeks:
        several, share, percent = request.companies.several, attrgetter(side), PERCENT[by]
        today = timezone.localdate()
        monday = newest_telling(weeks, today)
        channel = next((week.channel for week in weeks if week.channel.code == request.GET.get("channel", "")), None)
        known = [week for week in weeks if week.monday == monday and share(week)]
        least = min(known, key=lambda week: percent(share(week)), default=None)
        title = f"Share of {by} by channel and week: {SIDES[side].lower()}"
        context |= {
            "weeks": sorted(weeks, key=lambda week: (-week.monday.toordinal(), str(week.channel))),
            "monday": monday,
            "goes_on": today < monday + timedelta(days=7),
            "falls": falls(weeks, monday, share, percent),
            "least": least and (least.channel, percent(share(least))),
            "channels": len(known),
            "picture": drawn(weeks, share, percent, title=title, several=several),
            "hidden": left_out(weeks),
            "channel": channel,
            "lacking": covered.lacking(mine, monday, side=side, by=by, channel=channel, most=LISTINGS_SHOWN),
            "most": LISTINGS_SHOWN,
            "several": several,
            "reads_money": request.user.may_anywhere(READ_MONEY),
        }
    return render_screen(request, "sku_coverage.html", context)


@door(READ_ORDERS)
def sku_coverage_file(request: HttpRequest) -> FileResponse:
    """The figures of the picture and its table, as CSV."""
    rows = []
    for week in covered.trend(_mine(request)):
        channel, now, then = week.channel, week.now, week.arrived
        row = [channel.company, channel.connection, channel.place, channel.ships, channel.currency, week.monday]
        row += [now.count, now.money, week.unpriced, now.mapped_count, now.mapped_money]
        row += [then.count, then.money, then.mapped_count, then.mapped_money] if then else [""] * 4
        rows.append(row)
    return csv_file("sku-coverage.csv", HEADERS, rows)


def _mine(request: HttpRequest) -> list[int]:
    return [pk for pk in request.companies.ids if request.user.may(READ_ORDERS, pk)]


def _chosen(request: HttpRequest, name: str, choices: dict[str, str]) -> str:
    """The first one, where nothing that is there is asked for."""
    asked = request.GET.get(name, "")
    return asked if asked in choices else next(iter(choices))
