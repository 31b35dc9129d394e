"""What people do about a routine after a preview: sign what is there now, mark a day as peak."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.models import Entity, User
from apps.core.permissions import SIGN_CHECKS
from apps.exceptions.types import Plan, digest
from apps.work.deeds import Deed
from apps.work.routines import Routine, decided, mark_peak, sign


@dataclass
class Subject:
    """A routine of a company, at one instant."""

    entity: Entity
    routine: Routine
    now: datetime

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    @property
    def name(self) -> str:
        return self.routine.name

    @property
    def key(self) -> str:
        """How an address names it: 12-rejected-orders."""
        return f"{self.entity_id}-{self.name}"

    def refresh_from_db(self) -> None:
        self.now = timezone.now()


class SignForm(forms.Form):
    note = forms.CharField(label="What you decided, if you want to say it", required=False, max_length=1000,
                           widget=forms.Textarea({"rows": 3}))  # fmt: skip

    def __init__(self, subject: Subject, actor: User, data: Any = None):
        super().__init__(data)


class PeakForm(forms.Form):
    day = forms.DateField(label="Day", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))

    def __init__(self, subject: Subject, actor: User, data: Any = None):
        super().__init__(data)
        self.fields["day"].help_text = f"Signed {len(subject.routine.peak_hours)} times on that day."


def _preview_sign(subject: Subject, actor: User, cleaned: dict[str, Any]) -> Plan:
    entries = subject.routine.gather(subject.entity, subject.now)
    late = [entry.label for entry in entries if entry.late]
    count = len(entries)
    effect = "Sign with zero" if not count else f"Sign with {count:,} left" if count > 1 else "Sign with one left"
    named = f" {len(late):,} past their deadline {'is' if len(late) == 1 else 'are'} named in it." if late else ""
    return Plan(
        effect=effect,
        says=f"It says what was there, what was decided and what is left, with your name.{named}",
        digest=digest([entry.said for entry in entries], decided(subject.routine, subject.entity, entries)),
    )


def _run_sign(subject: Subject, actor: User, cleaned: dict[str, Any]) -> str:
    check = sign(
        routine=subject.routine, entity=subject.entity, now=subject.now, note=cleaned["note"].strip(), actor=actor
    )
    return f"Signed: {len(check.seen):,} seen, {len(check.decided):,} decided since the last one."


def _preview_peak(subject: Subject, actor: User, cleaned: dict[str, Any]) -> Plan:
    return Plan(
        effect=f"Mark {cleaned['day']:%d.%m.%Y} as peak",
        says=f"{subject.routine.title} is signed at {' and '.join(f'{at:%H:%M}' for at in subject.routine.peak_hours)}.",
        digest=digest(cleaned["day"]),
    )


def _run_peak(subject: Subject, actor: User, cleaned: dict[str, Any]) -> str:
    return f"{mark_peak(routine=subject.routine, entity=subject.entity, day=cleaned['day'], actor=actor).day:%d.%m.%Y} is peak."


SIGN = Deed(
    name="sign", label="Sign the check", permission=SIGN_CHECKS, form=SignForm, preview=_preview_sign, run=_run_sign
)
PEAK = Deed(
    name="peak", label="Mark a day as peak", permission=SIGN_CHECKS, form=PeakForm, preview=_preview_peak, run=_run_peak
)


def deeds_of(routine: Routine) -> dict[str, Deed]:
    """Whoever signs a routine may sign it; days are marked as peak where it is signed more often on them."""
    sign_it = replace(SIGN, permission=routine.permission)
    return {deed.name: deed for deed in (sign_it, PEAK)} if routine.peak_hours else {sign_it.name: sign_it}
