"""Coverage: what part of the records that came is mapped, by channel and week. Pure; each domain says what it counts."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

WEEKS = 26
TENTH = Decimal("0.1")
BEFORE = 4  # weeks that a week is held against
TELLING = 3  # days


@dataclass(frozen=True)
class Share:
    """How many of something and their money, and the part of both that is mapped."""

    count: int
    money: Decimal
    mapped_count: int
    mapped_money: Decimal

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.count + other.count,
            self.money + other.money,
            self.mapped_count + other.mapped_count,
            self.mapped_money + other.mapped_money,
        )

    @property
    def of_count(self) -> Decimal:
        return _percent(Decimal(self.mapped_count), Decimal(self.count))

    @property
    def of_money(self) -> Decimal:
        return _percent(self.mapped_money, self.money)


@dataclass(frozen=True, kw_only=True)
class Week:
    """`channel` is of the domain, its str names it. `arrived` None: nobody kept what was mapped then. It may be of fewer
    records than `now`, where some was not kept.
    """

    channel: Hashable
    monday: date
    now: Share
    arrived: Share | None


@dataclass(frozen=True, kw_only=True)
class Fall:
    """A channel whose share of a week is below that of the weeks before, in percent."""

    channel: Hashable
    share: Decimal
    before: Decimal

    @property
    def points(self) -> Decimal:
        return self.before - self.share


def mondays(weeks: Sequence[Week]) -> list[date]:
    """All Mondays from the first to the last, also those of weeks without records."""
    if not weeks:
        return []
    first, last = min(week.monday for week in weeks), max(week.monday for week in weeks)
    return [first + timedelta(days=ahead) for ahead in range(0, (last - first).days + 1, 7)]


def by_channel(weeks: Sequence[Week]) -> list[tuple[Hashable, dict[date, Week]]]:
    """Each channel's weeks, in the order of the trend."""
    found: dict[Hashable, dict[date, Week]] = defaultdict(dict)
    for week in weeks:
        found[week.channel][week.monday] = week
    return list(found.items())


def newest_telling(weeks: Sequence[Week], today: date) -> date:
    """The Monday of the newest week with TELLING days behind it: one that has just begun says little. Else of the newest."""
    known = {week.monday for week in weeks}
    return max((monday for monday in known if monday + timedelta(days=TELLING) <= today), default=max(known))


def falls(
    weeks: Sequence[Week], monday: date, share: Callable[[Week], Share | None], percent: Callable[[Share], Decimal]
) -> list[Fall]:
    """The channels whose share in the week of `monday` is below that of the weeks just before it, the deepest first."""
    found = []
    for channel, its in by_channel(weeks):
        earlier = [monday - timedelta(weeks=back) for back in range(1, BEFORE + 1)]
        then = [kept for day in earlier if day in its and (kept := share(its[day]))]
        present = share(its[monday]) if monday in its else None
        if present and then and percent(present) < (before := percent(sum(then[1:], then[0]))):
            found.append(Fall(channel=channel, share=percent(present), before=before))
    return sorted(found, key=lambda fall: (-fall.points, str(fall.channel)))


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    """Rounded down, so that 100 means all of it."""
    return (part * 100 / whole if whole else Decimal(100)).quantize(TENTH, ROUND_DOWN)
