"""The stretches of time that pictures of the work look back over, cut in days or weeks of the company's calendar."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.core.models import Entity
from apps.core.permissions import Team

DAY, WEEK = timedelta(days=1), timedelta(days=7)
Queue = tuple[Entity, Team]

# A queue, and the day and instant at which its look back begins.
QUEUES = """
    SELECT entity_id, team, zone, first, first::timestamp AT TIME ZONE zone AS since
    FROM unnest(%(entities)s::bigint[], %(teams)s::text[], %(zones)s::text[], %(firsts)s::date[])
        asked (entity_id, team, zone, first)
"""


@dataclass(frozen=True, kw_only=True)
class Period:
    """`count` units of `unit`, "day" or "week" (from Monday), of which the last one goes on."""

    name: str
    unit: str
    count: int

    @property
    def title(self) -> str:
        return f"{self.name} weeks"

    def cuts(self, today: date) -> list[date]:
        """The first days of its units, rising."""
        step = DAY if self.unit == "day" else WEEK
        last = today if self.unit == "day" else today - DAY * today.weekday()
        return [last - step * back for back in reversed(range(self.count))]


PERIODS = {
    each.name: each
    for each in (
        Period(name="4", unit="day", count=28),
        Period(name="13", unit="week", count=13),
        Period(name="52", unit="week", count=52),
    )
}
FORTNIGHT = Period(name="2", unit="day", count=14)


def today_in(entities: Collection[Entity], now: datetime) -> date:
    """The latest date that it is in one of these companies."""
    return max(now.astimezone(ZoneInfo(entity.zone)).date() for entity in entities)


def asked(queues: Sequence[Queue], firsts: Sequence[date], kind: str = "") -> dict[str, object]:
    """What QUEUES takes, with a first day for each, the type of exception, empty for all, and `about`, an instant before that
    of any zone: with it the planner knows how little it has to look at.
    """
    return {
        "entities": [entity.pk for entity, _ in queues],
        "teams": [team.value for _, team in queues],
        "zones": [entity.zone for entity, _ in queues],
        "firsts": list(firsts),
        "about": datetime.combine(min(firsts) - DAY, time(), UTC),
        "kind": kind,
    }
