"""Export batches: which journals left together, the very bytes that left, and voiding one after a preview."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from apps.api.acting import Acting
from apps.api.fields import Named, Told
from apps.api.resources import Resource
from apps.core.models import User
from apps.core.permissions import READ_MONEY
from apps.ledger.models import ExportBatch
from apps.settlements.batch_deeds import VOID
from apps.settlements.exports import download
from apps.work.deeds import Deed


class BatchOut(Told):
    """Journals that left together. Numbered without gaps within a company; never changed, only voided."""

    entity = Named(read_only=True)
    made_by = Named(read_only=True)
    voided_by = Named(read_only=True, allow_null=True)
    journals = serializers.SerializerMethodField(help_text="Ids of the journals in it")

    class Meta:
        model = ExportBatch
        fields = [
            *("id", "entity", "number", "format", "sha256", "made_by", "made_at", "voided_by", "voided_at", "void_reason"),
            "journals",
        ]
        read_only_fields = fields

    def get_journals(self, batch: ExportBatch) -> list[int]:
        return sorted(link.journal_id for link in batch.journals.all())


class Csv(JSONRenderer):
    """For who accepts CSV alone. The file passes as it is; a problem is told as JSON."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: dict | None = None) -> bytes:
        return super().render(data, "application/json", renderer_context)


class Batches(Acting, Resource):
    says = {"list": "Export batches, the newest first.", "retrieve": "One export batch."}
    serializer_class = BatchOut
    permission = READ_MONEY

    def visible(self, user: User) -> QuerySet[ExportBatch]:
        rows = ExportBatch.objects.visible_to(user).defer("content")
        return rows.select_related("entity", "made_by", "voided_by").prefetch_related("journals")

    def offered(self, batch: ExportBatch) -> list[Deed]:
        return [] if batch.voided_at else [VOID]

    def named(self, batch: ExportBatch, name: str) -> Deed | None:
        return VOID if name == VOID.name else None

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, renderer_classes=[JSONRenderer, Csv])
    def file(self, request: Request, pk: str) -> HttpResponse:
        """The file as it left, the same bytes every time. The audit trail says who took it."""
        content = download(batch=self.get_object(), actor=request.user)
        return HttpResponse(content, content_type="text/csv; charset=utf-8")
