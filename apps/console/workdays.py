"""A company's month: what each routine asked for and who signed, the holidays, and which days its people work."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_CALENDAR
from apps.core.refusals import not_allowed_words
from apps.work.routines import ROUTINES, Day, Routine, days_between
from apps.work.workdays import WEEKDAYS, calendar_of, set_calendar, set_day


class WeekForm(forms.Form):
    weekdays = forms.TypedMultipleChoiceField(
        label="Days of the week", coerce=int, choices=list(enumerate(WEEKDAYS)), widget=forms.CheckboxSelectMultiple
    )
    country = forms.CharField(
        label="Public holidays of", max_length=2, required=False, help_text="Two letters: GB, DE. Empty for none."
    )
    subdivision = forms.CharField(
        label="Region",
        max_length=10,
        required=False,
        help_text="Where holidays differ inside the country: ENG, SCT, BY.",
    )

    def clean_country(self) -> str:
        return self.cleaned_data["country"].upper()

    def clean_subdivision(self) -> str:
        return self.cleaned_data["subdivision"].upper()


class DayForm(forms.Form):
    day = forms.DateField(label="Day", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    works = forms.TypedChoiceField(
        label="On it", coerce=lambda said: said == "yes", choices=[("no", "Nobody works"), ("yes", "We work")]
    )
    name = forms.CharField(label="What it is", max_length=80)


FORMS: dict[str, tuple[type[forms.Form], Callable[..., Any], str]] = {
    "week": (WeekForm, set_calendar, "The working days are set. Routines ask by them from now on."),
    "day": (DayForm, set_day, "The day is set."),
}


@door(methods=["GET", "POST"])
def work_calendar(request: HttpRequest, entity: int) -> HttpResponse:
    """?month=2026-11. A POST sets the week, or one day."""
    company = get_object_or_404(Entity.objects.visible_to(request.user), pk=entity)
    show_in_zone(company)
    calendar = calendar_of(company)
    given = {"weekdays": calendar.weekdays, "country": calendar.country, "subdivision": calendar.subdivision}
    shown: dict[str, forms.Form] = {
        "week": WeekForm(initial=given, auto_id="id_week_%s"),
        "day": DayForm(auto_id="id_day_%s"),
    }
    status = 200
    if request.method == "POST":
        name = "day" if "day" in request.POST else "week"
        if done := _set(name, company, request, shown):
            messages.success(request, done)
            return redirect(request.get_full_path())
        status = UNPROCESSABLE
    first = _month(request.GET.get("month", ""))
    rows = _rows(request.user, company, first)
    context = {
        "company": company,
        "unset": calendar.pk is None,
        "first": first,
        "before": f"{first - timedelta(days=1):%Y-%m}",
        "after": f"{_following(first):%Y-%m}",
        "routines": [routine for routine, _ in rows],
        "days": [(days[0], days) for days in zip(*(month for _, month in rows), strict=True)],
        "missed": sum(slot.missed for _, month in rows for day in month for slot in day.slots),
        "today": timezone.localdate(),
        "forms": shown if request.user.may(KEEP_CALENDAR, company.pk) else {},
        "may_not": ""
        if request.user.may(KEEP_CALENDAR, company.pk)
        else not_allowed_words(KEEP_CALENDAR, request.user),
        "history": history(f"calendar:{company.pk}", company),
    }
    return render_screen(request, "work_calendar.html", context, status=status)


def _set(name: str, company: Entity, request: HttpRequest, shown: dict[str, forms.Form]) -> str:
    """What to say when it is set; empty where the form has a fault, which then is among those shown."""
    made, verb, done = FORMS[name]
    form = shown[name] = made(request.POST, auto_id=f"id_{name}_%s")
    if not form.is_valid():
        return ""
    try:
        verb(entity=company, actor=request.user, **form.cleaned_data)
    except NotAllowed:
        raise
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        return ""
    return done


def _month(asked: str) -> date:
    try:
        return date.fromisoformat(f"{asked}-01")
    except ValueError:
        return timezone.localdate().replace(day=1)


def _following(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _rows(person: User, company: Entity, first: date) -> list[tuple[Routine, list[Day]]]:
    """Each routine that the person reads with the days of the month."""
    last = _following(first) - timedelta(days=1)
    now = timezone.now()
    return [
        (routine, days_between(routine, company, now, first, last))
        for routine in ROUTINES.values()
        if person.may(routine.reads, company.pk)
    ]
