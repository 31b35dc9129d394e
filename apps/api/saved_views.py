"""Saved views: filters of a queue that a person or a team keeps, to be asked of the cases."""

from django.db.models import QuerySet
from rest_framework import serializers

from apps.api.fields import Named, Told
from apps.api.resources import Resource
from apps.core.models import User
from apps.work.models import SavedView


class SavedViewOut(Told):
    """A filter of a queue under a name."""

    entity = Named(read_only=True, allow_null=True, help_text="Whose team's it is; null for your own")
    asks = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="What the list of cases takes to find the same"
    )

    class Meta:
        model = SavedView
        fields = ["id", "team", "name", "entity", "asks"]
        read_only_fields = fields


class SavedViews(Resource):
    says = {"list": "The views that you keep, and those of the teams whose queues you read.", "retrieve": "One saved view."}
    serializer_class = SavedViewOut
    order = ("team", "name", "pk")
    lookup_value_regex = r"[0-9a-f-]{36}"
    id_type = str

    def visible(self, user: User) -> QuerySet[SavedView]:
        return SavedView.objects.visible_to(user).select_related("entity")
