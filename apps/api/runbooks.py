"""Runbooks: each kind of exception in plain words, with what a company's people add to it."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import Id, Named, Strict, Text, Told
from apps.api.idempotency import once
from apps.api.resources import Page, Resource
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.exceptions.models import Diagnosis
from apps.exceptions.types import REGISTRY, ExceptionType
from apps.work import runbooks
from apps.work.models import RunbookAddition


class RunbookOut(serializers.Serializer):
    """A kind of exception: what it means, what to do, when to escalate, how to prevent it."""

    code = serializers.CharField(help_text="As the type of its cases")
    title = serializers.CharField()
    team = serializers.ChoiceField(Team.choices, help_text="Who owns it")
    diagnosis = serializers.ChoiceField(Diagnosis.choices)
    holds_back = serializers.BooleanField(help_text="Whether it stops work: then it cannot be dismissed, only fixed or snoozed")
    impact = serializers.CharField(source="runbook.impact", help_text="What it costs while it stands")
    steps = serializers.ListField(child=serializers.CharField(), source="runbook.steps", help_text="What to do, in order")
    prevention = serializers.CharField(source="runbook.prevention")
    escalate = serializers.CharField(source="runbook.escalate", help_text="When, and to whom")
    actions = serializers.SerializerMethodField(help_text="Names of what can be done about its cases")

    def get_actions(self, kind: ExceptionType) -> list[str]:
        return [action.name for action in kind.actions]


class AdditionOut(Told):
    """What a company's people add to a runbook. Each version is kept; an empty text takes it out."""

    entity = Named(read_only=True)
    written_by = Named(read_only=True)

    class Meta:
        model = RunbookAddition
        fields = ["entity", "version", "text", "written_by", "written_at"]
        read_only_fields = fields


class RunbookDetail(RunbookOut):
    """A runbook with what your companies add to it."""

    additions = serializers.SerializerMethodField(help_text="What stands there now, company by company")

    def get_additions(self, kind: ExceptionType) -> AdditionOut(many=True):
        mine = Entity.objects.visible_to(self.context["request"].user)
        versions = RunbookAddition.objects.filter(entity__in=mine, type=kind.code).order_by("entity_id", "-version")
        newest = versions.distinct("entity_id").select_related("entity", "written_by")
        return AdditionOut([each for each in newest if each.text], many=True).data


class RunbookQuery(Page):
    team = serializers.ChoiceField(Team.choices, required=False, help_text="Only those that this team owns.")


class AdditionIn(Strict):
    entity = Id(help_text="Whose people should read it")
    text = Text(max_length=runbooks.LONGEST, help_text="The whole of it; empty takes out what stands there")
    after = serializers.IntegerField(
        min_value=0, max_value=2**31 - 2, help_text="The version that you read, 0 for none: a newer one is not written over"
    )


class Runbooks(Resource):
    says = {"list": "The runbooks of all kinds of exceptions, by code.", "retrieve": "One runbook with what your companies add."}
    serializer_class = RunbookOut
    detail_class = RunbookDetail
    query_class = RunbookQuery
    order = ("code",)
    lookup_field = "code"
    lookup_value_regex = r"[a-z.-]{1,60}"
    id_type = str

    def visible(self, user: User) -> list[ExceptionType]:
        return list(REGISTRY.values())

    def narrow(self, kinds: list[ExceptionType], asked: Mapping[str, Any]) -> list[ExceptionType]:
        return [kind for kind in kinds if asked.get("team") in (None, kind.team)]

    def get_object(self) -> ExceptionType:
        code = self.kwargs["code"]
        if code not in REGISTRY:
            raise Http404(f"no runbook {code}")
        return REGISTRY[code]

    @extend_schema(request=AdditionIn, responses=AdditionOut)
    @action(detail=True, methods=["post"])
    @once
    def write(self, request: Request, code: str) -> Response:
        """Say what your own people should know about it. It stands as a new version, on each case's page too."""
        kind, said = self.get_object(), self.sent(AdditionIn)
        entity = Entity.objects.visible_to(request.user).filter(pk=said.pop("entity")).first()
        if entity is None:
            raise Refused("You have no company with this id.", field="entity")
        written = runbooks.write(kind=kind, entity=entity, actor=request.user, **said)
        return Response(AdditionOut(written).data)
