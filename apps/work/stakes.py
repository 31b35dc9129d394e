"""Money at stake by team and currency at the end of each day or week: from what is live now, back through the audit trail.

Nothing has to be kept for it: the trail says each change of a case's stake and each hand-over, and is never changed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection

from apps.core.money import ZERO
from apps.core.permissions import Team
from apps.work.periods import QUEUES, Period, Queue, asked, today_in

# What moved in the period, by day; and without a day what is live now, both as one look at the database sees them. A change
# belongs to the team that had the case then: the one that gave it away at the next hand-over, or else the one that has it.
MOVES = f"""
    WITH queue AS ({QUEUES}), company AS (SELECT DISTINCT entity_id, zone, since FROM queue), entry AS MATERIALIZED (
        SELECT a.id, a.at AT TIME ZONE company.zone AS at, a.verb = 'case.handed-over' AS is_handed, a.subject, a.entity_id,
            a.before ->> 'team' AS gave, a.after ->> 'team' AS took,
            a.before ->> 'currency' AS was_currency, -(a.before ->> 'stake')::numeric AS less,
            a.after ->> 'currency' AS currency, (a.after ->> 'stake')::numeric AS more
        FROM company JOIN core_auditentry a USING (entity_id)
        WHERE a.verb IN ('case.opened', 'case.changed', 'case.handed-over') AND a.at >= company.since
            AND a.entity_id = ANY(%(entities)s) AND a.at >= %(about)s
    ), handed AS (
        SELECT *, lag(id, 1, 0::bigint) OVER (PARTITION BY subject ORDER BY id) AS earlier
        FROM entry WHERE is_handed
    ), moved AS (
        SELECT c.entity_id, coalesce(handed.gave, c.team) AS team, weight.currency, entry.at, weight.stake, c.type
        FROM entry JOIN exceptions_case c ON c.id = substr(entry.subject, 6)::bigint
        LEFT JOIN handed
            ON handed.subject = entry.subject AND entry.id < handed.id AND entry.id > handed.earlier
        CROSS JOIN LATERAL (
            VALUES (entry.was_currency, entry.less), (entry.currency, entry.more)) weight (currency, stake)
        WHERE NOT entry.is_handed AND weight.currency IS NOT NULL
        UNION ALL
        SELECT c.entity_id, c.team, c.currency, c.ended_at AT TIME ZONE queue.zone, -c.stake, c.type
        FROM queue JOIN exceptions_case c USING (entity_id, team) WHERE c.ended_at >= queue.since AND c.ended_at >= %(about)s
        UNION ALL
        SELECT handed.entity_id, side.team, weight.currency, handed.at, side.sign * weight.stake, c.type
        FROM handed JOIN exceptions_case c ON c.id = substr(handed.subject, 6)::bigint
        CROSS JOIN LATERAL (
            SELECT a.after ->> 'currency' AS currency, (a.after ->> 'stake')::numeric AS stake FROM core_auditentry a
            WHERE a.subject = handed.subject AND a.id < handed.id AND a.verb IN ('case.opened', 'case.changed')
            ORDER BY a.id DESC LIMIT 1) weight
        CROSS JOIN LATERAL (VALUES (handed.gave, -1), (handed.took, 1)) side (team, sign)
    )
    SELECT team, currency, date_trunc(%(unit)s, moved.at)::date, sum(stake)
    FROM moved JOIN queue USING (entity_id, team) WHERE %(kind)s = '' OR type = %(kind)s GROUP BY 1, 2, 3
    UNION ALL
    SELECT team, currency, NULL, sum(stake) FROM exceptions_tally JOIN queue USING (entity_id, team)
    WHERE %(kind)s = '' OR type = %(kind)s GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Stakes:
    """What was at stake with each team at the end of each cut, the last one now; never a sum of two currencies."""

    currency: str
    teams: dict[Team, dict[date, Decimal]]

    @property
    def now(self) -> dict[Team, Decimal]:
        return {team: list(found.values())[-1] for team, found in self.teams.items()}


def at_stake(queues: Sequence[Queue], period: Period, now: datetime, kind: str = "") -> list[Stakes]:
    """By currency, of these queues, of one type or all. What never had anything at stake in the period is left out."""
    if not queues:
        return []
    cuts = period.cuts(today_in([entity for entity, _ in queues], now))
    moves: dict[tuple[str, str], dict[date | None, Decimal]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(MOVES, asked(queues, cuts[0], kind) | {"unit": period.unit})
        for team, currency, day, stake in cursor.fetchall():
            moves[currency, team][day] = stake
    found: dict[str, dict[Team, dict[date, Decimal]]] = defaultdict(dict)
    for (currency, team), moved in sorted(moves.items()):
        ends = _back_from(moved.pop(None, ZERO), cuts, moved)
        if any(ends.values()):
            found[currency][Team(team)] = ends
    return [Stakes(currency, teams) for currency, teams in found.items()]


def _back_from(live: Decimal, cuts: Sequence[date], moved: dict[date, Decimal]) -> dict[date, Decimal]:
    """{cut: what was live at its end}, from what is live at the end of the last one."""
    ends = {}
    for cut in reversed(cuts):
        ends[cut] = live
        live -= moved.get(cut, ZERO)
    return dict(reversed(ends.items()))
