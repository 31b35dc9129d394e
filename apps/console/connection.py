"""One connection: whether it is let in, how its feeds stand, and what an admin may change about them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from apps.console.deeds import attempt, may_not, named, offer
from apps.console.feed_states import standings
from apps.console.platform import platform_page
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.models import User
from apps.core.permissions import KEEP_CONNECTIONS, READ_RUNS, RUN_JOBS
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.integrations import endings, operations
from apps.integrations.checks import KIND as CHECK
from apps.integrations.exception_types.acting import plan_replacing
from apps.integrations.feeds import FEEDS, title_of
from apps.integrations.forms import CredentialsForm, MarketplacesForm
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Connection, Job, JobState, Source
from apps.integrations.words import span
from apps.inventory.exception_types import identities, snapshots
from apps.work.deeds import Deed

UNDER_WAY = (JobState.WAITING, JobState.RUNNING)


class _FeedForm(ReasonForm):
    """A change to one feed of the connection."""

    feed = forms.ModelChoiceField(Source.objects.none(), label="Feed", empty_label=None)
    wanted: dict[str, Any] = {}

    def __init__(self, connection: Connection, actor: User, data: Any = None):
        super().__init__(connection, actor, data)
        sources = connection.sources.filter(**self.wanted).order_by("feed")
        self.fields["feed"].queryset = sources
        self.fields["feed"].label_from_instance = lambda source: f"{title_of(source)}, every {span(source.every)}"
        self.fields["feed"].initial = sources.first()
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])


class ScheduleForm(_FeedForm):
    minutes = forms.IntegerField(label="Pull it every so many minutes", min_value=1, max_value=7 * 24 * 60)


class PauseForm(_FeedForm):
    wanted = {"paused": False}


class ResumeForm(_FeedForm):
    wanted = {"paused": True}


def _plan_schedule(connection: Connection, actor: User, cleaned: dict[str, Any]) -> Plan:
    source, every = cleaned["feed"], timedelta(minutes=cleaned["minutes"])
    feed = FEEDS.get(source.feed)
    slow = feed and every > feed.quiet_after
    warning = f" That is longer than the {span(feed.quiet_after)} after which it counts as quiet." if slow else ""
    return Plan(
        effect=f"Pull it every {span(every)}",
        says=f"{title_of(source)} is pulled every {span(source.every)} now.{warning}",
        digest=digest(source.pk, source.every, every),
    )


def _run_schedule(connection: Connection, actor: User, cleaned: dict[str, Any]) -> str:
    every = timedelta(minutes=cleaned["minutes"])
    source = operations.change_schedule(source=cleaned["feed"], every=every, reason=cleaned["reason"], actor=actor)
    return f"{title_of(source)} is pulled every {span(every)} from now on."


def _pausing(paused: bool) -> tuple[Callable, Callable]:
    def preview(connection: Connection, actor: User, cleaned: dict[str, Any]) -> Plan:
        source = cleaned["feed"]
        return Plan(
            effect=f"Pause {title_of(source)}" if paused else f"Go on with {title_of(source)}",
            says="It is not pulled until somebody goes on with it. What came before is kept, and while it is silent no case "
            "that hangs on it is cleared."
            if paused
            else "It is pulled by its schedule again, from where it stopped.",
            digest=digest(source.pk, source.paused),
        )

    def run(connection: Connection, actor: User, cleaned: dict[str, Any]) -> str:
        source = operations.pause(source=cleaned["feed"], paused=paused, reason=cleaned["reason"], actor=actor)
        return f"{title_of(source)} is paused." if paused else f"{title_of(source)} goes on."

    return preview, run


def _preview_credentials(connection: Connection, actor: User, cleaned: dict[str, Any]) -> Plan:
    return plan_replacing(connection)


def _run_credentials(connection: Connection, actor: User, cleaned: dict[str, Any]) -> str:
    operations.replace_credentials(connection=connection, credentials=cleaned, actor=actor)
    return "It signs in with the new credentials, and is being checked."


def _preview_marketplaces(connection: Connection, actor: User, cleaned: dict[str, Any]) -> Plan:
    chosen, now = cleaned["marketplaces"], connection.marketplaces
    added, left = [each for each in chosen if each not in now], [each for each in now if each not in chosen]
    says = []
    if added:
        says.append(f"New: {_names(added)}. Orders, stock and listings are read from their beginning; what is known stays.")
    if left:
        says.append(f"Left: {_names(left)}. What came from there stays as history; its stock counts as sellable no longer.")
    says.append("A run of these feeds that is under way ends, and a new one begins. A feed that is paused stays so.")
    effect = f"Bring {len(chosen)} marketplace{'' if len(chosen) == 1 else 's'}"
    return Plan(effect=effect, says=" ".join(says), digest=digest(connection.pk, sorted(now), sorted(chosen)))


def _run_marketplaces(connection: Connection, actor: User, cleaned: dict[str, Any]) -> str:
    chosen = cleaned["marketplaces"]
    operations.change_marketplaces(connection=connection, marketplaces=chosen, reason=cleaned["reason"], actor=actor)
    return f"It brings {_names(chosen)} from now on."


def _names(marketplaces: list[str]) -> str:
    return ", ".join(name_of(each) for each in marketplaces)


_PAUSE, _RESUME = _pausing(True), _pausing(False)
DEEDS = {
    deed.name: deed
    for deed in (
        Deed(
            name="schedule",
            label="Change a schedule",
            permission=KEEP_CONNECTIONS,
            form=ScheduleForm,
            preview=_plan_schedule,
            run=_run_schedule,
        ),
        Deed(
            name="pause",
            label="Pause a feed",
            permission=KEEP_CONNECTIONS,
            form=PauseForm,
            preview=_PAUSE[0],
            run=_PAUSE[1],
            clears=(endings.FEED_STALE,),
        ),
        Deed(
            name="resume",
            label="Go on with a feed",
            permission=KEEP_CONNECTIONS,
            form=ResumeForm,
            preview=_RESUME[0],
            run=_RESUME[1],
        ),
        Deed(
            name="marketplaces",
            label="Change the marketplaces",
            permission=KEEP_CONNECTIONS,
            form=MarketplacesForm,
            preview=_preview_marketplaces,
            run=_run_marketplaces,
            clears=(snapshots.CODE, identities.CODE),
        ),
        Deed(
            name="credentials",
            label="Replace the credentials",
            permission=KEEP_CONNECTIONS,
            form=CredentialsForm,
            preview=_preview_credentials,
            run=_run_credentials,
        ),
    )
}


@door(READ_RUNS, methods=["GET", "POST"])
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """With ?do= the deed of that name; without, changing a schedule."""
    mine = Connection.objects.visible_to(request.user, READ_RUNS)
    found = get_object_or_404(mine.select_related("entity"), pk=pk)
    if found.kind == Connection.Kind.PLATFORM:
        return platform_page(request, found)
    show_in_zone(found.entity)
    feeds = standings(found.sources.select_related("connection__entity").order_by("feed"), request.user)
    fitting = _fitting(found, [feed.source for feed in feeds])
    name = request.GET.get("do", next(iter(fitting), "schedule"))
    deed, here, attempted = named(DEEDS, name), reverse("connection", args=[pk]), None
    if request.method == "POST":
        attempted = attempt(deed, found, request)
        if attempted.done:
            return redirect(here)
    elif name in fitting and not may_not(deed, found, request.user):
        attempted = offer(deed, found, request.user)
    checked = Job.objects.filter(kind=CHECK, args__connection=pk).order_by("-pk").first()
    cases = Case.objects.visible_to(request.user).live().filter(type=endings.UNAUTHORISED, subject=str(pk))
    context = {
        "connection": found,
        "marketplaces": [name_of(each) for each in found.marketplaces],
        "feeds": feeds,
        "deed": deed,
        "attempted": attempted,
        "may_not": may_not(deed, found, request.user) if fitting else "",
        "action": f"{here}?do={name}",
        "others": [(other.name, other.label) for other in fitting.values() if other != deed],
        "checked": checked,
        "checking": checked is not None and checked.state in UNDER_WAY,
        "answered": [name_of(each) for each in checked.result.get("marketplaces", [])] if checked else [],
        "may_check": bool(feeds) and request.user.may(RUN_JOBS, found.entity_id),
        "case": cases.first(),
        "history": history(f"connection:{pk}", found.entity),
    }
    status = attempted.status if attempted and request.method == "POST" else 200
    asked = request.headers.get("HX-Target", "")
    return render_screen(request, "connection.html", context, partial="check" if asked == "check" else "preview", status=status)


@door(RUN_JOBS, methods=["POST"])
def connection_check(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Connection.objects.visible_to(request.user, READ_RUNS), pk=pk)
    operations.check_connection(connection=found, actor=request.user)
    return redirect("connection", pk=pk)


def _fitting(connection: Connection, sources: list[Source]) -> dict[str, Deed]:
    """The deeds that have something to work on."""
    if connection.kind == Connection.Kind.UPLOAD:
        return {}
    without = {
        "schedule": not sources,
        "pause": all(source.paused for source in sources),
        "resume": not any(source.paused for source in sources),
    }
    return {name: deed for name, deed in DEEDS.items() if not without.get(name)}
