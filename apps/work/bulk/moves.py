"""What may be done to many cases without touching their causes: each move of one case, declared once in SQL.

The single verbs are apps.exceptions.operations. A test holds that both refuse the same cases and write the same.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms

from apps.core import money
from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions.models import ALARMS, State
from apps.exceptions.operations import CLAIM_LASTS, NOBODY_HAS_IT, NOBODYS
from apps.exceptions.waking import AWAKE
from apps.integrations.feeds import FEEDS
from apps.work.bulk.bars import NOT_ALLOWED, OF_MOVES, TEAM, Bar
from apps.work.bulk.forms import Assign, Dismiss, HandOver, Note, NothingAsked, Sleep, Snooze, running_feeds
from apps.work.bulk.models import queue_key

IN_PLACE = ("state", "team", "claimed_by_id", "assigned_to_id", *ALARMS)


@dataclass(frozen=True, kw_only=True)
class BulkMove:
    """`label` is the button, `does` completes "… 412 exceptions", `did` "412 …".

    `verb` is the audit entry's. `changes(actor, cleaned, now)`: the columns of a case and what they become; `writes` are
    others, as SQL, of which the audit says nothing. `watches` are columns of c that are as they were at the dry run, or the
    case is skipped. `reason` names the form's field that is kept as the reason. `joins` are more tables for its bars, and
    `values(cleaned, entity_ids)` more values.
    """

    name: str
    label: str
    does: str
    did: str
    verb: str
    says: str = ""
    form: type[forms.Form] = NothingAsked
    bars: tuple[Bar, ...] = OF_MOVES
    changes: Callable[[User, Mapping[str, Any], datetime], dict[str, Any]] = lambda actor, cleaned, now: {}
    writes: Mapping[str, str] = field(default_factory=dict)
    watches: Collection[str] = IN_PLACE
    reason: str = ""
    joins: str = ""
    values: Callable[[Mapping[str, Any], Collection[int]], dict[str, Any]] = lambda cleaned, entity_ids: {}

    @property
    def asks(self) -> bool:
        return bool(self.form.base_fields)


def queues_worked_by(user: User) -> list[str]:
    """Those on whose cases the person acts, as queue_key says them."""
    return [
        queue_key(entity, team)
        for entity in user.teams_seen_in()
        for team in Team
        if user.works_for(team, entity)
    ]


BULK_MOVES = {
    move.name: move
    for move in (
        BulkMove(
            name="assign",
            label="Assign",
            does="Assign",
            did="assigned",
            says="They stay theirs until they end or leave to another team.",
            verb="case.assigned",
            form=Assign,
            bars=(
                *OF_MOVES,
                Bar(
                    code="assigned",
                    when="c.assigned_to_id IS NOT DISTINCT FROM %(to)s",
                    words="coalesce('It is ' || a.name || '’s already.', 'It is nobody’s already.')",
                    group="they are that person’s already",
                ),
                Bar(
                    code="not-of-team",
                    when="%(to)s IS NOT NULL AND (c.entity_id || ':' || c.team) <> ALL(%(to_works)s::text[])",
                    words=f"%(to_name)s || ' does not work on ' || {TEAM} || ' exceptions at ' || e.name || '.'",
                    group="that person does not work on them",
                ),
            ),
            changes=lambda actor, cleaned, now: {"assigned_to": cleaned["to"]},
            values=lambda cleaned, entity_ids: _assignee(cleaned["to"]),
        ),
        BulkMove(
            name="claim",
            label="Take them",
            does="Take",
            did="taken",
            says="The claims lapse by themselves.",
            verb="case.claimed",
            changes=lambda actor, cleaned, now: {
                "state": State.CLAIMED,
                "claimed_by": actor,
                "claimed_until": now + CLAIM_LASTS,
                **AWAKE,
            },
        ),
        BulkMove(
            name="release",
            label="Put them back",
            does="Put back",
            did="put back",
            verb="case.released",
            bars=(
                *OF_MOVES,
                Bar(
                    code="not-claimed",
                    when="c.state <> 'claimed'",
                    words="'Nobody has claimed this exception.'",
                    group="nobody has claimed them",
                ),
            ),
            changes=lambda actor, cleaned, now: {"state": State.OPEN, **NOBODY_HAS_IT},
        ),
        BulkMove(
            name="snooze",
            label="Snooze",
            does="Snooze",
            did="snoozed",
            says="They leave the queue until then. What they hold back stays held back.",
            verb="case.snoozed",
            form=Snooze,
            bars=(
                *OF_MOVES,
                Bar(
                    code="other-currency",
                    when="%(above)s::numeric IS NOT NULL AND c.currency <> %(currency)s",
                    words="'It is counted in ' || c.currency || ', not in ' || %(currency)s || '.'",
                    group="they are counted in another currency",
                ),
                Bar(
                    code="at-stake",
                    when="%(above)s::numeric <= c.stake",
                    words="%(sign)s || to_char(c.stake, %(figure)s) || ' is at stake already. Choose a higher amount.'",
                    group="more is at stake already",
                ),
                Bar(
                    code="overdue",
                    when="(%(above)s::numeric IS NOT NULL OR %(for_run)s) AND c.due_at <= statement_timestamp()",
                    words="'Its deadline has passed, so it sleeps until a time alone.'",
                    group="their deadline has passed, so they sleep until a time alone",
                ),
                Bar(
                    code="no-feed",
                    when="%(for_run)s AND (c.entity_id || ':' || c.type) <> ALL(%(fed)s::text[])",
                    words="'No feed that runs at ' || e.name || ' tells of this kind of exception.'",
                    group="no feed that runs tells of them",
                ),
            ),
            changes=lambda actor, cleaned, now: {
                **NOBODY_HAS_IT,
                "state": State.SNOOZED,
                "snoozed_until": cleaned["until"],
                "snoozed_above": cleaned["above"],
                "snoozed_for_run": now if cleaned["wakes"] == Sleep.RUN else None,
                **({} if cleaned["above"] is None else {"currency": cleaned["currency"]}),
            },
            reason="reason",
            values=lambda cleaned, entity_ids: _asleep(cleaned, entity_ids),
        ),
        BulkMove(
            name="wake",
            label="Wake them now",
            does="Wake",
            did="woken",
            verb="case.woken",
            bars=(
                *OF_MOVES,
                Bar(
                    code="not-snoozed",
                    when="c.state <> 'snoozed'",
                    words="'This exception is not snoozed.'",
                    group="they are not snoozed",
                ),
            ),
            changes=lambda actor, cleaned, now: {"state": State.OPEN, **NOBODY_HAS_IT},
        ),
        BulkMove(
            name="hand-over",
            label="Hand over",
            does="Hand over",
            did="handed over",
            says="They move to the other team's queue with your reason.",
            verb="case.handed-over",
            form=HandOver,
            bars=(
                *OF_MOVES,
                Bar(
                    code="same-team",
                    when="c.team = %(team)s",
                    words="'It is with ' || %(team_label)s || ' already.'",
                    group="that team has them already",
                ),
            ),
            changes=lambda actor, cleaned, now: {"team": Team(cleaned["team"]), "state": State.OPEN, **NOBODYS},
            reason="reason",
            values=lambda cleaned, entity_ids: {"team": cleaned["team"], "team_label": Team(cleaned["team"]).label},
        ),
        BulkMove(
            name="dismiss",
            label="Dismiss",
            does="Dismiss",
            did="dismissed",
            says="Closes them although their causes stay. They come back if a cause goes and returns.",
            verb="case.dismissed",
            form=Dismiss,
            bars=(
                *OF_MOVES,
                Bar(
                    code="holds-back",
                    when="c.holds_back",
                    words="'It holds work back, so it cannot be dismissed. Fix it or snooze it.'",
                    group="they hold work back",
                ),
            ),
            changes=lambda actor, cleaned, now: {
                "state": State.DISMISSED,
                "ended_at": now,
                "ended_by": actor,
                "ending": {"words": cleaned["reason"].strip()},
                **NOBODYS,
            },
            watches=(*IN_PLACE, "stake", "currency", "lines"),  # nobody dismisses more than what was shown
            reason="reason",
        ),
        BulkMove(
            name="note",
            label="Add a note",
            does="Note on",
            did="noted on",
            says="Stands on each timeline for good.",
            verb="case.noted",
            form=Note,
            bars=(NOT_ALLOWED,),
            writes={"notes": r"ltrim(c.notes || E'\n' || %(reason)s, E' \t\r\n')"},
            watches=(),
            reason="text",
        ),
    )
}


def _assignee(to: User | None) -> dict[str, Any]:
    return {"to": to and to.pk, "to_name": to and to.name, "to_works": queues_worked_by(to) if to else []}


def _asleep(cleaned: Mapping[str, Any], entity_ids: Collection[int]) -> dict[str, Any]:
    currency, for_run = cleaned["currency"], cleaned["wakes"] == Sleep.RUN
    fed = [f"{entity}:{code}" for name, entity in running_feeds(entity_ids) for code in FEEDS[name].opens] if for_run else []
    decimals = money.exponent(currency)
    return {
        "above": cleaned["above"],
        "currency": currency,
        "sign": money.sign(currency),
        "figure": "FM999,999,999,999,990" + (f".{'0' * decimals}" if decimals else ""),
        "for_run": for_run,
        "fed": fed,
    }
