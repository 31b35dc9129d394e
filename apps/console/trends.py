"""Trends: exceptions opened and ended, what healed by itself, and the money at stake by team; pictures, tables, CSV."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone

from apps.console import words
from apps.console.downloads import csv_file
from apps.console.pictures import Picture, Series, picture
from apps.console.screens import door, render_screen
from apps.core import money
from apps.core.permissions import Team
from apps.exceptions.types import REGISTRY
from apps.work.flow import Flow, Flows, flows
from apps.work.periods import PERIODS, Period, Queue
from apps.work.stakes import Stakes, at_stake

LINES = {
    "Opened": lambda flow: flow.opened,
    "Fixed by a person": lambda flow: flow.fixed,
    "Healed by itself": lambda flow: flow.healed,
    "Dismissed": lambda flow: flow.dismissed,
}


class Asked:
    """What the address asks for, of what the person may read: a period, one team or all, one type of exception or all."""

    def __init__(self, request: HttpRequest):
        seen = request.user.teams_seen_in()
        readable = [(entity, team) for entity in request.companies.shown for team in Team if team in seen[entity.pk]]
        self.teams = [team for team in Team if any(team == other for _, other in readable)]
        self.team = request.GET.get("team", "") if request.GET.get("team") in self.teams else ""
        self.kind = request.GET.get("type", "") if request.GET.get("type") in REGISTRY else ""
        self.period: Period = PERIODS.get(request.GET.get("weeks", ""), PERIODS["4"])
        self.queues: list[Queue] = [(entity, team) for entity, team in readable if self.team in ("", team)]
        self.now: datetime = timezone.now()

    def params(self) -> dict[str, str]:
        return {"weeks": self.period.name, "team": self.team, "type": self.kind}

    def flows(self) -> Flows:
        return flows(self.queues, self.period, self.now, self.kind)

    def stakes(self) -> list[Stakes]:
        return at_stake(self.queues, self.period, self.now, self.kind)


@door()
def trends(request: HttpRequest) -> HttpResponse:
    """?weeks=4|13|52&team=&type="""
    asked = Asked(request)
    found, stakes = asked.flows(), asked.stakes()
    context: dict[str, Any] = {
        "asked": asked,
        "periods": PERIODS.values(),
        "types": sorted(REGISTRY.values(), key=lambda kind: kind.title),
        "query": urlencode(asked.params()),
        "whole": found.whole,
        "half": {name: words.span(took) for name, took in _medians(found.whole) if took is not None},
        "finding": finding(found.whole, f"in the last {asked.period.title}"),
        "flow": _flow_drawn(found, asked.period) if found.by_cut else None,
        "cuts": list(reversed(found.by_cut.items())),
        "stakes": [(each, _stakes_drawn(each, asked.period), _newest_first(each)) for each in stakes],
    }
    return render_screen(request, "trends.html", context)


@door()
def flow_file(request: HttpRequest) -> FileResponse:
    """The figures of the picture of what was opened and ended, the oldest first."""
    asked = Asked(request)
    rows = [
        (first, flow.opened, flow.came_back, flow.fixed, flow.healed, flow.dismissed)
        for first, flow in asked.flows().by_cut.items()
    ]
    return csv_file("exceptions.csv", (asked.period.unit, "opened", "came back", "fixed", "healed", "dismissed"), rows)


@door()
def stakes_file(request: HttpRequest) -> FileResponse:
    """The figures of the pictures of the money at stake, the oldest first."""
    asked = Asked(request)
    rows = [
        (first, team.value, each.currency, money.round_half_up(stake, each.currency))
        for each in asked.stakes()
        for team, ends in each.teams.items()
        for first, stake in ends.items()
    ]
    return csv_file("at-stake.csv", (f"end of {asked.period.unit}", "team", "currency", "at stake"), rows)


def finding(flow: Flow, when: str) -> str:
    """63 % of 214 exceptions that ended in the last 4 weeks healed without anybody."""
    ended = words.counted(flow.ended, "exception")
    if flow.ended:
        return f"{flow.share_healed} % of {ended} that ended {when} healed without anybody"
    if flow.opened:
        return f"{words.counted(flow.opened, 'exception')} opened {when}, and none ended"
    return f"No exception opened or ended {when}"


def _flow_drawn(found: Flows, period: Period) -> Picture:
    whole = found.whole
    return picture(
        title=f"Exceptions opened and ended, by {period.unit}",
        says=f"{whole.opened:,} opened, {whole.fixed:,} fixed by a person, {whole.healed:,} healed by themselves and "
        f"{whole.dismissed:,} dismissed in the last {period.title}.",
        labels=_labels(found.by_cut),
        series=[
            Series(name=name, values=[Decimal(count(flow)) for flow in found.by_cut.values()])
            for name, count in LINES.items()
        ],
    )


def _stakes_drawn(stakes: Stakes, period: Period) -> Picture:
    said = [f"{team.label} {money.words(stake, stakes.currency)}" for team, stake in stakes.now.items()]
    return picture(
        title=f"Money at stake in {stakes.currency}, by team and {period.unit}",
        says=f"Now {words.listed(said)}.",
        labels=_labels(next(iter(stakes.teams.values()))),
        series=[Series(name=team.label, values=list(ends.values())) for team, ends in stakes.teams.items()],
        figure=lambda amount: money.words(amount, stakes.currency),
    )


def _medians(flow: Flow) -> list[tuple[str, timedelta | None]]:
    return [("fixed", flow.median_fixed), ("healed", flow.median_healed)]


def _newest_first(stakes: Stakes) -> list[tuple[date, list[tuple[Team, Decimal]]]]:
    """(day, what was at stake with each team)."""
    days = reversed(next(iter(stakes.teams.values())))
    return [(first, [(team, ends[first]) for team, ends in stakes.teams.items()]) for first in days]


def _labels(cuts: Iterable[date]) -> list[str]:
    return [f"{first.day} {first:%b}" for first in cuts]
