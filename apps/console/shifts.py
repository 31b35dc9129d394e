"""Notes between shifts: the list of them, one as it was written, ending one's own shift, taking over what another left."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from apps.console.deeds import attempt, offer
from apps.console.desks import desks
from apps.console.middleware import CONFLICT
from apps.console.queue import team_named
from apps.console.screens import door, page_of, query_without, render_screen, show_in_zone
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity
from apps.core.permissions import Team
from apps.work.models import ShiftNote
from apps.work.shifts import operations
from apps.work.shifts.deeds import END, Desk
from apps.work.shifts.drafting import draft

DIGITS = 18  # of a note's id at the most


@door()
def shifts(request: HttpRequest) -> HttpResponse:
    """The newest first. ?team= shows one team's."""
    user, companies = request.user, request.companies
    asked = request.GET.get("team", "")
    seen = {each for teams in user.teams_seen_in().values() for each in teams}
    teams = [team for team in Team if team in seen]
    rows = companies.within(ShiftNote.objects.visible_to(user))
    if asked in teams:
        rows = rows.filter(team=asked)
    after = request.GET.get("after", "")
    if after.isascii() and after.isdecimal() and len(after) <= DIGITS:
        rows = rows.filter(pk__lt=int(after))
    rows = rows.select_related("entity", "written_by", "to", "taken_by", "carried_by__taken_by")
    shown, more = page_of(rows.order_by("-pk"))
    now = timezone.now()
    context = {
        "rows": [(note, note.is_late(now)) for note in shown],
        "teams": [(team.value, team.label) for team in teams],
        "asked": asked if asked in teams else "",
        "desks": desks(user, companies),
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": companies.several,
    }
    return render_screen(request, "shifts.html", context)


@door()
def shift(request: HttpRequest, pk: int) -> HttpResponse:
    return _show(request, _seen_by(request, pk))


@door(methods=["POST"])
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    found = _seen_by(request, pk)
    try:
        operations.take_over(note=found, actor=request.user)
    except NotAllowed:
        raise
    except Refused as refused:
        return _show(request, _seen_by(request, pk), fault=refused.words)
    messages.success(request, f"Taken over. {found.written_by.name} and the team see that you have it.")
    return redirect("shift", pk=pk)


@door(methods=["GET", "POST"])
def end_shift(request: HttpRequest, entity: int, team: str) -> HttpResponse:
    """The note as it would be now, and what becomes of one's own cases. A POST previews it, or leaves it."""
    company, named = get_object_or_404(Entity.objects.visible_to(request.user), pk=entity), team_named(team)
    operations.check_works(request.user, company, named)
    show_in_zone(company)
    desk = Desk(company, named)
    attempted = attempt(END, desk, request) if request.method == "POST" else offer(END, desk, request.user)
    if attempted.done:
        return redirect("shift", pk=ShiftNote.objects.filter(entity=company, team=named, written_by=request.user).latest("pk").pk)
    about = operations.shift_of(company, named, timezone.now())
    context = {
        "company": company,
        "whose": named,
        "shift": about,
        **_facts([] if request.htmx else [section.said for section in draft(about)]),
        "attempted": attempted,
        "action": request.path,
    }
    return render_screen(request, "shift_end.html", context, partial="preview", status=attempted.status)


def _seen_by(request: HttpRequest, pk: int) -> ShiftNote:
    mine = ShiftNote.objects.visible_to(request.user)
    people = ("entity", "written_by", "to", "taken_by", "carried_by__taken_by")
    found = get_object_or_404(mine.select_related(*people), pk=pk)
    show_in_zone(found.entity)
    return found


def _facts(sections: list[dict]) -> dict[str, list]:
    """What was found, and the titles of what was looked for and not found."""
    return {
        "found": [section for section in sections if section["lines"]],
        "none": [section["title"] for section in sections if not section["lines"]],
    }


def _show(request: HttpRequest, found: ShiftNote, *, fault: str = "") -> HttpResponse:
    team = Team(found.team)
    works = request.user.works_for(team, found.entity_id)
    context: dict[str, Any] = {
        "note": found,
        "whose": team,
        "works": works,
        "takes": works and found.state == ShiftNote.State.WAITING and found.written_by_id != request.user.pk,
        "late": found.is_late(timezone.now()),
        "carries": list(found.carries.select_related("written_by", "to").order_by("-pk")),
        "fault": fault,
        **_facts(found.facts),
    }
    return render_screen(request, "shift.html", context, status=CONFLICT if fault else 200)
