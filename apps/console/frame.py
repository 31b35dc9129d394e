"""What stands around a page: the places that this person's roles open, with what waits in each, and the companies."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from apps.console.alerts import faulty_channels
from apps.core.models import User
from apps.core.permissions import (
    IMPORT_SHEETS,
    KEEP_PEOPLE,
    READ_ALERTS,
    READ_JOBS,
    READ_MONEY,
    READ_ORDERS,
    READ_RUNS,
    READ_STOCK,
    Role,
    Team,
)
from apps.exceptions.models import State, Tally
from apps.integrations.jobs import TROUBLED
from apps.integrations.models import Job
from apps.integrations.runs import KIND as SYNC
from apps.work.models import Proposal


@dataclass(frozen=True)
class Place:
    """`also` is another address below which one is in this place too."""

    label: str
    url: str
    count: int | None = None
    alert: bool = False
    also: str = ""


def frame(context: dict[str, Any]) -> dict[str, Any]:
    """Template tag: the navigation in groups, the companies, the roles in words."""
    request = context["request"]
    user, companies = request.user, request.companies
    waiting = Proposal.objects.for_second(user).filter(entity__in=companies.ids).count()
    groups = [
        ("", [Place("Today", reverse("home")), Place("Approvals", reverse("approvals"), waiting or None, alert=True)]),
        (
            "Exceptions",
            [
                *_queues(user, companies.ids),
                Place("Bulk actions", reverse("bulks")),
                Place("Shift notes", reverse("shifts")),
                Place("Runbooks", reverse("runbooks")),
            ],
        ),
    ]
    if groups[-1][1]:
        groups[-1][1].append(Place("Trends", reverse("trends")))
    if user.may_anywhere(READ_MONEY):
        groups.append(
            (
                "Money",
                [
                    Place("Settlements", reverse("settlements")),
                    Place("Journals", reverse("journals")),
                    Place("Exports", reverse("exports")),
                    Place("Month close", reverse("close")),
                    Place("Reserve chains", reverse("chains")),
                    Place("GL mapping", reverse("mapping"), also=reverse("accounts")),
                ],
            )
        )
    held = [Place("Stock at Amazon", reverse("stock"))] if user.may_anywhere(READ_STOCK) else []
    if user.may_anywhere(READ_ORDERS):
        held.append(Place("Mappings", reverse("listings"), also=reverse("items")))
    groups.append(("Catalogue", held))
    if user.may_anywhere(READ_ORDERS):
        groups.append(("Orders", [Place("Orders", reverse("orders"))]))
    system = [Place("Audit", reverse("audit")), Place("API", reverse("api_docs"))]
    if user.may_anywhere(READ_ALERTS):
        silent = companies.within(faulty_channels(user)).count()
        system.insert(0, Place("Alerts", reverse("alerts"), silent or None, alert=True))
    if user.may_anywhere(READ_JOBS):
        waiting = Job.objects.visible_to(user).exclude(kind=SYNC).filter(state__in=TROUBLED).count()
        system.insert(0, Place("Jobs", reverse("jobs"), waiting or None, alert=True))
    if user.may_anywhere(IMPORT_SHEETS):
        system.insert(0, Place("Imports", reverse("imports")))
    if user.may_anywhere(READ_RUNS):
        system[:0] = [Place("Connections", reverse("connections")), Place("Sync runs", reverse("runs"))]
    if user.may_anywhere(KEEP_PEOPLE):
        system.append(Place("People", reverse("people")))
    groups.append(("System", system))
    # A case is in its team's queue.
    path = reverse("queue", args=[context["team"]]) if "team" in context else request.path
    return {
        "groups": [(name, [(place, _here(place, path)) for place in places]) for name, places in groups if places],
        "companies": companies,
        "roles": roles_in_words(user, companies.ids),
        "now": timezone.now(),
    }


def roles_in_words(user: User, entity_ids: list[int]) -> str:
    held = {role for entity in entity_ids for role in user.roles_in(entity)}
    return ", ".join(role.label for role in Role if role in held) or "No role yet"


def _queues(user: User, entity_ids: list[int]) -> list[Place]:
    seen = user.teams_seen_in()
    teams = [team for team in Team if any(team in seen.get(entity, ()) for entity in entity_ids)]
    waiting = Tally.objects.filter(entity_id__in=entity_ids, team__in=teams).exclude(state=State.SNOOZED)
    counts = dict(waiting.values_list("team").annotate(Sum("cases")))
    return [Place(team.label, reverse("queue", args=[team.value]), counts.get(team.value, 0)) for team in teams]


def _here(place: Place, path: str) -> bool:
    if place.url == "/":
        return path == place.url
    return path.startswith((place.url, place.also or place.url))
