"""A routine of a company: what there is to see now, the last days with who signed, signing it, marking a day as peak."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.whose import Whose, whose
from apps.core.errors import NotAllowed
from apps.core.models import Entity, User
from apps.core.permissions import SIGN_CHECKS
from apps.core.refusals import not_allowed_words
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.work.deeds import Deed
from apps.work.models import SignedCheck
from apps.work.routines import ROUTINES, Entry, Routine, days, decided, due, mark_peak, next_due, sign

ENTRIES_SHOWN = 200
DAYS_SHOWN = 7


@dataclass
class Subject:
    """What a deed of this screen is about: a routine of a company, at one instant."""

    entity: Entity
    routine: Routine
    now: datetime

    @property
    def entity_id(self) -> int:
        return self.entity.pk

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


def _deeds(routine: Routine) -> dict[str, Deed]:
    """Whoever signs a routine may sign it; days are marked as peak where it is signed more often on them."""
    sign_it = replace(SIGN, permission=routine.permission)
    return {deed.name: deed for deed in (sign_it, PEAK)} if routine.peak_hours else {sign_it.name: sign_it}


@door()
def check(request: HttpRequest, entity: int, name: str) -> HttpResponse:
    """?do=peak chooses the other deed."""
    subject = _subject(request, entity, name)
    deeds = _deeds(subject.routine)
    deed = deeds.get(request.GET.get("do", ""), deeds[SIGN.name])
    able = not may_not(deed, subject, request.user) and (
        deed is PEAK or due(subject.routine, subject.entity, subject.now)
    )
    return _show(request, subject, offer(deed, subject, request.user) if able else None)


@door(methods=["POST"])
def check_do(request: HttpRequest, entity: int, name: str, deed: str) -> HttpResponse:
    """Preview the deed, or do it if it still matches the preview."""
    subject = _subject(request, entity, name)
    deeds = _deeds(subject.routine)
    if deed not in deeds:
        raise Http404(f"nothing called {deed}")
    attempted = attempt(deeds[deed], subject, request)
    if attempted.done:
        return redirect("check", entity=entity, name=name)
    return _show(request, subject, attempted)


@door()
def signed_check(request: HttpRequest, pk: int) -> HttpResponse:
    """A check as it was signed."""
    mine = SignedCheck.objects.filter(entity__in=request.companies.all).select_related("entity", "signed_by")
    found = get_object_or_404(mine, pk=pk)
    _check_reads(request.user, ROUTINES[found.routine], found.entity)
    show_in_zone(found.entity)
    context = {
        "check": found,
        "routine": ROUTINES[found.routine],
        "seen": found.seen[:ENTRIES_SHOWN],
        "zero": ROUTINES[found.routine].heading(()),
        "kinds": _kinds(ROUTINES[found.routine], (entry["kind"] for entry in found.seen)),
    }
    return render_screen(request, "signed_check.html", context)


def _subject(request: HttpRequest, entity: int, name: str) -> Subject:
    if name not in ROUTINES:
        raise Http404(f"no routine {name}")
    found = get_object_or_404(Entity.objects.visible_to(request.user), pk=entity)
    _check_reads(request.user, ROUTINES[name], found)
    show_in_zone(found)
    return Subject(found, ROUTINES[name], timezone.now())


def _check_reads(person: User, routine: Routine, entity: Entity) -> None:
    if not person.may(routine.reads, entity.pk):
        raise NotAllowed(not_allowed_words(routine.reads, person))


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What several entries have in common: the case that they wait on, or else their reason."""

    title: str
    whose: Whose | None
    entries: list[Entry]


def _causes(entries: list[Entry], person: User) -> list[Cause]:
    """The entries by cause; the cause of the most urgent one first."""
    cases = Case.objects.select_related("entity", "claimed_by").in_bulk({entry.case for entry in entries if entry.case})
    about = {each.case.pk: each for each in whose(cases.values(), person)}
    groups: dict[Any, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.case or entry.why, []).append(entry)
    return [
        Cause(title=about[cause].case.kind.headline(about[cause].case), whose=about[cause], entries=rows)
        if cause in about
        else Cause(title=rows[0].why, whose=None, entries=rows)
        for cause, rows in groups.items()
    ]


def _kinds(routine: Routine, found: Any) -> list[tuple[str, int]]:
    """(what it is in words, how many), the most urgent kind first."""
    kinds = sorted(found, key=list(routine.kinds).index)
    return [(routine.kinds[kind], len(list(rows))) for kind, rows in groupby(kinds)]


def _show(request: HttpRequest, subject: Subject, attempted: Attempted | None) -> HttpResponse:
    entries: list[Entry] = list(subject.routine.gather(subject.entity, subject.now))
    deeds = _deeds(subject.routine)
    chosen = attempted.deed if attempted else deeds[SIGN.name]
    week = days(subject.routine, subject.entity, subject.now, DAYS_SHOWN)
    context = {
        "company": subject.entity,
        "routine": subject.routine,
        "shown": len(entries[:ENTRIES_SHOWN]),
        "causes": _causes(entries[:ENTRIES_SHOWN], request.user),
        "count": len(entries),
        "heading": subject.routine.heading(entries),
        "kinds": _kinds(subject.routine, (entry.kind for entry in entries)),
        "decided": decided(subject.routine, subject.entity, entries),
        "week": week,
        "missed": sum(slot.missed for day in week for slot in day.slots),
        "due": due(subject.routine, subject.entity, subject.now),
        "next_due": next_due(subject.routine, subject.entity, subject.now),
        "attempted": attempted,
        "may_not": may_not(deeds[SIGN.name], subject, request.user),
        "others": [(deed.name, deed.label) for deed in deeds.values() if deed != chosen] if attempted else [],
        "others_alone": not attempted and PEAK.name in deeds and not may_not(PEAK, subject, request.user),
        "off": week[-1].off,
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "check.html", context, partial="preview", status=status)
