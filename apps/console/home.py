"""Today: what needs this person, what it is worth, and what is not in the books yet."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from apps.console.alerts import faulty_channels
from apps.console.connections import without_account
from apps.console.desks import desks, left_to, way_to_end
from apps.console.pictures import sparks
from apps.console.queue import totals
from apps.console.screens import Companies, door, render_screen
from apps.console.settlements import WAITING, Row, refused_files, rows_of
from apps.console.start import nothing_read_yet
from apps.console.trends import finding
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_CONNECTIONS, READ_MONEY, RUN_JOBS, Team
from apps.exceptions.models import State, Tally
from apps.exceptions.reference import score_words
from apps.exceptions.types import REGISTRY
from apps.integrations import jobs
from apps.integrations.models import Job
from apps.ledger.models import Journal
from apps.settlements.models import Settlement, SettlementJournal, SettlementVersion
from apps.work.flow import flows
from apps.work.models import Proposal
from apps.work.periods import FORTNIGHT
from apps.work.ranking import ranked
from apps.work.routines import ROUTINES, Day, Routine, days

TOP = 5
SETTLEMENTS_SHOWN = 8
JOBS_SHOWN = 5
DAYS_SHOWN = 5
WEEK = 7  # within it a weekly routine is due once
APPROVALS_SHOWN = 5


@dataclass(frozen=True)
class Books:
    """Payouts of taken settlements by how far their journals are, {currency: sum}; `rows` begins with the oldest."""

    incomplete: dict
    drafted: dict
    rows: list[Row]
    more: bool


@door()
def home(request: HttpRequest) -> HttpResponse:
    user, companies = request.user, request.companies
    if not companies.all or nothing_read_yet(user, companies):
        return redirect("start")
    mine = _queues(user, companies, works=True)
    queues = mine or _queues(user, companies, works=False)
    teams = [team for team in Team if any(team == other for _, other in queues)]
    tallies = [t for t in Tally.objects.filter(entity_id__in=companies.ids) if (t.entity_id, t.team) in set(queues)]
    waiting = (
        Q(state=State.OPEN) & (Q(assigned_to=None) | Q(assigned_to=user)) | Q(state=State.CLAIMED, claimed_by=user)
        if mine
        else Q(state__in=(State.OPEN, State.CLAIMED))
    )
    reads_money = user.may_anywhere(READ_MONEY)
    context: dict[str, Any] = {
        "works": bool(mine),
        "teams": teams,
        "open": totals(t for t in tallies if t.state != State.SNOOZED),
        "held": totals(t for t in tallies if t.state == State.CLAIMED),
        "snoozed": totals(t for t in tallies if t.state == State.SNOOZED),
        "top": [(case, score_words(case)) for case in ranked(queues, waiting, TOP)],
        "watched": [kind.title for kind in REGISTRY.values() if kind.team in teams],
        "books": _books(user, companies) if reads_money else None,
        "refused": refused_files(user, companies).count() if reads_money else 0,
        "routines": _routines(user, companies, teams),
        "troubled": _troubled(user, companies) if user.may_anywhere(RUN_JOBS) else None,
        "approvals": _approvals(user, companies),
        "unheard": list(companies.within(faulty_channels(user))),
        "unconnected": without_account([each for each in companies.shown if user.may(KEEP_CONNECTIONS, each.pk)]),
        "left": left_to(user, companies),
        "way_to_end": way_to_end(desks(user, companies)),
        "several": companies.several,
        **_flow(companies, queues),
    }
    return render_screen(request, "home.html", context)


def _flow(companies: Companies, queues: list[tuple[int, Team]]) -> dict[str, Any]:
    """What ended in the last two weeks, and how much of it by itself; nothing where nothing ended."""
    named = {entity.pk: entity for entity in companies.shown}
    found = flows([(named[entity], team) for entity, team in queues], FORTNIGHT, timezone.now())
    if not found.whole.ended:
        return {}
    days = found.by_cut.values()
    lines = sparks([[flow.opened for flow in days], [flow.ended for flow in days]])
    return {"flow": finding(found.whole, f"in the last {FORTNIGHT.title}"), "whole": found.whole, "sparks": lines}


def _queues(user: User, companies: Companies, *, works: bool) -> list[tuple[int, Team]]:
    """(company, team) of the queues that the person works, or reads."""
    seen = user.teams_seen_in()
    return [
        (entity, team)
        for entity in companies.ids
        for team in Team
        if (user.works_for(team, entity) if works else team in seen[entity])
    ]


def _books(user: User, companies: Companies) -> Books:
    """Nothing is approved or exported yet where a journal is incomplete or a draft."""
    mine = companies.within(Settlement.objects.visible_to(user))
    taken = SettlementVersion.objects.filter(settlement__in=mine, state=SettlementVersion.State.TAKEN)
    has = SettlementJournal.objects.filter(version=OuterRef("pk"))
    incomplete = Exists(has.filter(journal__state=Journal.State.INCOMPLETE))
    drafted = Exists(has.filter(journal__state=Journal.State.DRAFT))
    not_booked = mine.filter(
        Q(versions__state__in=WAITING)
        | Q(versions__journals__journal__state__in=[Journal.State.INCOMPLETE, Journal.State.DRAFT])
    )
    oldest = list(mine.filter(pk__in=not_booked.values("pk")).order_by("end_at", "pk")[: SETTLEMENTS_SHOWN + 1])
    return Books(
        incomplete=_payouts(taken.filter(incomplete)),
        drafted=_payouts(taken.filter(~incomplete, drafted)),
        rows=rows_of(oldest[:SETTLEMENTS_SHOWN]),
        more=len(oldest) > SETTLEMENTS_SHOWN,
    )


def _approvals(user: User, companies: Companies) -> list[Proposal]:
    """The changes that wait for this person's word, the oldest first."""
    mine = companies.within(Proposal.objects.for_second(user)).select_related("entity", "asked_by")
    return list(mine.order_by("pk")[:APPROVALS_SHOWN])


def _routines(user: User, companies: Companies, teams: list[Team]) -> list[tuple[Entity, Routine, list[Day]]]:
    """The last days of each routine of these teams, company by company."""
    now = timezone.now()
    return [
        (entity, routine, days(routine, entity, now, DAYS_SHOWN if routine.weekday is None else WEEK))
        for entity in companies.shown
        for routine in ROUTINES.values()
        if routine.team in teams and user.may(routine.reads, entity.pk)
    ]


def _payouts(versions: Any) -> dict:
    return dict(versions.order_by().values_list("settlement__currency").annotate(Sum("total")))


def _troubled(user: User, companies: Companies) -> list[tuple[Any, str]]:
    found = companies.within(Job.objects.visible_to(user)).filter(state__in=jobs.TROUBLED).select_related("file").order_by("-pk")
    return [(job, jobs.title(job)) for job in found[:JOBS_SHOWN]]
