"""Why a case is left out of a bulk, as the single verb says it, in SQL."""

from dataclasses import dataclass

from apps.core.permissions import Team


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Why a case is left out. `when` and `words` are SQL over c (the case), e (its company), h (who holds it) and the values
    `actor`, `works` (queues that the person works on) and those of the move. `code` is the single verb's, `group` what
    people read above all that were left out for it.
    """

    code: str
    when: str
    words: str
    group: str


NOT_ALLOWED = Bar(
    code="not-allowed",
    when="(c.entity_id || ':' || c.team) <> ALL(%(works)s::text[])",
    words="'Your role does not work on these exceptions at ' || e.name || '.'",
    group="your role does not work on them",
)
NOT_LIVE = Bar(
    code="not-live",
    when="c.state NOT IN ('open', 'claimed', 'snoozed')",
    words="trim('This exception is ' || c.state || ' already. ' || coalesce(c.ending->>'words', ''))",
    group="they have ended already",
)
CLAIMED = Bar(
    code="claimed",
    when="c.state = 'claimed' AND c.claimed_by_id <> %(actor)s AND c.claimed_until > statement_timestamp()",
    words="""h.name || ' is on this until ' || to_char(c.claimed_until AT TIME ZONE e.zone, 'HH24:MI')
        || '. Nothing was changed.'""",
    group="somebody else is on them",
)
TEAM = "CASE c.team {} END".format(" ".join(f"WHEN '{team.value}' THEN '{team.label}'" for team in Team))
OF_MOVES = (NOT_ALLOWED, NOT_LIVE, CLAIMED)
