"""A team's queue: live cases by rank. Its totals come from Tally, so that 100,000 cases cost what 50 do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse

from apps.console.screens import PAGE, Companies, door, query_without, render_screen
from apps.core.errors import NotAllowed
from apps.core.models import User
from apps.core.permissions import Team, works_for
from apps.exceptions.models import Case, Diagnosis, Tally
from apps.exceptions.operations import people_of
from apps.exceptions.types import REGISTRY
from apps.work.counts import MOST, counts
from apps.work.filters import DUES, VIEWS, CaseFilter


def ranked(queues: Sequence[tuple[int, Team]], condition: Q, size: int) -> list[Case]:
    """The first cases by rank of these (company, team). Each is a branch that walks its part of queue_by_rank."""
    branches = [
        Case.objects.live().filter(condition, entity_id=entity, team=team).by_rank().values_list("id", "score")[:size]
        for entity, team in queues
    ]
    if not branches:
        return []
    first = branches[0]
    if len(branches) > 1:
        first = first.union(*branches[1:], all=True).order_by("-score", "id")[:size]
    keys = [key for key, _ in first]
    cases = Case.objects.select_related("entity", "assigned_to", "claimed_by", "earlier").in_bulk(keys)
    return [cases[key] for key in keys]


def behind(score: float, pk: int) -> Q:
    """The cases that rank below this one."""
    return Q(score__lt=score) | Q(score=score, id__gt=pk)


def cursor_of(case: Case) -> str:
    return f"{case.score!r}:{case.pk}"


@door()
def queue(request: HttpRequest, team: str) -> HttpResponse:
    team = team_named(team)
    entity_ids = entities_showing(request.user, request.companies, team)
    asked = CaseFilter.of(request.GET.dict() | {"team": team.value})
    tallies = list(Tally.objects.filter(entity_id__in=entity_ids, team=team))
    cases = ranked(
        [(entity, team) for entity in entity_ids],
        asked.condition(request.user) & _after(request.GET.get("after", "")),
        PAGE + 1,
    )
    shown, whole = cases[:PAGE], CaseFilter(view=asked.view)
    numbers = _numbers([replace(asked, view=view) for view in VIEWS], tallies, request.user, entity_ids)
    context = {
        "team": team,
        "asked": asked,
        "views": [(name, label, number) for (name, (label, _)), number in zip(VIEWS.items(), numbers, strict=True)],
        "types": sorted((REGISTRY[code].title, code) for code in {t.type for t in tallies} & set(REGISTRY)),
        "diagnoses": Diagnosis.choices,
        "dues": DUES.items(),
        "people": people_of(team, entity_ids),
        "number": numbers[list(VIEWS).index(asked.view)],
        "stakes": totals(t for t in tallies if asked.fits(t))["stakes"] if asked.tallied else {},
        "unfiltered": totals(t for t in tallies if whole.fits(t))["cases"] if whole.tallied else 0,
        "cases": shown,
        "next": cursor_of(shown[-1]) if len(cases) > PAGE else "",
        "kept": query_without(request, "after"),
        "base": query_without(request, "after", "view"),
        "works": any(works_for(role, team) for entity in entity_ids for role in request.user.roles_in(entity)),
        "several": request.companies.several,
        "watched": [kind.title for kind in REGISTRY.values() if kind.team == team],
    }
    return render_screen(request, "queue.html", context, partial="cases")


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
    return any(works_for(role, Team(case.team)) for role in user.roles_in(case.entity_id))


def totals(tallies: Any) -> dict[str, Any]:
    """{"cases": how many, "stakes": {currency: sum}}."""
    cases, stakes = 0, Counter()
    for tally in tallies:
        cases += tally.cases
        stakes[tally.currency] += tally.stake
    return {"cases": cases, "stakes": {currency: stake for currency, stake in stakes.items() if stake}}


def _numbers(asked: Sequence[CaseFilter], tallies: list[Tally], user: User, entity_ids: list[int]) -> list[str]:
    """How many cases each filter has, in words: from the tallies where they count it, else looked for up to 999."""
    looked_for = [each for each in asked if not each.tallied]
    found = dict(zip(looked_for, counts(looked_for, user, entity_ids), strict=True))
    return [
        _number(found[each], MOST) if each in found else f"{totals(t for t in tallies if each.fits(t))['cases']:,}"
        for each in asked
    ]


def _number(found: int, most: int) -> str:
    return f"{most - 1:,}+" if found >= most else f"{found:,}"


def _after(cursor: str) -> Q:
    """The cases behind "score:id"; all of them for a cursor that is none of ours."""
    score, _, pk = cursor.partition(":")
    try:
        return behind(float(score), int(pk))
    except ValueError:
        return Q()
