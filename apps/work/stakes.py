"""Money at stake by team and currency at the end of each day or week: from what is live now, back through the audit trail.

The trail says each change of a case's stake and each hand-over, and is never changed: so what moved on a day that is over is
read from it once and kept, and may be forgotten and read again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from apps.core.locks import wait_for
from apps.core.models import Entity
from apps.core.money import ZERO
from apps.core.permissions import Team
from apps.work.models import StakeMove, StakesKept
from apps.work.periods import QUEUES, Period, Queue, asked, today_in

# What moved since each queue's first day. A change belongs to the team that had the case then: the one that gave it away at the
# next hand-over, or else the one that has it.
MOVED = f"""
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
"""
# What moved in the period, and without a day what is live now, all as one look at the database sees them.
MOVES = f"""{MOVED}
    SELECT team, currency, date_trunc(%(unit)s, moved.at)::date, sum(stake)
    FROM moved JOIN queue USING (entity_id, team) WHERE %(kind)s = '' OR type = %(kind)s GROUP BY 1, 2, 3
    UNION ALL
    SELECT team, currency, date_trunc(%(unit)s, day)::date, sum(moved)
    FROM work_stakemove JOIN queue USING (entity_id, team)
    WHERE day >= %(begins)s AND day < queue.first AND (%(kind)s = '' OR type = %(kind)s) GROUP BY 1, 2, 3
    UNION ALL
    SELECT team, currency, NULL, sum(stake) FROM exceptions_tally JOIN queue USING (entity_id, team)
    WHERE %(kind)s = '' OR type = %(kind)s GROUP BY 1, 2
"""
KEEP = f"""{MOVED}
    INSERT INTO work_stakemove (entity_id, day, team, type, currency, moved)
    SELECT entity_id, at::date, team, type, currency, sum(stake) FROM moved JOIN queue USING (entity_id, team)
    WHERE at::date < %(before)s GROUP BY 1, 2, 3, 4, 5 HAVING sum(stake) <> 0
"""
SETTLES = timedelta(hours=12)  # after a day's end, so that whatever began on it has been written
LONGEST = timedelta(weeks=54)  # a little more than any period looks back


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
    kept = {(each.entity_id, each.zone): each.before for each in StakesKept.objects.all()}
    firsts = [max(cuts[0], kept.get((entity.pk, entity.zone), cuts[0])) for entity, _ in queues]
    moves: dict[tuple[str, str], dict[date | None, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    with connection.cursor() as cursor:
        cursor.execute(MOVES, asked(queues, firsts, kind) | {"unit": period.unit, "begins": cuts[0]})
        for team, currency, day, stake in cursor.fetchall():
            moves[currency, team][day] += stake
    found: dict[str, dict[Team, dict[date, Decimal]]] = defaultdict(dict)
    for (currency, team), moved in sorted(moves.items()):
        ends = _back_from(moved.pop(None, ZERO), cuts, moved)
        if any(ends.values()):
            found[currency][Team(team)] = ends
    return [Stakes(currency, teams) for currency, teams in found.items()]


@transaction.atomic
def keep(entity: Entity, now: datetime) -> None:
    """Write down what moved on the days that are over since the last time; what is older than anybody looks back goes."""
    wait_for(f"stakes of entity {entity.pk}")
    before = (now - SETTLES).astimezone(ZoneInfo(entity.zone)).date()
    kept = StakesKept.objects.filter(entity=entity).first()
    mine = StakeMove.objects.filter(entity=entity)
    if kept and kept.zone != entity.zone:  # its days are others now
        mine.delete()
        kept = None
    first = kept.before if kept else before - LONGEST
    if first >= before:
        return
    with connection.cursor() as cursor:
        cursor.execute(KEEP, asked([(entity, team) for team in Team], [first] * len(Team)) | {"before": before})
    mine.filter(day__lt=before - LONGEST).delete()
    StakesKept.objects.update_or_create(entity=entity, defaults={"before": before, "zone": entity.zone})


def _back_from(live: Decimal, cuts: Sequence[date], moved: dict[date, Decimal]) -> dict[date, Decimal]:
    """{cut: what was live at its end}, from what is live at the end of the last one."""
    ends = {}
    for cut in reversed(cuts):
        ends[cut] = live
        live -= moved.get(cut, ZERO)
    return dict(reversed(ends.items()))
