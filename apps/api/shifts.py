"""Notes between shifts: what one left to the next, and taking it over."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import Named, Nothing, Told
from apps.api.idempotency import once
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.permissions import Team
from apps.work.models import ShiftNote
from apps.work.shifts import operations


class LineOut(serializers.Serializer):
    words = serializers.CharField(read_only=True)
    path = serializers.CharField(read_only=True, help_text="Of its page in the console; empty where it has none")
    more = serializers.CharField(read_only=True)


class SectionOut(serializers.Serializer):
    """A finding with what is behind it."""

    title = serializers.CharField(read_only=True)
    lines = LineOut(many=True, read_only=True)
    rest = LineOut(read_only=True, allow_null=True, help_text="Where those are that are not among the lines")


class MoveOut(serializers.Serializer):
    """What became of one of the writer's own cases."""

    words = serializers.CharField(read_only=True, help_text="The case as a sentence")
    path = serializers.CharField(read_only=True, help_text="Of the case in the console")
    choice = serializers.ChoiceField([(each.value, each.value) for each in operations.Choice], read_only=True)
    did = serializers.CharField(read_only=True)


class ShiftOut(Told):
    """What one shift of a team left to the next, as it was written."""

    entity = Named(read_only=True)
    written_by = Named(read_only=True)
    to = Named(read_only=True, allow_null=True, help_text="Null is the whole team")
    taken_by = Named(read_only=True, allow_null=True)
    carried_by = serializers.IntegerField(
        source="carried_by_id", read_only=True, allow_null=True, help_text="The later note that is taken over in its place"
    )

    class Meta:
        model = ShiftNote
        fields = [
            *("id", "entity", "team", "written_by", "written_at", "since", "to", "words", "state", "carried_by"),
            *("taken_by", "taken_at"),
        ]
        read_only_fields = fields


class ShiftDetail(ShiftOut):
    """A note with what it says."""

    facts = SectionOut(many=True, read_only=True, help_text="What the console knew then")
    moves = MoveOut(many=True, read_only=True)

    class Meta(ShiftOut.Meta):
        fields = [*ShiftOut.Meta.fields, "facts", "moves"]
        read_only_fields = fields


class ShiftQuery(Query):
    team = serializers.ChoiceField(Team.choices, required=False, help_text="Only of this team.")
    waiting = serializers.BooleanField(required=False, help_text="Only those that nobody has taken over, or only the others.")


class Shifts(Resource):
    says = {"list": "Notes between shifts, the newest first.", "retrieve": "One note with what it says."}
    serializer_class = ShiftOut
    detail_class = ShiftDetail
    query_class = ShiftQuery

    def visible(self, user: User) -> QuerySet[ShiftNote]:
        return ShiftNote.objects.visible_to(user).select_related("entity", "written_by", "to", "taken_by")

    def narrow(self, rows: QuerySet[ShiftNote], asked: Mapping[str, Any]) -> QuerySet[ShiftNote]:
        if "team" in asked:
            rows = rows.filter(team=asked["team"])
        if "waiting" not in asked:
            return rows
        return rows.waiting() if asked["waiting"] else rows.exclude(state=ShiftNote.State.WAITING)

    @extend_schema(request=Nothing, responses=ShiftDetail)
    @action(detail=True, methods=["post"], url_path="take-over")
    @once
    def take_over(self, request: Request, pk: str) -> Response:
        """Sign that you have read the note, and with it those that it carries. No case changes hands."""
        note = self.get_object()
        self.sent(Nothing)
        operations.take_over(note=note, actor=request.user)
        return Response(self.told(self.get_queryset().get(pk=note.pk)))
