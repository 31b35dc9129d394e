"""Spreadsheets: bring one, see what each row would do, have the good rows saved, put it away, undo it as one."""


from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.acting import Weighed
from apps.api.fields import Id, Named, Nothing, Strict, Told
from apps.api.idempotency import answered_once, once
from apps.api.parsing import BoundedJSONParser
from apps.api.resources import Page, Resource, asks
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import IMPORT_SHEETS, check_may
from apps.imports import operations
from apps.imports.deeds import APPLY, UNDO, deeds_of
from apps.imports.importable import SHEETS
from apps.imports.models import Import, ImportRow, Mode, Outcome
from apps.work.deeds import Deed


class ImportOut(Told):
    """One file for one kind of sheet. A worker reads it; from the state ready on its counts say what its rows would do."""

    entity = Named(read_only=True)
    file = serializers.CharField(source="name", read_only=True, help_text="As its sender called it")
    made_by = Named(read_only=True)
    applied_by = Named(read_only=True, allow_null=True)
    undone_by = Named(read_only=True, allow_null=True)
    effect = serializers.CharField(
        source="effect.says", default="", read_only=True, help_text="What the good rows do to open work"
    )

    class Meta:
        model = Import
        fields = [
            *("id", "entity", "sheet", "mode", "file", "sha256", "size", "state", "words", "added", "changed", "same"),
            *("conflict", "bad", "effect", "digest", "made_by", "made_at", "applied_by", "applied_at"),
            *("undone_by", "undone_at"),
        ]
        read_only_fields = fields


class ImportRowOut(Told):
    """A row of the file and its verdict."""

    cells = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="What was found, as text")
    faults = serializers.SerializerMethodField(help_text="What is wrong with it, in words")
    changes = serializers.DictField(read_only=True, help_text="Old and new value of each column that changes")

    class Meta:
        model = ImportRow
        fields = ["number", "outcome", "cells", "faults", "changes"]
        read_only_fields = fields

    def get_faults(self, row: ImportRow) -> list[str]:
        return [words for _, words in row.faults]


class RowQuery(Page):
    outcome = serializers.ChoiceField(Outcome.choices, required=False, help_text="Only rows with this verdict.")


class UploadIn(Strict):
    entity = Id(help_text="Which company it is for")
    sheet = serializers.ChoiceField((), help_text="What it holds")
    mode = serializers.ChoiceField(Mode.choices, default=Mode.GOOD, help_text="Whether all rows or the good ones are saved")
    file = serializers.FileField(help_text="An .xlsx or .csv file")

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields["sheet"].choices = sorted(SHEETS)
        return fields


class Imports(Weighed, Resource):
    kind = "import"
    says = {
        "list": "Spreadsheets that were brought, the newest first.",
        "retrieve": "One spreadsheet: how far it is, and what its rows would do.",
    }
    serializer_class = ImportOut
    permission = IMPORT_SHEETS
    parser_classes = [BoundedJSONParser, MultiPartParser]

    def visible(self, user: User) -> QuerySet[Import]:
        return operations.visible_to(user).select_related("entity", "job", "made_by", "applied_by", "undone_by")

    def offered(self, row: Import) -> list[Deed]:
        deeds = deeds_of(row)
        fits = {APPLY.name: operations.can_apply(row), UNDO.name: row.state == Import.State.APPLIED}
        return [deed for name, deed in deeds.items() if fits[name]]

    def named(self, row: Import, name: str) -> Deed | None:
        return deeds_of(row).get(name)

    @extend_schema(request={"multipart/form-data": UploadIn}, responses={201: ImportOut})
    def create(self, request: Request) -> Response:
        """Bring a spreadsheet. It is kept as it came, and a worker checks every row: a dry run that saves nothing. Ask for it
        again until its state is ready."""
        said = self.sent(UploadIn)
        entity = Entity.objects.visible_to(request.user).filter(pk=said["entity"]).first()
        if entity is None:
            raise Refused("You have no company with this id.", field="entity")
        check_may(request.user, SHEETS[said["sheet"]].permission, entity)
        kept = operations.keep_sheet(said["file"].chunks())  # before the transaction: the storage may be far away

        def take() -> Response:
            row = operations.take_kept(
                entity=entity, sheet=said["sheet"], mode=said["mode"], name=said["file"].name, kept=kept, actor=request.user
            )
            return Response(self.told(self.get_queryset().get(pk=row.pk)), 201)

        return answered_once(request, take)

    create.takes_key = True

    @extend_schema(responses=ImportRowOut(many=True))
    @action(detail=True, serializer_class=ImportRowOut, order=("number",))
    @asks(RowQuery)
    def rows(self, request: Request, pk: str) -> Response:
        """The rows of the file, each with its verdict, in the order of the sheet."""
        asked = self.ask()
        rows = ImportRow.objects.filter(of=self.get_object())
        return self.paged(rows.filter(outcome=asked["outcome"]) if "outcome" in asked else rows)

    @extend_schema(request={"application/json": Nothing}, responses=ImportOut)
    @action(detail=True, methods=["post"], url_path="throw-away")
    @once
    def throw_away(self, request: Request, pk: str) -> Response:
        """Put the import aside without saving any of it. The file stays stored."""
        self.sent(Nothing)
        row = operations.throw_away(row=self.get_object(), actor=request.user)
        return Response(self.told(self.get_queryset().get(pk=row.pk)))

