"""What people do to a case without touching its cause: take it, put it back, snooze, hand over, dismiss, note."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions import operations
from apps.exceptions.models import Case, State
from apps.integrations.feeds import feeding
from apps.work.bulk.forms import Dismiss, HandOver, Note, NothingAsked, Sleep


class SnoozeForm(Sleep):
    """The currency is the one that the page showed."""

    currency = forms.CharField(max_length=3, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, case: Case, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["currency"].initial = case.currency
        self.fields["above"].label = f"Amount in {case.currency}"
        self.offer(feeding(case.type, case.entity_id), overdue=case.due_at <= timezone.now())


class AssignForm(forms.Form):
    to = forms.ModelChoiceField(User.objects.none(), label="Whose it is", required=False, empty_label="Nobody’s")


@dataclass(frozen=True, kw_only=True)
class Move:
    """`offered(case, me)`: whether the page shows it. `do(case, actor, cleaned)` raises Refused where it cannot be.
    `key` presses it.
    """

    name: str
    label: str
    says: str
    did: str
    do: Callable[[Case, User, dict[str, Any]], Any]
    form: type[forms.Form] = NothingAsked
    key: str = ""
    offered: Callable[[Case, User], bool] = lambda case, me: True


def _snooze(case: Case, actor: User, *, wakes: str, **said: Any) -> Case:
    return operations.snooze(case=case, actor=actor, next_run=wakes == Sleep.RUN, **said)


def _held_by(case: Case, me: User) -> bool:
    return case.state == State.CLAIMED and case.claimed_by == me


MOVES = {
    move.name: move
    for move in (
        Move(
            name="claim",
            label="Take it",
            says="",
            did="You hold this case. The claim lapses by itself after two hours.",
            do=lambda case, actor, cleaned: operations.claim(case=case, actor=actor),
            key="a",
            offered=lambda case, me: case.state == State.OPEN,
        ),
        Move(
            name="release",
            label="Put it back",
            says="",
            did="Nobody holds this case now.",
            do=lambda case, actor, cleaned: operations.release(case=case, actor=actor),
            offered=_held_by,
        ),
        Move(
            name="wake",
            label="Wake it now",
            says="",
            did="The case is open again.",
            do=lambda case, actor, cleaned: operations.wake(case=case, actor=actor),
            offered=lambda case, me: case.state == State.SNOOZED,
        ),
        Move(
            name="note",
            label="Add a note",
            says="Stands on the timeline for good.",
            did="The note is on the timeline.",
            do=lambda case, actor, cleaned: operations.note(case=case, actor=actor, **cleaned),
            form=Note,
        ),
        Move(
            name="assign",
            label="Assign",
            says="It stays theirs until it ends or leaves to another team.",
            did="Assigned.",
            do=lambda case, actor, cleaned: operations.assign(case=case, actor=actor, **cleaned),
            form=AssignForm,
        ),
        Move(
            name="snooze",
            label="Snooze",
            says="Leaves the queue for so long. What it holds back stays held back.",
            did="Snoozed. It comes back by itself.",
            do=lambda case, actor, cleaned: _snooze(case, actor, **cleaned),
            form=SnoozeForm,
            key="s",
        ),
        Move(
            name="hand-over",
            label="Hand over",
            says="Moves to the other team's queue with your reason.",
            did="Handed over.",
            do=lambda case, actor, cleaned: operations.hand_over(case=case, actor=actor, **cleaned),
            form=HandOver,
            key="e",
        ),
        Move(
            name="dismiss",
            label="Dismiss",
            says="Closes the case although its cause stays. It comes back if the cause goes and returns.",
            did="Dismissed.",
            do=lambda case, actor, cleaned: operations.dismiss(case=case, actor=actor, **cleaned),
            form=Dismiss,
            offered=lambda case, me: not case.holds_back,
        ),
    )
}


def form_for(move: Move, case: Case, me: User, data: Any = None) -> forms.Form:
    told = {"case": case} if move.form is SnoozeForm else {}
    form = move.form(data, auto_id=f"id_{move.name}_%s", **told)
    if move.form is AssignForm:
        form.fields["to"].queryset = operations.people_of([Team(case.team)], [case.entity_id])
        form.fields["to"].initial = case.assigned_to_id or me.pk
    if move.form is HandOver:
        form.fields["team"].choices = [(team.value, team.label) for team in Team if team != case.team]
    return form


def offered(case: Case, me: User, failed: tuple[Move, forms.Form] | None) -> list[tuple[Move, forms.Form]]:
    """The moves that fit the case now, each with its form; the one that failed with its faults."""
    fitting = [move for move in MOVES.values() if move.offered(case, me)]
    return [(move, failed[1] if failed and failed[0] == move else form_for(move, case, me)) for move in fitting]
