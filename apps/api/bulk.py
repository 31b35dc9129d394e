"""Bulk actions: cases frozen by a filter or by id, a dry run of each, the doing, and what became of each."""

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.cases import Filter, filter_of
from apps.api.fields import Id, Named, Nothing, Strict, Told
from apps.api.forms import Data
from apps.api.idempotency import once
from apps.api.proposals import ProposalOut
from apps.api.resources import Page, Resource, asks
from apps.core.errors import Refused
from apps.core.models import User
from apps.work.bulk import operations, whole
from apps.work.bulk.freezing import MOST
from apps.work.bulk.models import Bulk, BulkMember

MOST_NAMED = 2000  # ids in one body; more are a filter's


class BulkOut(Told):
    """One action on many cases. A worker checks each: eligible + not_eligible = members once it is ready. Confirmed, it is done
    to the eligible ones: done + skipped + failed + not_reached = eligible."""

    made_by = Named(read_only=True)
    stopped_by = Named(read_only=True, allow_null=True)
    retry_of = serializers.IntegerField(source="retry_of_id", read_only=True, allow_null=True, help_text="The bulk it repeats")
    undo_of = serializers.IntegerField(
        source="undo_of_id", read_only=True, allow_null=True, help_text="The bulk whose cases it puts back where they stood"
    )
    digest = serializers.CharField(read_only=True, help_text="Of the dry run, from the state ready on; the confirmation needs it")
    matched = serializers.IntegerField(read_only=True, help_text="How many the filter found")
    members = serializers.IntegerField(read_only=True, help_text=f"How many were frozen: {MOST:,} at the most")
    not_reached = serializers.IntegerField(read_only=True, help_text="Eligible, and nothing done to them, or nothing yet")
    broken = serializers.SerializerMethodField(help_text="Whether its work failed before its end: “go-on” takes it up again")

    class Meta:
        model = Bulk
        fields = [
            *("id", "action", "type", "chosen", "state", "digest", "matched", "members", "eligible", "not_eligible", "done"),
            *("skipped", "failed", "not_reached", "broken", "retry_of", "undo_of", "made_by", "made_at", "confirmed_at"),
            *("ended_at", "stopped_by"),
        ]
        read_only_fields = fields

    def get_broken(self, bulk: Bulk) -> bool:
        return operations.is_broken(bulk)


class MemberOut(Told):
    """A case of a bulk and what became of it there."""

    case = serializers.IntegerField(source="case_id", read_only=True, help_text="The case's id")
    code = serializers.CharField(read_only=True, help_text="Why, as a stable name: the code that the case's own move answers")
    why = serializers.CharField(read_only=True, help_text="Why, in words; or what was done, or would be")

    class Meta:
        model = BulkMember
        fields = ["case", "verdict", "code", "why"]
        read_only_fields = fields


class MemberQuery(Page):
    verdict = serializers.ChoiceField(BulkMember.Verdict.choices, required=False, help_text="Only with this verdict.")


class FreezeIn(Strict):
    """Which cases, by `filter` or by `cases`, and what is to be done to each of them."""

    action = serializers.CharField(
        max_length=60,
        help_text="assign, claim, release, snooze, wake, hand-over, dismiss, note; or an action of the one type that all are of",
    )
    data = Data(required=False, default=lambda: QueryDict(mutable=True), help_text="What the action's form takes")
    filter = Filter(required=False, help_text="All that it finds now; {} is every open case that you read")
    cases = serializers.ListField(child=Id(), min_length=1, max_length=MOST_NAMED, required=False, help_text="Just these, by id")
    entities = serializers.ListField(
        child=Id(), min_length=1, max_length=MOST_NAMED, required=False, help_text="Only of these companies; else of all of yours"
    )

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if ("filter" in said) == ("cases" in said):
            raise serializers.ValidationError("Say which cases: either “filter” or “cases”.")
        return said


class ConfirmIn(Strict):
    digest = serializers.CharField(max_length=64, help_text="The digest of the bulk as you saw it")


