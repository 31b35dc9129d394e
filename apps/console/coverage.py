"""Coverage of the mapping week by week: what had an account when it arrived and has one now, and what has none."""

from decimal import Decimal

from django.http import FileResponse, HttpRequest, HttpResponse

from apps.console.downloads import csv_file
from apps.console.pictures import Picture, Series, picture
from apps.console.screens import door, render_screen
from apps.core.permissions import READ_MONEY
from apps.settlements import coverage as covered
from apps.settlements.coverage import Week

CHANNELS_SHOWN = 6  # lines that can be told apart; the table has all
UNCOVERED_SHOWN = 20
SIDES = {"now": "Has an account now", "arrived": "Had one when it arrived"}
HEADERS = (
    "connection", "marketplace", "currency", "week", "lines", "money", "lines with an account now", "money with an account now",
    "lines kept at arrival", "money kept at arrival", "lines with an account at arrival", "money with an account at arrival",
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
        "picture": _drawn(weeks, side) if weeks else None,
        "hidden": max(0, len(covered.by_channel(weeks)) - CHANNELS_SHOWN),
        "weeks": sorted(weeks, key=lambda week: (-week.monday.toordinal(), str(week.channel))),
        "least": min(latest, key=lambda week: week.now.of_money, default=None),
        "channels": len(latest),
        "uncovered": covered.uncovered(mine, UNCOVERED_SHOWN),
    }
    return render_screen(request, "coverage.html", context)


@door(READ_MONEY)
def coverage_file(request: HttpRequest) -> FileResponse:
    """The figures of the picture and its table, as CSV."""
    rows = []
    for week in covered.trend(_mine(request)):
        channel, now, then = week.channel, week.now, week.arrived
        shares = [now.lines, now.money, now.mapped_lines, now.mapped_money]
        shares += [then.lines, then.money, then.mapped_lines, then.mapped_money] if then else [""] * 4
        rows.append([channel.connection, channel.marketplace, channel.currency, week.monday, *shares])
    return csv_file("coverage.csv", HEADERS, rows)


def _mine(request: HttpRequest) -> list[int]:
    return [pk for pk in request.companies.ids if request.user.may(READ_MONEY, pk)]


def _drawn(weeks: list[Week], side: str) -> Picture:
    """The share of money of the channels with the most of it."""
    days = covered.mondays(weeks)
    channels = sorted(
        covered.by_channel(weeks), key=lambda each: (-sum(week.now.lines for week in each[1].values()), str(each[0]))
    )[:CHANNELS_SHOWN]
    series = []
    for channel, found in channels:
        shares = [getattr(found[day], side) if day in found else None for day in days]
        series.append(Series(name=str(channel), values=[share and share.of_money for share in shares]))
    newest = [f"{each.name} {each.values[-1]} %" for each in series if each.values[-1] is not None]
    return picture(
        title=f"Share of money, by channel and week: {SIDES[side].lower()}",
        says=f"From {days[0]:%d.%m.%Y} to the week of {days[-1]:%d.%m.%Y}, with {'; '.join(newest) or 'nothing kept'}.",
        labels=[f"{day.day} {day:%b}" for day in days],
        series=series,
        top=Decimal(100),
        figure="{:.0f} %".format,
    )
