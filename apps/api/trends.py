"""Trends: exceptions opened and ended over time, what healed by itself, and the money at stake by team."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.errors import NOTHING_HERE
from apps.api.fields import Id, Strict
from apps.api.resources import asks
from apps.core.models import Entity
from apps.core.money import plain
from apps.core.permissions import Team
from apps.exceptions.types import REGISTRY
from apps.work.flow import Flow, flows
from apps.work.periods import PERIODS
from apps.work.stakes import Stakes, at_stake


class TrendQuery(Strict):
    weeks = serializers.ChoiceField(list(PERIODS), default="4", help_text="How far back.")
    entity = Id(required=False, help_text="Only of this company. Without it: of all of yours.")
    team = serializers.ChoiceField(Team.choices, required=False, help_text="Only of this queue.")
    type = serializers.ChoiceField((), required=False, help_text="Only of this kind of exception.")

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields["type"].choices = sorted(REGISTRY)
        return fields


class FlowOut(serializers.Serializer):
    """How many exceptions were opened, and how those that ended did."""

    opened = serializers.IntegerField()
    came_back = serializers.IntegerField(help_text="Of the opened: whose cause was ended before")
    fixed = serializers.IntegerField(help_text="By a person")
    healed = serializers.IntegerField(help_text="By themselves")
    dismissed = serializers.IntegerField()
    median_fixed = serializers.SerializerMethodField(help_text="Seconds from opening to the fix; null where none was")
    median_healed = serializers.SerializerMethodField(help_text="Seconds from opening until it healed; null where none did")

    def get_median_fixed(self, flow: Flow) -> serializers.FloatField(allow_null=True):
        return _seconds(flow.median_fixed)

    def get_median_healed(self, flow: Flow) -> serializers.FloatField(allow_null=True):
        return _seconds(flow.median_healed)


class CutOut(FlowOut):
    """From a day on, to the next."""

    since = serializers.DateField()


class EndOut(serializers.Serializer):
    """What was at stake with a team at the end of a day or week."""

    since = serializers.DateField(help_text="Its first day")
    team = serializers.ChoiceField(Team.choices)
    currency = serializers.CharField()
    stake = serializers.CharField()


class TrendsOut(serializers.Serializer):
    """Of the queues that you read."""

    unit = serializers.ChoiceField(["day", "week"], help_text="What the period is cut in")
    whole = FlowOut(help_text="Of the whole period")
    cuts = CutOut(many=True, help_text="The oldest first")
    stakes = EndOut(many=True, help_text="Money at stake by currency, team and cut, the oldest first")


class Trends(APIView):
    @extend_schema(responses=TrendsOut)
    @asks(TrendQuery)
    def get(self, request: Request) -> Response:
        """Exceptions opened and ended, and the money at stake, over the last weeks."""
        query = TrendQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        period, now, kind = PERIODS[asked["weeks"]], timezone.now(), asked.get("type", "")
        seen = request.user.teams_seen_in()
        if "entity" in asked and asked["entity"] not in seen:
            raise NotFound(NOTHING_HERE)
        queues = [
            (entity, team)
            for entity in Entity.objects.visible_to(request.user)
            for team in Team
            if team in seen[entity.pk] and asked.get("team", team) == team and asked.get("entity", entity.pk) == entity.pk
        ]
        found = flows(queues, period, now, kind)
        told = {
            "unit": period.unit,
            "whole": FlowOut(found.whole).data,
            "cuts": [{"since": since} | FlowOut(flow).data for since, flow in found.by_cut.items()],
            "stakes": [row for each in at_stake(queues, period, now, kind) for row in _ends(each)],
        }
        return Response(told)


def _ends(stakes: Stakes) -> list[dict[str, Any]]:
    return [
        {"since": since, "team": team.value, "currency": stakes.currency, "stake": plain(stake, stakes.currency)}
        for team, ends in stakes.teams.items()
        for since, stake in ends.items()
    ]


def _seconds(took: timedelta | None) -> float | None:
    return took and took.total_seconds()
