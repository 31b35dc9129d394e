"""When many openings are one message, and how their trend is told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.work.alerts.rules import ALL, Policy

WINDOW = timedelta(hours=1)
USUAL_OVER = timedelta(weeks=4)
HOURS = USUAL_OVER // timedelta(hours=1)
DAYS_NAMED = timedelta(days=6)  # before that a weekday says which


@dataclass(frozen=True, kw_only=True)
class Tide:
    """Types whose flood begins now, and those whose flood is over."""

    begins: frozenset[str] = frozenset()
    calms: frozenset[str] = frozenset()


def limit(kind: str, usual: int, policy: Policy) -> int:
    """How many may open within an hour; `usual` is how many did in the four weeks before."""
    least = policy.flood_team if kind == ALL else policy.flood_least
    return max(usual * policy.flood_factor // HOURS, least)


def tide(
    opened: Mapping[str, int], usual: Mapping[str, int], on: Mapping[str, datetime], policy: Policy, now: datetime
) -> Tide:
    """`opened` within the last hour and `usual`, by type; `on`: the floods that are on, with when they began.

    A flood lasts an hour at least, and until no more than half of what began it opens: it does not flicker at the limit.
    What has no flood of its own counts towards that of all types, and while that is on, no type begins another.
    """
    begins = set()
    if ALL not in on:
        begins = {kind for kind, count in opened.items() if kind not in on and count > limit(kind, usual.get(kind, 0), policy)}
    alone = opened.keys() - on.keys() - begins
    counts = {**opened, ALL: sum(opened[kind] for kind in alone)}
    usuals = {**usual, ALL: sum(usual.get(kind, 0) for kind in alone)}
    if ALL not in on and counts[ALL] > limit(ALL, usuals[ALL], policy):
        begins.add(ALL)
    calms = {
        kind
        for kind, since in on.items()
        if now >= since + WINDOW and counts.get(kind, 0) * 2 <= limit(kind, usuals.get(kind, 0), policy)
    }
    return Tide(begins=frozenset(begins), calms=frozenset(calms))


def trend(*, title: str, usual: int, since: datetime, count: int, now: datetime, zone: ZoneInfo) -> str:
    """Fee has no account: 3 a week until Tuesday 09:12, 41 since. `usual` in the four weeks before."""
    weekly, rest = divmod(usual, 4)
    if not usual:
        before = "none in four weeks"
    elif weekly and (not rest or weekly > 3):
        before = f"{weekly:,} a week"
    else:
        before = f"{usual} in four weeks"
    return f"{title}: {before} until {moment(since, now, zone)}, {count:,} since"


def moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """today 09:12, tomorrow 09:12, Tuesday 09:12, 3 Nov 09:12"""
    at, now = at.astimezone(zone), now.astimezone(zone)
    away = at.date() - now.date()
    named = {timedelta(0): "today", timedelta(days=1): "tomorrow", timedelta(days=-1): "yesterday"}
    if away in named:
        return f"{named[away]} {at:%H:%M}"
    return f"{at:%A %H:%M}" if abs(away) <= DAYS_NAMED else f"{at.day} {at:%b %H:%M}"


def onset(openings: Sequence[datetime], usual: int, zone: ZoneInfo) -> datetime:
    """When it began to be more: the first opening on the first day with more than a usual week's. `openings` is not empty."""
    days: dict[date, list[datetime]] = {}
    for at in sorted(openings):
        days.setdefault(at.astimezone(zone).date(), []).append(at)
    busy = (instants[0] for instants in days.values() if len(instants) > max(usual / 4, 1))
    return next(busy, min(openings))
