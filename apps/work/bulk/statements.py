"""The SQL of a bulk: freeze, check a batch, do a batch. A batch is one statement that counts what it wrote."""

from collections.abc import Sequence

from apps.exceptions.statements import INTO_AUDIT
from apps.work.bulk.bars import Bar
from apps.work.bulk.moves import BulkMove
from apps.work.bulk.states import STATE, state_of

# Which cases they are at one instant, as one row, which costs little beside 50,000; and what they are.
FREEZE = """
    WITH chosen (id, entity_id, team, type) AS MATERIALIZED ({chosen}), kept AS (
        INSERT INTO work_frozenlist (bulk_id, cases) SELECT %s, array_agg(id) FROM chosen HAVING count(*) > 0
    )
    SELECT entity_id, team, type, count(*) FROM chosen GROUP BY 1, 2, 3
"""
ENLIST = """
    WITH list AS (DELETE FROM work_frozenlist WHERE bulk_id = %(bulk)s RETURNING cases)
    INSERT INTO work_bulkmember (bulk_id, case_id, verdict, code, why, seen)
    SELECT %(bulk)s, id, 'waiting', '', '', '' FROM list, unnest(cases) id
"""
DIGEST = r"""
    SELECT encode(sha256(convert_to(string_agg(case_id || ' ' || verdict || ' ' || seen, E'\n' ORDER BY case_id), 'UTF8')), 'hex')
    FROM work_bulkmember WHERE bulk_id = %s
"""
# What the eligible members of one company weigh together, as each was shown.
IN_COMPANY = """
    FROM work_bulkmember m JOIN exceptions_case c ON c.id = m.case_id AND c.entity_id = %(entity)s
"""
WEIGHT = f"""
    SELECT count(*), coalesce(sum((m.weight ->> 'lines')::bigint), 0)::bigint {IN_COMPANY}
    WHERE m.bulk_id = %(bulk)s AND m.verdict = 'eligible'
"""
WEIGHT_OF_MONEY = f"""
    SELECT money.key, sum(money.value::numeric) {IN_COMPANY} CROSS JOIN LATERAL jsonb_each_text(m.weight -> 'money') money
    WHERE m.bulk_id = %(bulk)s AND m.verdict = 'eligible' GROUP BY 1
"""
# The next members of a verdict: the last of them, and the causes whose locks the writing of their cases needs.
NEXT = """
    SELECT max(c.id), jsonb_agg(DISTINCT jsonb_build_array(c.type, c.entity_id))
    FROM (
        SELECT case_id FROM work_bulkmember
        WHERE bulk_id = %(bulk)s AND case_id > %(after)s AND verdict = %(verdict)s ORDER BY case_id LIMIT %(size)s
    ) batch JOIN exceptions_case c ON c.id = batch.case_id
"""
CHANGED = Bar(
    code="changed",
    when="m.seen <> looks.seen",
    words="'It changed since the dry run, so nothing was done to it.'",
    group="they changed since the dry run",
)
PEOPLE = {"claimed_by": "h.name", "assigned_to": "a.name", "ended_by": "NULL"}
WAS = PEOPLE | {"snoozed_above": "c.snoozed_above::text"}  # people by name and money as text, as the single verb says them
COLUMNS = {name: f"{name}_id" for name in PEOPLE}


def check(move: BulkMove) -> str:
    """Each waiting member becomes eligible, or not with the reason. Writes no case."""
    return f"""
        WITH written AS (
            UPDATE work_bulkmember m
            SET verdict = CASE bar.code WHEN '' THEN 'eligible' ELSE 'not-eligible' END,
                code = bar.code, why = {words_of(move.bars, "bar.code")}, seen = looks.seen
            {judged(move, "waiting")}
            RETURNING m.verdict
        ) {counted_from("written")}
    """


def do(move: BulkMove, columns: Sequence[str]) -> str:
    """Each eligible member's case gets the new values of the columns and its audit entry, or the member is skipped."""
    changes = [f"{COLUMNS.get(name, name)} = %(to_{name})s" for name in columns]
    changes += [f"{name} = {becomes}" for name, becomes in move.writes.items()]
    before = ", ".join(f"'{name}', {WAS.get(name, f'c.{name}')}" for name in columns)
    becomes = {COLUMNS.get(name, name): name for name in columns}
    left = state_of({column: f"%(to_{becomes[column]})s::{kind}" for column, kind in STATE.items() if column in becomes})
    code = f"CASE WHEN bar.code = '' AND {CHANGED.when} THEN '{CHANGED.code}' ELSE bar.code END"
    return f"""
        WITH written AS (
            UPDATE work_bulkmember m
            SET verdict = CASE {code} WHEN '' THEN 'done' ELSE 'skipped' END, code = {code},
                why = {words_of((*move.bars, CHANGED), code)}
                {f", was = {state_of()}, became = {left}" if columns else ""}
            {judged(move, "eligible")}
            RETURNING m.case_id, m.verdict, c.entity_id, jsonb_build_object({before}) AS before
        ), moved AS (
            UPDATE exceptions_case c SET {", ".join(changes)} FROM written w WHERE c.id = w.case_id AND w.verdict = 'done'
        ), audited AS (
            {INTO_AUDIT}
            SELECT %(actor)s, %(actor_name)s, entity_id, %(verb)s, 'case:' || case_id, before, %(becomes)s::jsonb, %(reason)s
            FROM written WHERE verdict = 'done'
        ) {counted_from("written")}
    """


def counted_from(written: str) -> str:
    return f"SELECT verdict, count(*) FROM {written} GROUP BY verdict"


def judged(move: BulkMove, verdict: str) -> str:
    """The members of a verdict within (after, last], each with how its case looks and the first bar that it meets.

    From the members to their cases by key: no plan of it multiplies rows, whatever the planner knows of a new bulk.
    """
    bars = " ".join(f"WHEN {bar.when} THEN '{bar.code}'" for bar in move.bars)
    seen = f"ROW({', '.join(f'c.{name}' for name in move.watches)})::text" if move.watches else "''"
    return f"""
            FROM exceptions_case c
            JOIN core_entity e ON e.id = c.entity_id
            LEFT JOIN core_user h ON h.id = c.claimed_by_id
            LEFT JOIN core_user a ON a.id = c.assigned_to_id
            {move.joins}
            CROSS JOIN LATERAL (SELECT {seen}) looks (seen)
            CROSS JOIN LATERAL (SELECT CASE {bars} ELSE '' END) bar (code)
            WHERE m.bulk_id = %(bulk)s AND m.case_id > %(after)s AND m.case_id <= %(last)s AND m.verdict = '{verdict}'
                AND c.id = m.case_id
    """


def words_of(bars: Sequence[Bar], code: str) -> str:
    return "CASE {} {} ELSE '' END".format(code, " ".join(f"WHEN '{bar.code}' THEN {bar.words}" for bar in bars))
