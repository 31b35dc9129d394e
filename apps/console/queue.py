"""A team's queue: live cases by rank. Its totals come from Tally, so that 100,000 cases cost what 50 do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.console.desks import desks, left_to, way_to_end
from apps.console.screens import PAGE, Companies, door, render_screen
from apps.core.errors import NotAllowed
from apps.core.models import User
from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis, Tally
from apps.exceptions.operations import people_of
from apps.exceptions.types import REGISTRY, Action
from apps.work.bulk.moves import BULK_MOVES
from apps.work.counts import MOST, counts
from apps.work.filters import DUES, OPENED, VIEWS, CaseFilter
from apps.work.ranking import behind, ranked
from apps.work.saved_views import may_change, saved_for


def cursor_of(case: Case) -> str:
    return f"{case.score!r}:{case.pk}"


@door()
def queue(request: HttpRequest, team: str) -> HttpResponse:
    return show_queue(request, CaseFilter.of(request.GET.dict() | {"team": team_named(team).value}))


def show_queue(request: HttpRequest, asked: CaseFilter, *, refused: str = "", status: int = 200) -> HttpResponse:
    """The queue as the filter asks for it; `refused` are the words of what could not be done to it."""
    team = Team(asked.team)
    entity_ids = entities_showing(request.user, request.companies, team)
    tallies = list(Tally.objects.filter(entity_id__in=entity_ids, team=team))
    queues = [(entity, team) for entity in entity_ids]
    after = _after(request.GET.get("after", ""))
    cases = ranked(queues, asked.condition(request.user), PAGE + 1, after=after, rare=not asked.tallied)
    shown, whole = cases[:PAGE], CaseFilter(view=asked.view)
    saved = saved_for(request.user, team, entity_ids)
    tabs = [replace(asked, view=view) for view in VIEWS]
    # What no tally counts is counted where one is, and for what one keeps: five views of a search would be five searches.
    numbered = [tab for tab in tabs if tab == asked or tab.tallied or replace(tab, view="all").tallied]
    numbers = _numbers([*numbered, *(asks for _, asks in saved)], tallies, request.user, entity_ids)
    works = [entity for entity in entity_ids if request.user.works_for(team, entity)]
    context = {
        "team": team,
        "asked": asked,
        "views": [(VIEWS[tab.view][0], address_of(tab), tab == asked, numbers.get(tab)) for tab in tabs],
        "saved": [(view, numbers[asks], asks == asked) for view, asks in saved],
        "here": [(view, may_change(view, request.user)) for view, asks in saved if asks == asked],
        "clear": address_of(CaseFilter(team=team, view=asked.view)),
        "said": _said(asked),
        "shares_at": [entity for entity in request.companies.all if entity.pk in works],
        "types": sorted((REGISTRY[code].title, code) for code in {t.type for t in tallies} & set(REGISTRY)),
        "diagnoses": Diagnosis.choices,
        "dues": DUES.items(),
        "openings": OPENED,
        "people": people_of([team], entity_ids),
        "number": numbers[asked],
        "stakes": totals(t for t in tallies if asked.fits(t))["stakes"] if asked.tallied else {},
        "unfiltered": totals(t for t in tallies if whole.fits(t))["cases"] if whole.tallied else 0,
        "cases": shown,
        "next": cursor_of(shown[-1]) if len(cases) > PAGE else "",
        "works": bool(works),
        "bulk_moves": BULK_MOVES.values(),
        "bulk_actions": [each for each in _actions(asked) if request.user.may_anywhere(each.permission)],
        "several": request.companies.several,
        "left": left_to(request.user, request.companies, team),
        "way_to_end": way_to_end(desks(request.user, request.companies, team)),
        "refused": refused,
        "watched": [kind.title for kind in REGISTRY.values() if kind.team == team],
    }
    return render_screen(request, "queue.html", context, partial="cases", status=status)


def _actions(asked: CaseFilter) -> Sequence[Action]:
    """Those of the one type that is asked for."""
    return REGISTRY[asked.type].actions if asked.type else ()


def address_of(asked: CaseFilter) -> str:
    """Where the filter's queue is shown by it."""
    said = _said(asked)
    return reverse("queue", args=[asked.team]) + (f"?{said}" if said else "")


def team_named(name: str) -> Team:
    if name not in Team.values:
        raise Http404(f"no team {name}")
    return Team(name)


def entities_showing(user: User, companies: Companies, team: Team) -> list[int]:
    """The companies in view in which the person reads this team's queue; none at all is a refusal."""
    seen = user.teams_seen_in()
    if not any(team in teams for teams in seen.values()):
        raise NotAllowed(f"Your role does not read the queue of {team.label}. Its own people, admins and viewers do.")
    return [entity for entity in companies.ids if team in seen[entity]] or [e for e in seen if team in seen[e]]


def acts_on(user: User, case: Case) -> bool:
    """Whether the person works for the team whose case it is, in the case's company."""
    return user.works_for(Team(case.team), case.entity_id)


def totals(tallies: Any) -> dict[str, Any]:
    """{"cases": how many, "stakes": {currency: sum}}."""
    cases, stakes = 0, Counter()
    for tally in tallies:
        cases += tally.cases
        stakes[tally.currency] += tally.stake
    return {"cases": cases, "stakes": {currency: stake for currency, stake in stakes.items() if stake}}


def _numbers(
    asked: Sequence[CaseFilter], tallies: list[Tally], user: User, entity_ids: list[int]
) -> dict[CaseFilter, str]:
    """How many cases each filter has, in words: from the tallies where they count it, else looked for up to 999."""
    looked_for = [each for each in dict.fromkeys(asked) if not each.tallied]
    found = counts(looked_for, user, entity_ids)
    numbers = {each: f"{totals(t for t in tallies if each.fits(t))['cases']:,}" for each in asked if each.tallied}
    return numbers | {
        each: f"{number:,}" if number < MOST else f"{MOST - 1:,}+" for each, number in zip(looked_for, found, strict=True)
    }


def _after(cursor: str) -> Q:
    """The cases behind "score:id"; all of them for a cursor that is none of ours."""
    score, _, pk = cursor.partition(":")
    try:
        return behind(float(score), int(pk))
    except ValueError:
        return Q()


def _said(asked: CaseFilter) -> str:
    """The filter as the address of its queue says it."""
    return urlencode({name: value for name, value in asked.params().items() if name != "team"})
