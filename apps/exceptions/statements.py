"""The SQL of a sweep: three set statements over a temporary table of findings, each with its audit entries.

None needs luck with the planner, which may know nothing yet about cases that came in bulk: every join has an index on
both sides, so that no order of them multiplies rows.
"""

from apps.exceptions.models import LIVE

FIGURES = ("diagnosis", "facts", "lines", "stake", "currency", "worth", "rate_known", "due_at", "score")
ALIVE = "({})".format(", ".join(f"'{state.value}'" for state in LIVE))

# Types and limits as in exceptions_case: what does not fit there fails here already, as the detector's mistake. The
# live case of the same cause, if there is one, stands beside the finding with what it weighed so far.
CREATE_FOUND = """
    CREATE TEMPORARY TABLE sweep_found (
        subject varchar(600) PRIMARY KEY CHECK (subject <> ''),
        diagnosis varchar(10) NOT NULL,
        facts jsonb NOT NULL,
        lines integer NOT NULL CHECK (lines >= 0),
        stake numeric(18, 4) NOT NULL CHECK (stake >= 0),
        currency varchar(3) NOT NULL CHECK (length(currency) = 3),
        worth numeric(18, 4) NOT NULL,
        rate_known boolean NOT NULL,
        due_at timestamptz NOT NULL,
        score double precision NOT NULL,
        case_id bigint UNIQUE,
        was_lines integer,
        was_stake numeric(18, 4),
        was_currency varchar(3)
    ) ON COMMIT DROP
"""
WAS = ("case_id", "was_lines", "was_stake", "was_currency")
COPY_FOUND = f"COPY sweep_found (subject, {', '.join((*FIGURES, *WAS))}) FROM STDIN"
ANALYZE_FOUND = "ANALYZE sweep_found"
DROP_FOUND = "DROP TABLE sweep_found"

WITHIN = """
    c.type = %(type)s AND c.entity_id = %(entity)s AND (%(subjects)s::text[] IS NULL OR c.subject = ANY(%(subjects)s))
"""
# What a sweep may write to: live cases, and those that were dismissed while their cause lasts.
KNOWN_CASES = f"""
    SELECT c.subject, c.id, c.state, c.opened_at, c.lines, c.stake, c.currency FROM exceptions_case c
    WHERE {WITHIN} AND (c.state IN {ALIVE} OR c.state = 'dismissed' AND NOT c.ending ? 'gone_at')
"""

INTO_AUDIT = "INSERT INTO core_auditentry (actor_id, actor_name, entity_id, verb, subject, before, after, reason)"


def _weight(prefix: str) -> str:
    """What the audit says of a case's weight; money is text with its currency beside it."""
    return f"'lines', {prefix}lines, 'stake', {prefix}stake::text, 'currency', {prefix}currency"


# The team stays: a case that was handed over is not moved back.
REFRESH = f"""
    WITH refreshed AS (
        UPDATE exceptions_case c
        SET holds_back = %(holds_back)s, {", ".join(f"{name} = f.{name}" for name in FIGURES)}
        FROM sweep_found f
        WHERE c.id = f.case_id
            AND (c.holds_back, {", ".join(f"c.{name}" for name in FIGURES)})
                IS DISTINCT FROM (%(holds_back)s, {", ".join(f"f.{name}" for name in FIGURES)})
        RETURNING c.id, c.lines, c.stake, c.currency, was_lines, was_stake, was_currency
    ), audited AS (
        {INTO_AUDIT}
        SELECT NULL, 'opsconsole', %(entity)s, 'case.changed', 'case:' || id,
            jsonb_build_object({_weight("was_")}), jsonb_build_object({_weight("")}), ''
        FROM refreshed
        WHERE (lines, stake, currency) IS DISTINCT FROM (was_lines, was_stake, was_currency)
    )
    SELECT id FROM refreshed
"""

END = f"""
    WITH ended AS (
        UPDATE exceptions_case c
        SET state = %(end_state)s, ended_at = %(now)s, ended_by_id = %(actor)s, ending = %(ending)s,
            assigned_to_id = NULL, claimed_by_id = NULL, claimed_until = NULL,
            snoozed_until = NULL, snoozed_above = NULL, snoozed_for_run = NULL
        FROM unnest(%(gone)s::bigint[], %(gone_states)s::text[]) gone (id, was_state)
        WHERE c.id = gone.id
        RETURNING c.id, c.state, c.ending, c.lines, c.stake, c.currency, was_state
    ), audited AS (
        {INTO_AUDIT}
        SELECT %(actor)s, %(actor_name)s, %(entity)s, 'case.' || state, 'case:' || id,
            jsonb_build_object('state', was_state, {_weight("")}), jsonb_build_object('state', state) || ending, ''
        FROM ended
    )
    SELECT id FROM ended
"""

# A dismissal holds as long as its cause does. Once the cause was gone, its return is news.
FORGET_DISMISSALS = f"""
    UPDATE exceptions_case c SET ending = c.ending || jsonb_build_object('gone_at', %(now)s::timestamptz)
    WHERE {WITHIN} AND c.state = 'dismissed' AND NOT c.ending ? 'gone_at'
        AND NOT EXISTS (SELECT FROM sweep_found f WHERE f.subject = c.subject)
        AND NOT c.subject ~ ANY(%(doubted)s::text[])
"""

# The newest ended case of the same cause says whether the finding comes back, or stays dismissed.
OPEN = f"""
    WITH fresh AS (
        SELECT DISTINCT ON (f.subject) f.*, c.id AS earlier_id,
            c.state = 'dismissed' AND NOT c.ending ? 'gone_at' AS dismissed
        FROM sweep_found f
        LEFT JOIN exceptions_case c ON c.type = %(type)s AND c.entity_id = %(entity)s AND c.subject = f.subject
        WHERE f.case_id IS NULL
        ORDER BY f.subject, c.id DESC
    ), opened AS (
        INSERT INTO exceptions_case (type, entity_id, subject, team, state, holds_back, opened_at, ending, earlier_id,
            {", ".join(FIGURES)})
        SELECT %(type)s, %(entity)s, subject, %(team)s, 'open', %(holds_back)s, %(now)s, '{{}}', earlier_id,
            {", ".join(FIGURES)}
        FROM fresh WHERE dismissed IS NOT TRUE
        RETURNING id, lines, stake, currency, earlier_id
    ), audited AS (
        {INTO_AUDIT}
        SELECT NULL, 'opsconsole', %(entity)s, 'case.opened', 'case:' || id, '{{}}',
            jsonb_build_object({_weight("")}, 'earlier', earlier_id), ''
        FROM opened
    )
    SELECT id FROM opened
"""
