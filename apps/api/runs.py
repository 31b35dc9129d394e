"""Feeds and their runs: when each last proved that it brings data, what a run saw and why it failed; fetching one now."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import Id, Named, Nothing, Told
from apps.api.idempotency import once
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.permissions import READ_RUNS
from apps.integrations import operations
from apps.integrations.feeds import title_of
from apps.integrations.models import JobState, Source, SyncRun


class SourceOut(Told):
    """A feed of a connection. Up to proven_at the system has told us everything: a run without an error does not say that."""

    entity = Named(read_only=True)
    connection = Named(read_only=True)
    title = serializers.SerializerMethodField(help_text="What people call it")
    every = serializers.SerializerMethodField(help_text="Seconds between two pulls")

    class Meta:
        model = Source
        fields = ["id", "entity", "connection", "feed", "title", "every", "paused", "proven_at", "newest_at"]
        read_only_fields = fields

    def get_every(self, source: Source) -> int:
        return int(source.every.total_seconds())

    def get_title(self, source: Source) -> str:
        return title_of(source)


class RunOut(Told):
    """One pull of a feed, from where the last one stopped to the end of what there was."""

    entity = Named(source="source.connection.entity", read_only=True)
    connection = Named(source="source.connection", read_only=True)
    source = serializers.IntegerField(source="source_id", read_only=True, help_text="Id of the feed's source")
    feed = serializers.CharField(source="source.feed", read_only=True)
    state = serializers.ChoiceField(JobState.choices, source="job.state", read_only=True)
    words = serializers.SerializerMethodField(help_text="Why it failed, waits or was stopped")
    asked_by = Named(source="job.asked_by", default=None, read_only=True, allow_null=True, help_text="Null by schedule")
    started_at = serializers.DateTimeField(source="job.created_at", read_only=True)
    next_try_at = serializers.SerializerMethodField(help_text="While it waits for one")

    class Meta:
        model = SyncRun
        fields = [
            *("id", "entity", "connection", "source", "feed", "state", "pages", "added", "changed", "unchanged"),
            *("unreadable", "proven", "verdict", "words", "asked_by", "started_at", "next_try_at", "ended_at"),
        ]
        read_only_fields = fields

    def get_words(self, run: SyncRun) -> str:
        return run.evidence.get("words", "") if run.verdict else run.job.error

    def get_next_try_at(self, run: SyncRun) -> serializers.DateTimeField(allow_null=True):
        waits = run.ended_at is None and run.job.state == JobState.WAITING
        return serializers.DateTimeField().to_representation(run.job.not_before) if waits else None


class Sources(Resource):
    says = {"list": "The feeds of your companies' connections.", "retrieve": "One feed of a connection."}
    serializer_class = SourceOut
    permission = READ_RUNS
    entity_path = "connection__entity_id"
    order = ("pk",)

    def visible(self, user: User) -> QuerySet[Source]:
        mine = Source.objects.filter(connection__entity__in=user.entities_where(READ_RUNS))
        return mine.select_related("connection__entity")

    @extend_schema(request=Nothing, responses=RunOut)
    @action(detail=True, methods=["post"])
    @once
    def fetch(self, request: Request, pk: str) -> Response:
        """Pull the feed now. Where a run is under way that one is the answer; one that waits for its next try starts at once."""
        self.sent(Nothing)
        run = operations.fetch_now(source=self.get_object(), actor=request.user)
        return Response(RunOut(told_runs().get(pk=run.pk)).data)


class RunQuery(Query):
    source = Id(required=False, help_text="Only of this feed, by the source's id.")


class Runs(Resource):
    says = {"list": "Sync runs, the newest first.", "retrieve": "One sync run: what it saw, and why it failed."}
    serializer_class = RunOut
    query_class = RunQuery
    permission = READ_RUNS
    entity_path = "source__connection__entity_id"

    def visible(self, user: User) -> QuerySet[SyncRun]:
        return told_runs().filter(source__connection__entity__in=user.entities_where(READ_RUNS))

    def narrow(self, rows: QuerySet[SyncRun], asked: Mapping[str, Any]) -> QuerySet[SyncRun]:
        return rows.filter(source=asked["source"]) if "source" in asked else rows


def told_runs() -> QuerySet[SyncRun]:
    return SyncRun.objects.select_related("job__asked_by", "source__connection__entity")
