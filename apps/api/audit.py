"""Who did what, when and why."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from apps.api.fields import Named, Told
from apps.api.resources import Query, Resource
from apps.core.models import AuditEntry, User
from apps.core.permissions import READ_AUDIT


class AuditOut(Told):
    """An entry of the audit trail, which nobody can rewrite."""

    entity = Named(read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True, help_text="Their name then; opsconsole is the system")
    before = serializers.DictField(read_only=True)
    after = serializers.DictField(read_only=True)

    class Meta:
        model = AuditEntry
        fields = ["id", "at", "entity", "actor", "verb", "subject", "before", "after", "reason"]
        read_only_fields = fields


class AuditQuery(Query):
    subject = serializers.CharField(required=False, max_length=200, help_text="Only about this: case:12, journal:7, listing:3.")


class Audit(Resource):
    says = {"list": "The audit trail of your companies, the newest first.", "retrieve": "One entry of the audit trail."}
    serializer_class = AuditOut
    query_class = AuditQuery
    permission = READ_AUDIT

    def visible(self, user: User) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.filter(entity_id__in=user.entities_where(READ_AUDIT)).select_related("entity")

    def narrow(self, rows: QuerySet[AuditEntry], asked: Mapping[str, Any]) -> QuerySet[AuditEntry]:
        return rows.about(asked["subject"]) if "subject" in asked else rows
