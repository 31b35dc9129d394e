"""Deeds on a screen: the answer to a posted form, and which deed an address names (case.py's likeness)."""

from collections.abc import Mapping

from django.contrib import messages
from django.db import models
from django.http import Http404, HttpRequest

from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.core.models import User
from apps.core.words import listed
from apps.exceptions.operations import InvalidForm, PlanChanged
from apps.exceptions.weighing import NeedsSecondPerson
from apps.work import deeds
from apps.work.deeds import Deed
from apps.work.deeds import may_not as may_not
from apps.work.models import Proposal
from apps.work.proposals import LASTS, propose


class Attempted(deeds.Attempted):
    """With the status that the page answers."""

    @property
    def status(self) -> int:
        if self.changed:
            return CONFLICT
        return UNPROCESSABLE if self.form.is_bound and self.plan is None else 200


def offer(deed: Deed, record: models.Model, person: User) -> Attempted:
    """The form as it is suggested, with the plan of that where the suggestions are enough for one."""
    return Attempted(**vars(deeds.offer(deed, record, person)))


def named(known: Mapping[str, Deed], name: str) -> Deed:
    """The one that an address names. Raises Http404."""
    if name not in known:
        raise Http404(f"nothing called {name}")
    return known[name]


def attempt(deed: Deed, record: models.Model, request: HttpRequest, *, kind: str = "") -> Attempted:
    """Preview the posted form as it stands, or do it if it still matches the preview, and say so. Raises NotAllowed.

    `kind` is the record's, where what is too heavy for one person can be asked of a second one.
    """
    if "preview" in request.POST:
        return Attempted(**vars(deeds.preview(deed, record, request.user, request.POST)))
    try:
        if kind and "ask" in request.POST:
            done = deeds.Attempted(deed=deed, form=deed.form(record, request.user), done=ask(request, kind, record, deed.name))
        else:
            done = deeds.perform(deed, record, request.user, request.POST, request.POST.get("digest", ""))
    except InvalidForm as invalid:
        done = deeds.Attempted(deed=deed, form=invalid.form)
    except (PlanChanged, NeedsSecondPerson) as now:
        done = deeds.Attempted(deed=deed, form=now.form, plan=now.plan, changed=True)
    if done.done:
        messages.success(request, done.done)
    return Attempted(**vars(done))


def ask(request: HttpRequest, kind: str, record: models.Model, name: str) -> str:
    """Ask a second person for what the posted form says; the words about it. Raises what `propose` raises."""
    row = propose(
        kind=kind, record=record, name=name, actor=request.user, data=request.POST, digest=request.POST.get("digest", "")
    )
    return f"Asked. It is done once another person approves it, and lapses after {LASTS.days} days. {_whom(row)}"


def _whom(row: Proposal) -> str:
    people = User.objects.filter(memberships__entity=row.entity_id, memberships__role__in=row.needs.roles, is_active=True)
    names = list(people.exclude(pk=row.asked_by_id).distinct().order_by("name").values_list("name", flat=True))
    return f"{listed(names)} can approve it." if names else "Nobody else here has the role yet: an admin gives it."
