"""Background work: what runs, what failed and why, running it again, stopping it."""

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
from apps.core.permissions import READ_JOBS
from apps.integrations import jobs, operations
from apps.integrations.models import Attempt, Job, JobState


class JobOut(Told):
    """A piece of background work. A worker that dies is replaced; one that dies three times leaves the work stuck."""

    entity = Named(read_only=True, allow_null=True, help_text="Null for work of no company")
    title = serializers.SerializerMethodField(help_text="What it does")
    asked_by = Named(read_only=True, allow_null=True, help_text="Null by schedule")
    words = serializers.CharField(source="error", read_only=True, help_text="Why it failed, waits or was stopped")
    doing = serializers.CharField(source="progress_words", read_only=True, help_text="What it is at, or was last")
    done = serializers.IntegerField(source="progress_done", read_only=True, help_text="How much of it is done")
    of = serializers.IntegerField(source="progress_total", read_only=True, help_text="How much there is; 0 where not known")

    class Meta:
        model = Job
        fields = [
            *("id", "entity", "kind", "title", "state", "words", "doing", "done", "of", "attempts_made", "asked_by"),
            *("created_at", "not_before", "ended_at"),
        ]
        read_only_fields = fields

    def get_title(self, job: Job) -> str:
        return jobs.title(job)


class AttemptOut(Told):
    """One try at a job."""

    words = serializers.CharField(source="error", read_only=True, help_text="Why it failed or was put off")

    class Meta:
        model = Attempt
        fields = ["number", "outcome", "words", "started_at", "ended_at"]
        read_only_fields = fields


class JobDetail(JobOut):
    """A job with its tries."""

    attempts = AttemptOut(many=True, read_only=True)

    class Meta(JobOut.Meta):
        fields = [*JobOut.Meta.fields, "attempts"]
        read_only_fields = fields


class JobQuery(Query):
    state = serializers.ChoiceField(JobState.choices, required=False, help_text="Only in this state.")
    kind = serializers.CharField(required=False, max_length=60, help_text="Only of this kind.")


class Jobs(Resource):
    says = {"list": "Background work, the newest first.", "retrieve": "One job with its tries."}
    serializer_class = JobOut
    detail_class = JobDetail
    query_class = JobQuery
    permission = READ_JOBS

    def visible(self, user: User) -> QuerySet[Job]:
        return Job.objects.visible_to(user).select_related("entity", "asked_by")

    def narrow(self, rows: QuerySet[Job], asked: Mapping[str, Any]) -> QuerySet[Job]:
        return rows.filter(**{name: asked[name] for name in ("state", "kind") if name in asked})

    @extend_schema(request=Nothing, responses=JobDetail)
    @action(detail=True, methods=["post"], url_path="run-again")
    @once
    def run_again(self, request: Request, pk: str) -> Response:
        """Have failed, stuck or stopped work begun again. What it did before is not done twice."""
        return self._moved(operations.run_again)

    @extend_schema(request=Nothing, responses=JobDetail)
    @action(detail=True, methods=["post"])
    @once
    def stop(self, request: Request, pk: str) -> Response:
        """End it for good. A worker that is at it notices within seconds and commits nothing more."""
        return self._moved(operations.stop)

    def _moved(self, verb: Any) -> Response:
        self.sent(Nothing)
        job = verb(job=self.get_object(), actor=self.request.user)
        return Response(self.told(self.get_queryset().get(pk=job.pk)))
