"""The SQL of a bulk: freeze, check a batch, do a batch. A batch is one statement that counts what it wrote."""

from collections.abc import Sequence

from apps.exceptions.statements import INTO_AUDIT
from apps.work.bulk.moves import Bar, BulkMove

FREEZE = """
    INSERT INTO work_bulkmember (bulk_id, case_id, verdict, code, why, seen)
    SELECT %s, chosen.id, 'waiting', '', '', '' FROM ({chosen}) AS chosen (id)
"""
MADE_OF = """
    SELECT c.entity_id, c.team, c.type, count(*) FROM work_bulkmember m JOIN exceptions_case c ON c.id = m.case_id
    WHERE m.bulk_id = %s GROUP BY 1, 2, 3
"""
DIGEST = r"""
    SELECT encode(sha256(convert_to(string_agg(case_id || ' ' || verdict || ' ' || seen, E'\n' ORDER BY case_id), 'UTF8')), 'hex')
    FROM work_bulkmember WHERE bulk_id = %s
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
WAS = {"claimed_by": "h.name", "assigned_to": "a.name", "ended_by": "NULL"}  # people by name, as the single verb says them
COLUMNS = {name: f"{name}_id" for name in WAS}
COUNTED = "SELECT verdict, count(*) FROM written GROUP BY verdict"


def check(move: BulkMove) -> str:
    """Each waiting member becomes eligible, or not with the reason. Writes no case."""
    return f"""
        WITH written AS (
            UPDATE work_bulkmember m
            SET verdict = CASE bar.code WHEN '' THEN 'eligible' ELSE 'not-eligible' END,
                code = bar.code, why = {_words(move.bars, "bar.code")}, seen = looks.seen
            {_judged(move, "waiting")}
            RETURNING m.verdict
        ) {COUNTED}
    """


def do(move: BulkMove, columns: Sequence[str]) -> str:
    """Each eligible member's case gets the new values of the columns and its audit entry, or the member is skipped."""
    changes = [f"{COLUMNS.get(name, name)} = %(to_{name})s" for name in columns]
    changes += [f"{name} = {becomes}" for name, becomes in move.writes.items()]
    was = ", ".join(f"'{name}', {WAS.get(name, f'c.{name}')}" for name in columns)
    code = f"CASE WHEN bar.code = '' AND {CHANGED.when} THEN '{CHANGED.code}' ELSE bar.code END"
    return f"""
        WITH written AS (
            UPDATE work_bulkmember m
            SET verdict = CASE {code} WHEN '' THEN 'done' ELSE 'skipped' END, code = {code},
                why = {_words((*move.bars, CHANGED), code)}
            {_judged(move, "eligible")}
            RETURNING m.case_id, m.verdict, c.entity_id, jsonb_build_object({was}) AS before
        ), moved AS (
            UPDATE exceptions_case c SET {", ".join(changes)} FROM written w WHERE c.id = w.case_id AND w.verdict = 'done'
        ), audited AS (
            {INTO_AUDIT}
            SELECT %(actor)s, %(actor_name)s, entity_id, %(verb)s, 'case:' || case_id, before, %(becomes)s::jsonb, %(reason)s
            FROM written WHERE verdict = 'done'
        ) {COUNTED}
    """


def _judged(move: BulkMove, verdict: str) -> str:
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
            CROSS JOIN LATERAL (SELECT {seen}) looks (seen)
            CROSS JOIN LATERAL (SELECT CASE {bars} ELSE '' END) bar (code)
            WHERE m.bulk_id = %(bulk)s AND m.case_id > %(after)s AND m.case_id <= %(last)s AND m.verdict = '{verdict}'
                AND c.id = m.case_id
    """


def _words(bars: Sequence[Bar], code: str) -> str:
    return "CASE {} {} ELSE '' END".format(code, " ".join(f"WHEN '{bar.code}' THEN {bar.words}" for bar in bars))
