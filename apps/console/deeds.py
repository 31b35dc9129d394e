"""Deeds on a screen: the answer to a posted form, and which deed an address names (case.py's likeness)."""

from collections.abc import Mapping

from django.contrib import messages
from django.db import models
from django.http import Http404, HttpRequest

from apps.console.middleware import CONFLICT, UNPROCESSABLE
from apps.core.models import User
from apps.work import deeds
from apps.work.deeds import Deed
from apps.work.deeds import may_not as may_not


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


def attempt(deed: Deed, record: models.Model, request: HttpRequest) -> Attempted:
    """Preview the posted form as it stands, or do it if it still matches the preview, and say so. Raises NotAllowed."""
    if "preview" in request.POST:
        return Attempted(**vars(deeds.preview(deed, record, request.user, request.POST)))
    done = deeds.perform(deed, record, request.user, request.POST, request.POST.get("digest", ""))
    if done.done:
        messages.success(request, done.done)
    return Attempted(**vars(done))
