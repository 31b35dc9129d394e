"""What every screen shares: the door, the companies in view, the answer as a page or a part of it, pages of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from apps.core.errors import NotAllowed
from apps.core.models import Entity
from apps.core.permissions import Permission
from apps.core.refusals import not_allowed_words

PAGE = 50
COMPANY = "company"
UNSENT = "unsent"
ADDRESS_LONGEST = 2000


@dataclass(frozen=True)
class Companies:
    """The person's companies, and the one that the switcher is set to, if it is."""

    all: tuple[Entity, ...]
    chosen: Entity | None

    @property
    def shown(self) -> tuple[Entity, ...]:
        return (self.chosen,) if self.chosen else self.all

    @property
    def ids(self) -> list[int]:
        return [entity.pk for entity in self.shown]

    @property
    def several(self) -> bool:
        return len(self.shown) > 1

    def within(self, rows: QuerySet, path: str = "entity_id") -> QuerySet:
        """Only the rows of the company that the switcher is set to."""
        return rows.filter(**{path: self.chosen.pk}) if self.chosen else rows


def door(*permissions: Permission, methods: Sequence[str] = ("GET",)) -> Callable:
    """Let in who is signed in and has one of the permissions in some company; querysets narrow it down to those."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def enter(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _to_login(request)
            if permissions and not any(request.user.may_anywhere(permission) for permission in permissions):
                raise NotAllowed(not_allowed_words(permissions[0], request.user))
            if _is_odd(request):
                raise Http404("no such address")
            request.companies = _companies(request)
            if request.companies.shown:
                timezone.activate(ZoneInfo(request.companies.shown[0].zone))
            return view(request, *args, **kwargs)

        return require_http_methods([*methods, "HEAD"] if "GET" in methods else [*methods])(enter)

    return decorate


def render_screen(
    request: HttpRequest, template: str, context: dict[str, Any], *, partial: str = "", status: int = 200
) -> HttpResponse:
    """The whole page, or for an htmx request the named part of the same template, which is told so as `part`."""
    part = bool(partial and request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request)
    name = f"{template}#{partial}" if part else template
    response = render(request, name, context | {"part": part}, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
    return response


def show_in_zone(entity: Entity) -> None:
    """What belongs to one company is shown in its zone."""
    timezone.activate(ZoneInfo(entity.zone))


def page_of(rows: QuerySet, size: int = PAGE) -> tuple[list, bool]:
    """The first rows, and whether more follow."""
    found = list(rows[: size + 1])
    return found[:size], len(found) > size


def query_without(request: HttpRequest, *names: str) -> str:
    """The present filters as a query string, less the names; ends with & where there are any."""
    kept = request.GET.copy()
    for name in names:
        kept.pop(name, None)
    return f"{kept.urlencode()}&" if kept else ""


def _is_odd(request: HttpRequest) -> bool:
    """No address of ours is like this: text that the database cannot hold, or is too long to be compared with anything."""
    asked = [request.path_info, *(text for _, texts in request.GET.lists() for text in texts)]
    return any("\0" in text or len(text) > ADDRESS_LONGEST for text in asked)


def _companies(request: HttpRequest) -> Companies:
    mine = tuple(Entity.objects.visible_to(request.user))
    chosen = next((entity for entity in mine if entity.pk == request.session.get(COMPANY)), None)
    return Companies(mine, chosen if len(mine) > 1 else None)


def _to_login(request: HttpRequest) -> HttpResponse:
    """The sign-in page, and from there back; where something was being sent it says that it was not saved."""
    page = request.get_full_path()
    if request.htmx:
        page = request.htmx.current_url_abs_path or "/"
    elif request.method == "POST":  # the form's page: the address itself may take nothing but forms
        came = request.headers.get("Referer", "")
        same = url_has_allowed_host_and_scheme(came, {request.get_host()}, require_https=request.is_secure())
        page = urlsplit(came)._replace(scheme="", netloc="").geturl() if same else "/"
    to = redirect_to_login(page, resolve_url(settings.LOGIN_URL))
    to["Location"] += f"&{UNSENT}=1" if request.method == "POST" else ""
    return HttpResponseClientRedirect(to.url) if request.htmx else to
