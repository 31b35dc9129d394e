"""One person: roles in each company, and the account itself where it is this admin's to keep."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from apps.console.deeds import Attempted, attempt, named, offer
from apps.console.my_account import HISTORY, sessions_of
from apps.console.people import hand_over, kept_companies
from apps.console.screens import Companies, door, render_screen
from apps.console.timeline import happening
from apps.core import lockouts
from apps.core.models import AuditEntry, Entity, User
from apps.core.people import check_account
from apps.core.permissions import KEEP_PEOPLE, Role
from apps.work.people_deeds import DEEDS, IN_COMPANY, OFF, ON, SIGN_OUT, TOKENS, UNLOCK, InCompany


@door(KEEP_PEOPLE)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """?do= offers a deed; for the roles ?company= says where."""
    found, asked = _seen_by(request, pk), request.GET.get("do", "")
    member = _member(request, found) if asked in DEEDS else None
    offers = member and (DEEDS[asked] in IN_COMPANY or request.user.keeps(found))
    return _show(request, found, offer(DEEDS[asked], member, request.user) if offers else None, member)


@door(KEEP_PEOPLE, methods=["POST"])
def person_do(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    found = _seen_by(request, pk)
    if name == "link":
        return hand_over(request, found)
    deed, member = named(DEEDS, name), _member(request, found)
    if deed not in IN_COMPANY:
        check_account(found, request.user)  # already the form names what is only for who keeps the account
    attempted = attempt(deed, member, request)
    if attempted.done:
        return redirect("person", pk=pk) if _visible(request).filter(pk=pk).exists() else redirect("people")
    return _show(request, found, attempted, member, status=attempted.status)


def _visible(request: HttpRequest) -> Any:
    everywhere = kept_companies(request.user, Companies(request.companies.all, None))
    return User.objects.filter(memberships__entity__in=everywhere).distinct()


def _seen_by(request: HttpRequest, pk: int) -> User:
    return get_object_or_404(_visible(request), pk=pk)


def _member(request: HttpRequest, found: User) -> InCompany:
    """In the company that the address names; else in any of the person's."""
    companies = kept_companies(request.user, Companies(request.companies.all, None))
    asked = request.GET.get("company", "")
    if asked:
        entity = next((each for each in companies if str(each.pk) == asked), None)
    else:
        theirs = set(found.memberships.values_list("entity_id", flat=True))
        entity = next(each for each in companies if each.pk in theirs)
    if entity is None:
        raise Http404("no such company")
    return InCompany(found, entity)


def _show(
    request: HttpRequest, found: User, attempted: Attempted | None, member: InCompany | None, *, status: int = 200
) -> HttpResponse:
    now, keeps = timezone.now(), request.user != found and request.user.keeps(found)
    zone = ZoneInfo(str(timezone.get_current_timezone()))
    entries = AuditEntry.objects.visible_to(request.user).about(f"person:{found.pk}").order_by("-pk")[:HISTORY]
    context = {
        "person": found,
        "mine": request.user == found,
        "roles": _roles_of(found, kept_companies(request.user, Companies(request.companies.all, None))),
        "keeps": keeps,
        "sessions": sessions_of(found) if keeps else [],
        "tokens": found.tokens.in_force(now) if keeps else [],
        "attempts": lockouts.attempts_of(found, now) if keeps else [],
        "locked_until": lockouts.closed_until(found, now),
        "unlock": UNLOCK,
        "history": [happening(entry, zone) for entry in entries],
        "subject": f"person:{found.pk}",
        "attempted": attempted,
        "action": attempted
        and f"{reverse('person_do', args=[found.pk, attempted.deed.name])}?company={member.entity_id}",
        "switch": ON if not found.is_active else OFF,
        "sign_out": SIGN_OUT,
        "revoke": TOKENS,
    }
    return render_screen(request, "person.html", context, partial="preview", status=status)


def _roles_of(found: User, companies: list[Entity]) -> list[tuple[Entity, str]]:
    held: dict[int, set[str]] = {}
    for entity, role in found.memberships.values_list("entity_id", "role"):
        held.setdefault(entity, set()).add(role)
    return [(each, ", ".join(role.label for role in Role if role in held.get(each.pk, ()))) for each in companies]
