"""Companies: those in which the person has a role, and on which days each works."""

from calendar import monthrange
from datetime import date

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.acting import in_zone
from apps.api.fields import AskedMonth, Strict, Told
from apps.api.resources import Resource, asks
from apps.core.models import Entity, User
from apps.work.workdays import WEEKDAYS, calendar_of, work_days


class EntityOut(Told):
    """A legal company. Its zone decides the accounting month."""

    roles = serializers.SerializerMethodField(help_text="Your roles there")

    class Meta:
        model = Entity
        fields = ["id", "name", "country", "zone", "base_currency", "one_person", "roles"]
        read_only_fields = fields

    def get_roles(self, entity: Entity) -> list[str]:
        return sorted(self.context["request"].user.roles_in(entity.pk))


class OffOut(serializers.Serializer):
    day = serializers.DateField()
    why = serializers.CharField(help_text="A day of the week, a public holiday, or what the company's people call it")


class CalendarOut(serializers.Serializer):
    """On which days a company works. Its routines ask for signatures on those."""

    weekdays = serializers.ListField(child=serializers.ChoiceField(WEEKDAYS), help_text="On which it works")
    country = serializers.CharField(allow_blank=True, help_text="Whose public holidays it keeps; empty for none")
    subdivision = serializers.CharField(allow_blank=True, help_text="Where those differ inside the country: ENG, BY")
    off = OffOut(many=True, help_text="The days of the month on which nobody works")


class CalendarQuery(Strict):
    month = AskedMonth(required=False, help_text="Which month; without it the one that it is there.")


class Entities(Resource):
    says = {"list": "Your companies, by their ids.", "retrieve": "One company of yours."}
    serializer_class = EntityOut
    order = ("pk",)
    entity_path = "pk"

    def visible(self, user: User) -> QuerySet[Entity]:
        return Entity.objects.visible_to(user)

    @extend_schema(responses=CalendarOut, filters=False)
    @action(detail=True, pagination_class=None, serializer_class=CalendarOut)
    @asks(CalendarQuery)
    def calendar(self, request: Request, pk: str) -> Response:
        """On which days it works."""
        entity, asked = self.get_object(), self.ask()
        with in_zone(entity):
            first: date = asked.get("month") or timezone.localdate().replace(day=1)
        found, work = calendar_of(entity), work_days(entity)
        days = [first.replace(day=day) for day in range(1, monthrange(first.year, first.month)[1] + 1)]
        said = {
            "weekdays": [WEEKDAYS[day] for day in found.weekdays],
            "country": found.country,
            "subdivision": found.subdivision,
            "off": [{"day": day, "why": why} for day in days if (why := work.off(day))],
        }
        return Response(CalendarOut(said).data)
