"""Ending a shift as a change with a preview: the note, to whom it goes, and what becomes of each own case."""

from dataclasses import dataclass
from typing import Any

from django import forms

from apps.core.models import Entity, User
from apps.core.permissions import END_SHIFTS, Team
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.work.deeds import Deed
from apps.work.shifts import operations
from apps.work.shifts.operations import LONGEST, Choice

CHOICES = [(Choice.KEEP, "Stays yours"), (Choice.RELEASE, "Put it back"), (Choice.HAND, "Hand it to the person above")]


@dataclass
class Desk:
    """The record of this deed: a team's work in a company."""

    entity: Entity
    team: Team

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    def refresh_from_db(self) -> None:
        self.entity.refresh_from_db()


class ShiftForm(forms.Form):
    """`cases` are the person's own; each is asked for in a field of its own."""

    to = forms.ChoiceField(label="To whom", required=False)
    words = forms.CharField(
        label="In your words", required=False, max_length=LONGEST, widget=forms.Textarea({"rows": 5}),
        help_text="What the figures do not say: who was called, what was promised, what to watch.",
    )  # fmt: skip

    def __init__(self, desk: Desk, actor: User, data: Any = None):
        super().__init__(data)
        self.people = {str(each.pk): each for each in operations.next_people(desk.entity, desk.team, actor)}
        self.cases = operations.own_cases(desk.entity, desk.team, actor)
        everyone = ("", f"Whoever comes next in {desk.team.label}")
        self.fields["to"].choices = [everyone, *((pk, person.name) for pk, person in self.people.items())]
        for case in self.cases:
            self.fields[_field(case)] = forms.TypedChoiceField(
                label=case.kind.headline(case), choices=CHOICES, coerce=Choice, initial=_usual(case, actor)
            )

    @property
    def asked(self) -> list[tuple[Case, forms.BoundField]]:
        return [(case, self[_field(case)]) for case in self.cases]

    @property
    def said(self) -> list[forms.BoundField]:
        return [self["to"], self["words"]]

    def clean_to(self) -> User | None:
        return self.people.get(self.cleaned_data["to"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        cleaned["choices"] = {case.pk: cleaned[_field(case)] for case in self.cases if _field(case) in cleaned}
        if not cleaned.get("to") and Choice.HAND in cleaned["choices"].values():
            self.add_error("to", "Say to whom: a case goes to one person.")
        return cleaned


def _field(case: Case) -> str:
    return f"case_{case.pk}"


def _usual(case: Case, actor: User) -> Choice:
    """What is assigned stays; a claim would lapse anyway."""
    return Choice.KEEP if case.assigned_to == actor else Choice.RELEASE


def _preview(desk: Desk, actor: User, cleaned: dict[str, Any]) -> Plan:
    operations.check_works(actor, desk.entity, desk.team)
    to, choices = cleaned["to"], cleaned["choices"]
    operations.check_next(desk.entity, desk.team, actor, to)
    cases = operations.own_cases(desk.entity, desk.team, actor)
    waiting = operations.waiting_note(desk.entity, desk.team)
    moves = [(case, operations.did(case, choices[case.pk], actor, to)) for case in cases if case.pk in choices]
    carries = (
        f"{waiting.written_by.name}’s note is not taken over yet: this one carries it along, and one signature takes both over."
        if waiting
        else ""
    )
    return Plan(
        effect=f"Hand over to {to.name if to else desk.team.label}",
        says="The figures are taken as they are at that moment, and the note stays as it is then.",
        digest=digest(
            desk.entity.pk,
            desk.team.value,
            to and to.pk,
            waiting and waiting.pk,
            *((case.pk, case.state, case.claimed_by_id, case.assigned_to_id, choices[case.pk].value) for case, _ in moves),
        ),
        detail={"to": to, "team": desk.team, "moves": moves, "carries": carries},
    )


def _run(desk: Desk, actor: User, cleaned: dict[str, Any]) -> str:
    note = operations.end_shift(
        entity=desk.entity,
        team=desk.team,
        actor=actor,
        to=cleaned["to"],
        words=cleaned["words"],
        choices=cleaned["choices"],
    )
    changed = [choice for choice in cleaned["choices"].values() if choice != Choice.KEEP]
    whom = note.to.name if note.to else desk.team.label
    return f"Handed over to {whom}. {counted(len(changed), 'case') if changed else 'No case'} changed hands."


END = Deed(
    name="end",
    label="Leave a note",
    permission=END_SHIFTS,
    form=ShiftForm,
    preview=_preview,
    run=_run,
    template="shifts/plan.html",
    form_template="shifts/form.html",
)
