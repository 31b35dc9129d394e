"""What may be done to a record after a preview: its actions with their forms, a dry run, and the doing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.forms import Confirmed, Filled, schema_of
from apps.api.idempotency import once
from apps.api.plans import PlanOut
from apps.api.proposals import ProposalOut
from apps.core.models import Entity, User
from apps.core.refusals import who_can
from apps.exceptions import operations
from apps.exceptions.operations import InvalidForm, PlanChanged
from apps.exceptions.types import Action, Plan
from apps.work import deeds, proposals
from apps.work.deeds import Deed

Offered = Action | Deed
JSON = "application/json"
NAME = OpenApiParameter(
    "name",
    str,
    OpenApiParameter.PATH,
    description="The action's name, as the list says",
)


class ActionOut(serializers.Serializer):
    """Something that may be done to a record as it stands, by those whose roles include it."""

    name = serializers.CharField(help_text="How addresses name it")
    label = serializers.CharField(help_text="How the button names it")
    allowed = serializers.BooleanField(help_text="Whether you can do it")
    why_not = serializers.CharField(allow_blank=True, help_text="Who can, where you cannot")
    form = serializers.DictField(
        allow_null=True, help_text="JSON Schema of the data that it takes, with suggestions as defaults; null where you cannot"
    )


class DoneOut(serializers.Serializer):
    """What was done."""

    words = serializers.CharField(help_text="In words, as the console says it")
    resolved = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of the cases that it resolved at once")
    opened = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of the cases that it opened at once")


class Acting:
    """For a Resource whose records have actions: `offered` are those that fit one as it stands, `named` finds one by name."""

    def offered(self, record: Any) -> Sequence[Offered]:
        raise NotImplementedError

    def named(self, record: Any, name: str) -> Offered | None:
        raise NotImplementedError

    @extend_schema(responses=ActionOut(many=True), filters=False)
    @action(detail=True, pagination_class=None, serializer_class=ActionOut)
    def actions(self, request: Request, pk: str) -> Response:
        """What may be done to it as it stands, each action with the form that it takes."""
        record = self.get_object()
        return Response(ActionOut([told(each, record, request.user) for each in self.offered(record)], many=True).data)

    @extend_schema(request={JSON: Filled}, responses=PlanOut, parameters=[NAME])
    @action(detail=True, methods=["post"], url_path=r"actions/(?P<name>[-\w]{1,60})/preview")
    def preview(self, request: Request, pk: str, name: str) -> Response:
        """A dry run: what the action would do with this data, and the digest that does just that. Changes nothing."""
        record, said = self.get_object(), self.sent(Filled)
        with in_zone(record.entity):
            plan = _plan(self._found(record, name), record, request.user, said["data"])
        return Response(PlanOut(plan).data)

    @extend_schema(request={JSON: Confirmed}, responses=DoneOut, parameters=[NAME])
    @action(detail=True, methods=["post"], url_path=r"actions/(?P<name>[-\w]{1,60})/perform")
    @once
    def perform(self, request: Request, pk: str, name: str) -> Response:
        """Do what the preview with this digest showed, all of it or nothing. If the world has changed since, nothing is done,
        and the answer is 409 with the new plan."""
        record, said = self.get_object(), self.sent(Confirmed)
        with in_zone(record.entity):
            done = _do(self._found(record, name), record, request.user, said["data"], said["digest"])
        return Response(DoneOut(done).data)

    def _found(self, record: Any, name: str) -> Offered:
        found = self.named(record, name)
        if found is None:
            raise Http404(f"no action {name}")
        return found


class Weighed(Acting):
    """Of actions that may be above a company's limits. `kind` is the records' name among apps.work.deeds.KINDS."""

    kind: ClassVar[str]

    @extend_schema(request={JSON: Confirmed}, responses=ProposalOut, parameters=[NAME])
    @action(detail=True, methods=["post"], url_path=r"actions/(?P<name>[-\w]{1,60})/propose")
    @once
    def propose(self, request: Request, pk: str, name: str) -> Response:
        """Ask a second person for what the preview with this digest showed, where it is above the company's limits. Nothing
        is changed until they approve it."""
        record, said = self.get_object(), self.sent(Confirmed)
        self._found(record, name)
        with in_zone(record.entity):
            proposal = proposals.propose(kind=self.kind, record=record, name=name, actor=request.user, **said)
        return Response(ProposalOut(proposal).data)


def told(offered: Offered, record: Any, person: User) -> dict[str, Any]:
    """An ActionOut."""
    allowed = person.may(offered.permission, record.entity_id)
    does, roles = offered.permission.does, who_can(offered.permission, [record.entity_id])
    with in_zone(record.entity):
        form = schema_of(offered.form(record, person)) if allowed else None
    return {
        "name": offered.name,
        "label": offered.label,
        "allowed": allowed,
        "why_not": "" if allowed else f"Your role cannot {does}. {roles}",
        "form": form,
    }


def plan_deed(deed: Deed, record: Any, person: User, data: Any) -> Plan:
    seen = deeds.preview(deed, record, person, data)
    if seen.refused:
        raise seen.refused
    if seen.plan is None:
        raise InvalidForm(seen.form)
    return seen.plan


def do_deed(deed: Deed, record: Any, person: User, data: Any, digest: str) -> dict[str, Any]:
    """A DoneOut."""
    seen = deeds.perform(deed, record, person, data, digest)
    if seen.refused:
        raise seen.refused
    if seen.changed:
        raise PlanChanged(seen.plan, seen.form)
    if not seen.done:
        raise InvalidForm(seen.form)
    return {"words": seen.done, "resolved": [], "opened": []}


def in_zone(entity: Entity) -> AbstractContextManager:
    """Forms read and suggest days and times in the company's zone."""
    return timezone.override(ZoneInfo(entity.zone))


def _plan(offered: Offered, record: Any, person: User, data: Any) -> Plan:
    if isinstance(offered, Deed):
        return plan_deed(offered, record, person, data)
    form, plan = operations.plan(case=record, action=offered, actor=person, data=data)
    if plan is None:
        raise InvalidForm(form)
    return plan


def _do(offered: Offered, record: Any, person: User, data: Any, digest: str) -> dict[str, Any]:
    if isinstance(offered, Deed):
        return do_deed(offered, record, person, data, digest)
    outcome = operations.perform(case=record, action=offered, actor=person, data=data, digest=digest)
    return {"words": outcome.words, "resolved": outcome.resolved_ids, "opened": outcome.opened_ids}
