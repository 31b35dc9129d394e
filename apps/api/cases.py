"""Cases: the queues, one case with its facts, its timeline, and its moves."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.acting import Weighed
from apps.api.audit import AuditOut
from apps.api.fields import Id, Money, Named, Nothing, Strict, Text, Told
from apps.api.idempotency import once
from apps.api.resources import Page, Query, Resource, asks
from apps.core.errors import Refused
from apps.core.models import AuditEntry, User
from apps.core.permissions import Team
from apps.exceptions import operations
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.reference import score_words
from apps.exceptions.types import REGISTRY, Action
from apps.integrations.feeds import feeding
from apps.work.filters import DUES, OPENED, VIEWS, CaseFilter

FLAG = {True: "1", False: ""}


class CaseOut(Told):
    """One cause that stops work, whatever the number of records behind it."""

    entity = Named(read_only=True)
    title = serializers.CharField(source="kind.title", read_only=True, help_text="What kind of exception it is")
    headline = serializers.SerializerMethodField(help_text="The finding as a sentence")
    stake = Money(help_text="The case's own money")
    assigned_to = Named(read_only=True, allow_null=True, help_text="Whose case it is")
    claimed_by = Named(read_only=True, allow_null=True, help_text="Who is at it now; lapses at claimed_until")
    snoozed_above = Money(allow_null=True, help_text="It sleeps until more than this is at stake")
    snoozed_for_run = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="It sleeps until a run of its feed that begins after this has ended"
    )
    ended_by = Named(read_only=True, allow_null=True, help_text="Who ended it; null while it is live, or if the system did")
    ending = serializers.SerializerMethodField(help_text="How it ended, in words")
    earlier = serializers.IntegerField(source="earlier_id", read_only=True, allow_null=True, help_text="The same cause before")

    class Meta:
        model = Case
        fields = [
            *("id", "entity", "type", "title", "headline", "subject", "team", "state", "diagnosis", "holds_back", "lines"),
            *("stake", "currency", "due_at", "opened_at", "assigned_to", "claimed_by", "claimed_until", "snoozed_until"),
            *("snoozed_above", "snoozed_for_run", "ended_at", "ended_by", "ending", "earlier"),
        ]
        read_only_fields = fields

    def get_headline(self, case: Case) -> str:
        return case.kind.headline(case)

    def get_ending(self, case: Case) -> str:
        return str(case.ending.get("words", ""))


class CaseDetail(CaseOut):
    """A case with what its detector saw."""

    facts = serializers.DictField(read_only=True, help_text="What the detector saw; money as text")
    rank = serializers.SerializerMethodField(help_text="How it is ranked, as a sum in words")

    class Meta(CaseOut.Meta):
        fields = [*CaseOut.Meta.fields, "facts", "rank"]
        read_only_fields = fields

    def get_rank(self, case: Case) -> str:
        return score_words(case)


class Filter(Strict):
    """As the console's queues are filtered."""

    team = serializers.ChoiceField(Team.choices, required=False, help_text="Only of this queue.")
    view = serializers.ChoiceField(list(VIEWS), required=False, help_text="Which part of the queue; all by default.")
    type = serializers.ChoiceField((), required=False, help_text="Only of this kind of exception.")
    diagnosis = serializers.ChoiceField(Diagnosis.choices, required=False, help_text="Only with this diagnosis.")
    holder = Id(required=False, help_text="Only those of this person, or that they are at.")
    q = serializers.CharField(required=False, max_length=200, help_text="Only those with all of these words.")
    least = serializers.DecimalField(
        14, 2, required=False, min_value=0, help_text="Only with this much at stake, in the company's base currency."
    )
    due = serializers.ChoiceField(list(DUES), required=False, help_text="Only those due by then.")
    opened = serializers.ChoiceField(list(OPENED), required=False, help_text="Only those opened within it.")
    came_back = serializers.BooleanField(required=False, help_text="Only those whose cause was ended before.")

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields["type"].choices = sorted(REGISTRY)
        return fields


class CaseQuery(Filter, Query):
    """A page of what the filter finds."""


class AssignIn(Strict):
    to = Id(allow_null=True, help_text="Whose case it is from now on, one of the team's people; null for nobody's")


class SnoozeIn(Strict):
    """One of until, above and next_run."""

    until = serializers.DateTimeField(required=False, help_text="It comes back then")
    above = serializers.DecimalField(
        18, 4, required=False, help_text="It comes back when more than this is at stake, in its currency, or at its deadline"
    )
    currency = serializers.CharField(
        max_length=3, required=False, help_text="Of the amount; refused where the case is counted in another"
    )
    next_run = serializers.BooleanField(
        default=False,
        help_text="It comes back if its cause is still there after the next run of what feeds it, or at its deadline",
    )
    reason = Text(max_length=400, help_text="For whoever reads the timeline")


