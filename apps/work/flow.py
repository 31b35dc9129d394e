"""Exceptions opened and ended over time, and what share of them healed without anybody: one statement over the cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection

from apps.work.periods import QUEUES, Period, Queue, asked, today_in

# The row without a day is the whole period.
FLOW = f"""
    WITH queue AS ({QUEUES}), event AS (
        SELECT c.opened_at AT TIME ZONE queue.zone AS at, 'opened' AS what, c.earlier_id IS NOT NULL AS came_back,
            NULL::interval AS took
        FROM queue JOIN exceptions_case c USING (entity_id, team)
        WHERE c.opened_at >= queue.since AND c.opened_at >= %(about)s AND (%(kind)s = '' OR c.type = %(kind)s)
        UNION ALL
        SELECT c.ended_at AT TIME ZONE queue.zone, c.state, false, c.ended_at - c.opened_at
        FROM queue JOIN exceptions_case c USING (entity_id, team)
        WHERE c.ended_at >= queue.since AND c.ended_at >= %(about)s AND (%(kind)s = '' OR c.type = %(kind)s)
    ), dated AS (SELECT date_trunc(%(unit)s, at)::date AS day, what, came_back, took FROM event)
    SELECT day, count(*) FILTER (WHERE what = 'opened'), count(*) FILTER (WHERE came_back),
        count(*) FILTER (WHERE what = 'resolved'), count(*) FILTER (WHERE what = 'cleared'),
        count(*) FILTER (WHERE what = 'dismissed'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'resolved'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'cleared')
    FROM dated GROUP BY GROUPING SETS ((day), ())
"""


@dataclass(frozen=True)
class Flow:
    """How many were opened, and how many of those came back; how many a person fixed, the system cleared, a person dismissed;
    the median time from opening until it was fixed or healed, None where none was.
    """

    opened: int = 0
    came_back: int = 0
    fixed: int = 0
    healed: int = 0
    dismissed: int = 0
    median_fixed: timedelta | None = None
    median_healed: timedelta | None = None

    @property
    def ended(self) -> int:
        return self.fixed + self.healed + self.dismissed

    @property
    def share_healed(self) -> int | None:
        """Percent of what ended, rounded down so that 100 means all; None where nothing ended."""
        return 100 * self.healed // self.ended if self.ended else None


@dataclass(frozen=True)
class Flows:
    """Of the whole period, and from each of its cuts to the next."""

    whole: Flow
    by_cut: dict[date, Flow]


def flows(queues: Sequence[Queue], period: Period, now: datetime, kind: str = "") -> Flows:
    """Of these queues, of one type or all. A case counts with the team that has it now, or had it when it ended."""
    if not queues:
        return Flows(Flow(), {})
    cuts = period.cuts(today_in([entity for entity, _ in queues], now))
    with connection.cursor() as cursor:
        cursor.execute(FLOW, asked(queues, [cuts[0]] * len(queues), kind) | {"unit": period.unit})
        found = {day: Flow(*figures) for day, *figures in cursor.fetchall()}
    return Flows(found.pop(None), {cut: found.get(cut, Flow()) for cut in cuts})
