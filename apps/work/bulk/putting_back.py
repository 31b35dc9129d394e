"""Putting back what a bulk did: each case as it stood before, unless anybody has changed it since.

What a case was like, and how the bulk left it, stands with the member (apps.work.bulk.states).
"""

from apps.exceptions.models import LIVE
from apps.exceptions.statements import INTO_AUDIT
from apps.work.bulk.bars import CLAIMED, NOT_ALLOWED, Bar
from apps.work.bulk.models import Bulk
from apps.work.bulk.moves import BULK_MOVES, BulkMove
from apps.work.bulk.statements import counted_from, judged, words_of
from apps.work.bulk.states import state_of, taken_from

# Entries that leave a case where it stands; those of people who change it since name them.
QUIET = "('case.changed', 'case.alerted', 'case.noted')"
ALIVE = ", ".join(f"'{state.value}'" for state in LIVE)
PUT_BACK = BulkMove(
    name="put-back",
    label="Put back",
    does="Put back",
    did="put back",
    says="Each one becomes what it was before. What anybody has changed since stays as it is.",
    verb="case.put-back",
    joins=f"""
            JOIN work_bulkmember o ON o.bulk_id = %(undoes)s AND o.case_id = c.id
            LEFT JOIN core_user wh ON wh.id = (o.was ->> 'claimed_by_id')::bigint
            LEFT JOIN core_user wa ON wa.id = (o.was ->> 'assigned_to_id')::bigint
            LEFT JOIN LATERAL (
                SELECT n.actor_name || ', ' || to_char(n.at AT TIME ZONE e.zone, 'FMDD Mon HH24:MI') AS who FROM core_auditentry n
                WHERE o.became IS DISTINCT FROM {state_of()} AND n.subject = 'case:' || c.id AND n.verb NOT IN {QUIET}
                    AND coalesce((n.after ->> 'bulk')::bigint, 0) <> %(undoes)s
                ORDER BY n.id DESC LIMIT 1
            ) since ON true
    """,
    bars=(
        Bar(
            code=NOT_ALLOWED.code,
            when="(c.entity_id || ':' || (o.was ->> 'team')) <> ALL(%(works)s::text[])",
            words=NOT_ALLOWED.words,
            group=NOT_ALLOWED.group,
        ),
        Bar(
            code="cause-gone",
            when="c.state = 'dismissed' AND c.ending ? 'gone_at'",
            words="'Its cause has gone since.'",
            group="their causes have gone since",
        ),
        Bar(
            code="changed-since",
            when=f"o.became IS DISTINCT FROM {state_of()}",
            words="'Changed since' || coalesce(' by ' || since.who, '') || '. It stays as it is.'",
            group="somebody has changed them since",
        ),
        CLAIMED,
        Bar(
            code="left-the-team",
            when="""EXISTS (
                SELECT FROM unnest(ARRAY[wh.id, wa.id]) person (id) WHERE person.id IS NOT NULL AND NOT EXISTS (
                    SELECT FROM core_membership p JOIN core_user u ON u.id = p.user_id AND u.is_active
                    WHERE p.user_id = person.id AND p.entity_id = c.entity_id AND p.role = o.was ->> 'team'))""",
            words="coalesce(wh.name, wa.name) || ' had it, and does not work on it any more.'",
            group="who had them does not work on them any more",
        ),
        Bar(
            code="at-stake",
            when="(o.was ->> 'snoozed_above')::numeric < c.stake",  # no sweep would wake it before it changes once more
            words="'More is at stake by now than it slept until.'",
            group="more is at stake by now than they slept until",
        ),
        Bar(
            code="came-back",
            when=f"""c.state NOT IN ({ALIVE}) AND EXISTS (
                SELECT FROM exceptions_case n WHERE n.type = c.type AND n.entity_id = c.entity_id AND n.subject = c.subject
                    AND n.state IN ({ALIVE}))""",
            words="'The same cause is open again as another exception.'",
            group="their causes are open again",
        ),
    ),
    watches=(),  # the bars compare each with how the bulk left it
)
KNOWN_MOVES = BULK_MOVES | {PUT_BACK.name: PUT_BACK}
# What the audit says of where a case stood and stands: people by name.
NAMED = """jsonb_strip_nulls(jsonb_build_object('state', {kept} ->> 'state', 'team', {kept} ->> 'team',
    'claimed_by', {holder}.name, 'assigned_to', {owner}.name, 'snoozed_until', {kept} ->> 'snoozed_until',
    'snoozed_above', {kept} ->> 'snoozed_above', 'snoozed_for_run', {kept} ->> 'snoozed_for_run'))"""
BECOMES = "'bulk', %(bulk)s::bigint, 'undoes', %(undoes)s::bigint"
DO = f"""
    WITH written AS (
        UPDATE work_bulkmember m
        SET verdict = CASE bar.code WHEN '' THEN 'done' ELSE 'skipped' END, code = bar.code,
            why = {words_of(PUT_BACK.bars, "bar.code")}
        {judged(PUT_BACK, "eligible")}
        RETURNING m.case_id, m.verdict, c.entity_id, o.was, {NAMED.format(kept="o.became", holder="h", owner="a")} AS before,
            {NAMED.format(kept="o.was", holder="wh", owner="wa")} AS after
    ), moved AS (
        UPDATE exceptions_case c SET {taken_from("w.was")} FROM written w WHERE c.id = w.case_id AND w.verdict = 'done'
    ), audited AS (
        {INTO_AUDIT}
        SELECT %(actor)s, %(actor_name)s, entity_id, %(verb)s, 'case:' || case_id, before,
            after || jsonb_build_object({BECOMES}), 'As it was before bulk action ' || %(undoes)s || '.'
        FROM written WHERE verdict = 'done'
    ) {counted_from("written")}
"""


def can_be_put_back(bulk: Bulk) -> bool:
    """Whether it moved cases from where they stood: a note stays for good, and what an action of a type did is not a move."""
    return bulk.action in BULK_MOVES and not bulk.type and bool(BULK_MOVES[bulk.action].watches)


def verb_of(undone: Bulk) -> str:
    """Of the entries: a team that a case comes back to has got it by a hand-over, which the money by team is read from."""
    return "case.handed-over" if undone.action == "hand-over" else PUT_BACK.verb