class Bulks(Resource):
    says = {
        "list": "Bulk actions on queues that you read, the newest first.",
        "retrieve": "One bulk action: how far it is, and how many members came to which verdict.",
    }
    serializer_class = BulkOut

    def visible(self, user: User) -> QuerySet[Bulk]:
        return Bulk.objects.visible_to(user).select_related("made_by", "stopped_by", "job")

    def within(self, rows: QuerySet[Bulk], entity_id: int) -> QuerySet[Bulk]:
        return rows.of_companies([entity_id])

    @extend_schema(request=FreezeIn, responses={201: BulkOut})
    @once
    def create(self, request: Request) -> Response:
        """Freeze the cases as they are now, and have each checked in the background: a dry run that changes nothing. Ask for
        it again until its state is ready."""
        said = self.sent(FreezeIn)
        mine = set(request.user.teams_seen_in())
        entities = set(said.get("entities", mine))
        if entities - mine:
            raise Refused("You have no company with this id.", field="entities")
        which = {"filter": filter_of(said["filter"])} if "filter" in said else {"case_ids": said["cases"]}
        asked = {"user": request.user, "action": said["action"], "data": said["data"], "entity_ids": entities}
        return self._answer(operations.freeze(**asked, **which), 201)

    @extend_schema(responses=MemberOut(many=True))
    @action(detail=True, serializer_class=MemberOut, order=("case_id",))
    @asks(MemberQuery)
    def members(self, request: Request, pk: str) -> Response:
        """The cases that were frozen, each with its verdict, by id. There are none before the dry run has begun."""
        asked = self.ask()
        rows = BulkMember.objects.filter(bulk=self.get_object())
        return self.paged(rows.filter(verdict=asked["verdict"]) if "verdict" in asked else rows)

    @extend_schema(request=ConfirmIn, responses=BulkOut)
    @action(detail=True, methods=["post"])
    @once
    def confirm(self, request: Request, pk: str) -> Response:
        """Have it done to each eligible member in the background, just as the dry run with this digest showed it. What has
        changed since is skipped."""
        return self._done(operations.confirm, ConfirmIn)

    @extend_schema(request=ConfirmIn, responses=ProposalOut(many=True))
    @action(detail=True, methods=["post"], serializer_class=ProposalOut, pagination_class=None)
    @once
    def propose(self, request: Request, pk: str) -> Response:
        """Ask a second person, where the whole of it is above the limits of a company: of each such company. Approved, it is
        begun on the same dry run."""
        asked = whole.propose(bulk=self.get_object(), user=request.user, **self.sent(ConfirmIn))
        return Response(ProposalOut(asked, many=True).data)

    @extend_schema(request=Nothing, responses=BulkOut)
    @action(detail=True, methods=["post"])
    @once
    def stop(self, request: Request, pk: str) -> Response:
        """End it, or throw it away before it began. What is done stays done."""
        return self._done(operations.stop)

    @extend_schema(request=Nothing, responses=BulkOut)
    @action(detail=True, methods=["post"], url_path="go-on")
    @once
    def go_on(self, request: Request, pk: str) -> Response:
        """Take up work that failed before its end. Nothing is done twice."""
        return self._done(operations.go_on)

    @extend_schema(request=Nothing, responses={201: BulkOut})
    @action(detail=True, methods=["post"], url_path="retry-failed")
    @once
    def retry_failed(self, request: Request, pk: str) -> Response:
        """A new bulk of the members that failed, changed after the dry run, or were not reached; with a dry run of its own."""
        return self._done(operations.retry_failed, status=201)

    @extend_schema(request=Nothing, responses={201: BulkOut})
    @action(detail=True, methods=["post"], url_path="put-back")
    @once
    def put_back(self, request: Request, pk: str) -> Response:
        """A new bulk that makes each member on which it was done what it was before; with a dry run of its own, which says what
        has changed since and stays as it is. Moves only, once, and for a week after the end."""
        return self._done(operations.put_back, status=201)

    def _done(self, verb: Any, body: type[Strict] = Nothing, status: int = 200) -> Response:
        return self._answer(verb(bulk=self.get_object(), user=self.request.user, **self.sent(body)), status)

    def _answer(self, bulk: Bulk, status: int) -> Response:
        return Response(self.told(self.get_queryset().get(pk=bulk.pk)), status)
