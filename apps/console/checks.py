"""A routine of a company: what there is to see now, the last days with who signed, signing it, marking a day as peak."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.whose import Whose, whose
from apps.core.errors import NotAllowed
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_CALENDAR
from apps.core.refusals import not_allowed_words, who_can
from apps.exceptions.models import Case
from apps.work.models import SignedCheck
from apps.work.routine_deeds import PEAK, SIGN, Subject, deeds_of
from apps.work.routines import ROUTINES, Entry, Routine, days, decided, due, next_due
from apps.work.workdays import is_set

ENTRIES_SHOWN = 200
DAYS_SHOWN = 7


@door()
def check(request: HttpRequest, entity: int, name: str) -> HttpResponse:
    """?do=peak chooses the other deed."""
    subject = _subject(request, entity, name)
    deeds = deeds_of(subject.routine)
    deed = deeds.get(request.GET.get("do", ""), deeds[SIGN.name])
    able = not may_not(deed, subject, request.user) and (
        deed is PEAK or due(subject.routine, subject.entity, subject.now)
    )
    return _show(request, subject, offer(deed, subject, request.user) if able else None)


@door(methods=["POST"])
def check_do(request: HttpRequest, entity: int, name: str, deed: str) -> HttpResponse:
    """Preview the deed, or do it if it still matches the preview."""
    subject = _subject(request, entity, name)
    deeds = deeds_of(subject.routine)
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
    deeds = deeds_of(subject.routine)
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
        "calendar_set": is_set(subject.entity),
        "keeps_calendar": request.user.may(KEEP_CALENDAR, subject.entity_id),
        "calendar_by": who_can(KEEP_CALENDAR, [subject.entity_id]),
    }
    status = attempted.status if attempted else 200
    return render_screen(request, "check.html", context, partial="preview", status=status)
