"""A team's queue: live cases by rank. Its totals come from Tally, so that 100,000 cases cost what 50 do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse

from apps.console.screens import PAGE, Companies, door, query_without, render_screen
from apps.core.errors import NotAllowed
from apps.core.models import User
from apps.core.permissions import Team, works_for
from apps.exceptions.models import Case, Diagnosis, State, Tally
from apps.exceptions.types import REGISTRY

VIEWS = {  # name -> label, states
    "all": ("All open", (State.OPEN, State.CLAIMED)),
    "nobody": ("Nobody holds it", (State.OPEN,)),
    "held": ("In progress", (State.CLAIMED,)),
    "mine": ("Mine", (State.CLAIMED,)),
    "snoozed": ("Snoozed", (State.SNOOZED,)),
}


@dataclass(frozen=True)
class Filter:
    """What the address asks for; what it names and we do not know is left out."""

    view: str
    type: str
    diagnosis: str

    @classmethod
    def of(cls, asked: dict[str, str]) -> "Filter":
        view, kind, diagnosis = asked.get("view", ""), asked.get("type", ""), asked.get("diagnosis", "")
        return cls(
            view if view in VIEWS else "all",
            kind if kind in REGISTRY else "",
            diagnosis if diagnosis in Diagnosis.values else "",
        )

    @property
    def narrows(self) -> bool:
        return bool(self.type or self.diagnosis)

    @property
    def states(self) -> tuple[State, ...]:
        return VIEWS[self.view][1]

    @property
    def counted(self) -> bool:
        """Nothing keeps count of one person's cases."""
        return self.view != "mine"

    def condition(self, me: User) -> Q:
        wanted = Q(state__in=self.states)
        if self.view == "mine":
            wanted &= Q(claimed_by=me)
        if self.type:
            wanted &= Q(type=self.type)
        return wanted & Q(diagnosis=self.diagnosis) if self.diagnosis else wanted

    def fits(self, tally: Tally) -> bool:
        return (not self.type or tally.type == self.type) and (not self.diagnosis or tally.diagnosis == self.diagnosis)


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
    cases = Case.objects.select_related("entity", "claimed_by", "earlier").in_bulk(keys)
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
    asked = Filter.of(request.GET)
    tallies = list(Tally.objects.filter(entity_id__in=entity_ids, team=team))
    cases = ranked(
        [(entity, team) for entity in entity_ids],
        asked.condition(request.user) & _after(request.GET.get("after", "")),
        PAGE + 1,
    )
    shown = cases[:PAGE]
    context = {
        "team": team,
        "asked": asked,
        "views": _views(tallies, asked),
        "types": sorted((REGISTRY[code].title, code) for code in {t.type for t in tallies} & set(REGISTRY)),
        "diagnoses": Diagnosis.choices,
        "totals": totals(t for t in tallies if asked.fits(t) and t.state in asked.states),
        "unfiltered": totals(t for t in tallies if t.state in asked.states)["cases"],
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


def _views(tallies: list[Tally], asked: Filter) -> list[tuple[str, str, int | None]]:
    fitting = [t for t in tallies if asked.fits(t)]
    return [
        (name, label, None if name == "mine" else sum(t.cases for t in fitting if t.state in states))
        for name, (label, states) in VIEWS.items()
    ]


def _after(cursor: str) -> Q:
    """The cases behind "score:id"; all of them for a cursor that is none of ours."""
    score, _, pk = cursor.partition(":")
    try:
        return behind(float(score), int(pk))
    except ValueError:
        return Q()
