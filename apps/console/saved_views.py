"""Views of a queue that are kept: a link to each, keeping the filter that is shown, renaming, sharing and removing."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.queue import address_of, entities_showing, show_queue, team_named
from apps.console.screens import door
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity
from apps.core.permissions import Team
from apps.work import saved_views
from apps.work.filters import CaseFilter
from apps.work.models import SavedView


@door()
def saved_view(request: HttpRequest, team: str, pk: UUID) -> HttpResponse:
    """The link that people send each other: the queue with the view's filter."""
    return show_queue(request, CaseFilter.of(_seen_by(request, team_named(team), pk).asks))


@door(methods=["POST"])
def save_view(request: HttpRequest, team: str) -> HttpResponse:
    """Keep the filter of the address under the name of the form."""
    asked = CaseFilter.of(request.GET.dict() | {"team": team_named(team).value})
    try:
        view = saved_views.save(actor=request.user, asked=asked, name=request.POST.get("name", ""))
    except NotAllowed:
        raise
    except Refused as refused:
        return show_queue(request, asked, refused=refused.words, status=UNPROCESSABLE)
    messages.success(request, f"Saved as “{view.name}”. It is yours alone, until you give it to the team.")
    return redirect(address_of(asked))


@door(methods=["POST"])
def saved_view_do(request: HttpRequest, team: str, pk: UUID, name: str) -> HttpResponse:
    """Rename it, give it to the team, remove it."""
    view = _seen_by(request, team_named(team), pk)
    asked = {"view": view, "actor": request.user}
    deeds = {
        "rename": lambda: saved_views.rename(**asked, name=request.POST.get("name", "")),
        "share": lambda: saved_views.share(**asked, entity=_company(request)),
        "remove": lambda: saved_views.remove(**asked),
    }
    if name not in deeds:
        raise Http404(f"nothing called {name}")
    try:
        deeds[name]()
    except NotAllowed:
        raise
    except Refused as refused:
        return show_queue(request, CaseFilter.of(view.asks), refused=refused.words, status=UNPROCESSABLE)
    did = {
        "rename": "Renamed.",
        "share": f"Everybody who reads the queue of {Team(team).label} sees “{view.name}” now.",
        "remove": f"“{view.name}” is removed. The cases stay as they are.",
    }
    messages.success(request, did[name])
    return redirect(address_of(CaseFilter.of(view.asks)))


def _seen_by(request: HttpRequest, team: Team, pk: UUID) -> SavedView:
    entities_showing(request.user, request.companies, team)
    return get_object_or_404(SavedView.objects.visible_to(request.user), team=team, pk=pk)


def _company(request: HttpRequest) -> Entity:
    found = [entity for entity in request.companies.all if str(entity.pk) == request.POST.get("company")]
    if not found:
        raise Refused("Choose the company whose team it is for.", field="company")
    return found[0]
