"""What may be done to many cases without touching their causes: each move of one case, declared once in SQL.

The single verbs are apps.exceptions.operations. A test holds that both refuse the same cases and write the same.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions.models import ALARMS, State
from apps.exceptions.operations import CLAIM_LASTS, NOBODY_HAS_IT, NOBODYS, people_of
from apps.exceptions.waking import AWAKE
from apps.work.bulk.models import queue_key


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
WAKES_AT = 9  # o'clock
IN_PLACE = ("state", "team", "claimed_by_id", "assigned_to_id", *ALARMS)


def tomorrow_morning() -> datetime:
    """When a case wakes where a person names no other time."""
    return (timezone.localtime() + timedelta(days=1)).replace(hour=WAKES_AT, minute=0, second=0, microsecond=0)


class NothingAsked(forms.Form):
    """A button alone. All of these forms are told in which companies the cases are."""

    def __init__(self, *args: Any, entity_ids: Collection[int] = (), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.entity_ids = entity_ids


class Assign(NothingAsked):
    to = forms.ModelChoiceField(User.objects.none(), label="To", required=False, empty_label="Nobody")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = people_of(Team, self.entity_ids)


class Snooze(NothingAsked):
    until = forms.DateTimeField(
        label="Until", widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    )
    reason = forms.CharField(label="Reason, for the audit trail", max_length=400)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["until"].initial = tomorrow_morning()

    def clean_until(self) -> datetime:
        if self.cleaned_data["until"] <= timezone.now():
            raise forms.ValidationError("Choose a time that is still to come.")
        return self.cleaned_data["until"]


class HandOver(NothingAsked):
    team = forms.ChoiceField(label="To", choices=Team.choices)
    reason = forms.CharField(label="Why it is theirs", max_length=400)


class Dismiss(NothingAsked):
    reason = forms.CharField(label="Why nothing needs doing", max_length=400)


class Note(NothingAsked):
    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 3}), max_length=4000)


@dataclass(frozen=True, kw_only=True)
class BulkMove:
    """`label` is the button, `does` completes "… 412 exceptions", `did` "412 …".

    `verb` is the audit entry's. `changes(actor, cleaned, now)`: the columns of a case and what they become; `writes` are
    others, as SQL, of which the audit says nothing. `watches` are columns of c that are as they were at the dry run, or the
    case is skipped. `reason` names the form's field that is kept as the reason. `values(cleaned)`: more values for its bars.
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
    values: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda cleaned: {}

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
            values=lambda cleaned: _assignee(cleaned["to"]),
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
            changes=lambda actor, cleaned, now: {
                **NOBODY_HAS_IT,
                "state": State.SNOOZED,
                "snoozed_until": cleaned["until"],
            },
            reason="reason",
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
            values=lambda cleaned: {"team": cleaned["team"], "team_label": Team(cleaned["team"]).label},
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
