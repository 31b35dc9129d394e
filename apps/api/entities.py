"""Companies: those in which the person has a role."""

from django.db.models import QuerySet
from rest_framework import serializers

from apps.api.fields import Told
from apps.api.resources import Resource
from apps.core.models import Entity, User


class EntityOut(Told):
    """A legal company. Its zone decides the accounting month."""

    roles = serializers.SerializerMethodField(help_text="Your roles there")

    class Meta:
        model = Entity
        fields = ["id", "name", "country", "zone", "base_currency", "one_person", "roles"]
        read_only_fields = fields

    def get_roles(self, entity: Entity) -> list[str]:
        return sorted(self.context["request"].user.roles_in(entity.pk))


class Entities(Resource):
    says = {"list": "Your companies, by their ids.", "retrieve": "One company of yours."}
    serializer_class = EntityOut
    order = ("pk",)
    entity_path = "pk"

    def visible(self, user: User) -> QuerySet[Entity]:
        return Entity.objects.visible_to(user)