class ReasonIn(Strict):
    reason = Text(max_length=400, help_text="For whoever reads the timeline")


class HandOverIn(ReasonIn):
    team = serializers.ChoiceField(Team.choices, help_text="Whose it is")


class NoteIn(Strict):
    text = Text(max_length=4000, help_text="Stands on the timeline for good")


def filter_of(asked: Mapping[str, Any]) -> CaseFilter:
    """What a checked Filter asks for."""
    return CaseFilter.of({name: FLAG[value] if isinstance(value, bool) else str(value) for name, value in asked.items()})


def move(body: type[Strict], name: str = "") -> Any:
    """A POST below a case that answers with the case as it is then."""

    def declare(handler: Any) -> Any:
        declared = extend_schema(request=body, responses=CaseDetail)(once(handler))
        return action(detail=True, methods=["post"], url_path=name or handler.__name__)(declared)

    return declare


class Cases(Weighed, Resource):
    kind = "case"
    says = {
        "list": "The cases of the queues that you read, by rank: what matters most comes first.",
        "retrieve": "One case with what its detector saw, whether live or ended.",
    }
    serializer_class = CaseOut
    detail_class = CaseDetail
    query_class = CaseQuery
    order = ("-score", "pk")

    def visible(self, user: User) -> QuerySet[Case]:
        return Case.objects.visible_to(user).select_related("entity", "assigned_to", "claimed_by", "ended_by")

    def narrow(self, rows: QuerySet[Case], asked: Mapping[str, Any]) -> QuerySet[Case]:
        asks = filter_of(asked)
        rows = rows.filter(asks.condition(self.request.user))
        return rows.filter(team=asks.team) if asks.team else rows

    def offered(self, case: Case) -> list[Action]:
        return [each for each in case.kind.actions if case.is_live and each.available(case)]

    def named(self, case: Case, name: str) -> Action | None:
        return next((each for each in case.kind.actions if each.name == name), None)

    @extend_schema(responses=AuditOut(many=True))
    @action(detail=True, serializer_class=AuditOut, order=("-pk",))
    @asks(Page)
    def timeline(self, request: Request, pk: str) -> Response:
        """What happened to the case, the newest first."""
        self.ask()
        return self.paged(AuditEntry.objects.about(self.get_object().audit_subject).select_related("entity"))

    @move(Nothing)
    def claim(self, request: Request, pk: str) -> Response:
        """Say that you are at it. The claim lapses by itself after two hours."""
        return self._moved(Nothing, operations.claim)

    @move(Nothing)
    def release(self, request: Request, pk: str) -> Response:
        """Give your claim back."""
        return self._moved(Nothing, operations.release)

    @move(AssignIn)
    def assign(self, request: Request, pk: str) -> Response:
        """Say whose case it is: one of the team's people, or nobody."""
        case, said = self.get_object(), self.sent(AssignIn)
        to = said["to"] and User.objects.filter(pk=said["to"], memberships__entity=case.entity_id).first()
        if said["to"] and to is None:
            raise Refused(f"Nobody at {case.entity} has this id.", field="to")
        return Response(self.told(operations.assign(case=case, actor=request.user, to=to)))

    @move(SnoozeIn)
    def snooze(self, request: Request, pk: str) -> Response:
        """Put the case aside for a reason, until an instant, an amount or the next run. It stays live, and clears if its cause
        goes away."""
        case = self.get_object()
        if self.sent(SnoozeIn)["next_run"] and not feeding(case.type, case.entity_id):
            words = f"No feed that runs at {case.entity} tells of this kind of exception. Say a time or an amount."
            raise Refused(words, field="next_run")
        return self._moved(SnoozeIn, operations.snooze)

    @move(Nothing)
    def wake(self, request: Request, pk: str) -> Response:
        """End a snooze early."""
        return self._moved(Nothing, operations.wake)

    @move(ReasonIn)
    def dismiss(self, request: Request, pk: str) -> Response:
        """Let the cause be, for a reason, where it holds nothing back. It opens again if the cause goes and returns."""
        return self._moved(ReasonIn, operations.dismiss)

    @move(HandOverIn, "hand-over")
    def hand_over(self, request: Request, pk: str) -> Response:
        """Move the case to another team's queue, for a reason. You may not read that queue: this is your last look then."""
        return self._moved(HandOverIn, operations.hand_over)

    @extend_schema(request=NoteIn, responses=AuditOut)
    @action(detail=True, methods=["post"])
    @once
    def note(self, request: Request, pk: str) -> Response:
        """Write something on the case's timeline, also after its end."""
        entry = operations.note(case=self.get_object(), actor=request.user, **self.sent(NoteIn))
        return Response(AuditOut(entry).data)

    def _moved(self, body: type[Strict], verb: Any) -> Response:
        case = self.get_object()
        moved = verb(case=case, actor=self.request.user, **self.sent(body))
        return Response(self.told(moved))
