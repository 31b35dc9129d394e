"""Changes that take a second person: those that wait, one with its preview as it is now, and the decision on it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.acting import in_zone
from apps.api.fields import Nothing, Strict, Text
from apps.api.idempotency import once
from apps.api.proposals import ProposalOut, ReviewOut
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.permissions import READ_AUDIT
from apps.work import proposals
from apps.work.models import Proposal


class ProposalDetail(ProposalOut):
    """A change with its preview as it is now, while it waits."""

    data = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), read_only=True, help_text="The form as it was filled in"
    )
    review = serializers.SerializerMethodField(help_text="Null where it does not wait any more")

    class Meta(ProposalOut.Meta):
        fields = [*ProposalOut.Meta.fields, "data", "review"]
        read_only_fields = fields

    def get_review(self, proposal: Proposal) -> ReviewOut(allow_null=True):
        if not proposal.is_waiting:
            return None
        with in_zone(proposal.entity):
            return ReviewOut(proposals.review(proposal)).data


class ProposalQuery(Query):
    waiting = serializers.BooleanField(required=False, help_text="Only those that wait for a second person, or only the others.")


class ApproveIn(Strict):
    digest = serializers.CharField(max_length=64, help_text="The digest of the review's plan that you saw")


class DeclineIn(Strict):
    words = Text(max_length=600, help_text="Why not, for who asked")


class Approvals(Resource):
    says = {
        "list": "Changes that took or take a second person, the newest first.",
        "retrieve": "One change, with its preview as it is now while it waits.",
    }
    serializer_class = ProposalOut
    detail_class = ProposalDetail
    query_class = ProposalQuery
    permission = READ_AUDIT

    def visible(self, user: User) -> QuerySet[Proposal]:
        return Proposal.objects.visible_to(user).select_related("entity", "asked_by", "decided_by")

    def narrow(self, rows: QuerySet[Proposal], asked: Mapping[str, Any]) -> QuerySet[Proposal]:
        if "waiting" not in asked:
            return rows
        waits = Q(state=Proposal.State.WAITING, lapses_at__gt=Now())
        return rows.filter(waits if asked["waiting"] else ~waits)

    @extend_schema(request=ApproveIn, responses=ProposalDetail)
    @action(detail=True, methods=["post"])
    @once
    def approve(self, request: Request, pk: str) -> Response:
        """Have the change done just as the review with this digest shows it, in the asker's name and yours. If the world has
        changed since, nothing is done, and the answer is 409 with the new plan."""
        return self._decided(proposals.approve, ApproveIn)

    @extend_schema(request=DeclineIn, responses=ProposalDetail)
    @action(detail=True, methods=["post"])
    @once
    def decline(self, request: Request, pk: str) -> Response:
        """Say no, in words for who asked. Nothing is changed."""
        return self._decided(proposals.decline, DeclineIn)

    @extend_schema(request=Nothing, responses=ProposalDetail)
    @action(detail=True, methods=["post"])
    @once
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back what you asked for. Nothing is changed."""
        return self._decided(proposals.withdraw, Nothing)

    def _decided(self, verb: Any, body: type[Strict]) -> Response:
        proposal, said = self.get_object(), self.sent(body)
        with in_zone(proposal.entity):
            verb(proposal=proposal, actor=self.request.user, **said)
        return Response(self.told(self.get_queryset().get(pk=proposal.pk)))
