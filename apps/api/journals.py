"""Journals with their lines; approving and exporting several at once after a preview, taking an approval back."""

from collections.abc import Mapping
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.acting import DoneOut, do_deed, in_zone, plan_deed
from apps.api.fields import AskedMonth, Id, Money, Month, Named, Told
from apps.api.forms import Confirmed, Filled
from apps.api.idempotency import once
from apps.api.plans import PlanOut
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.money import ZERO
from apps.core.permissions import READ_MONEY
from apps.ledger.models import Account, BatchJournal, Journal, JournalLine
from apps.settlements.journal_deeds import APPROVE, EXPORT, WITHDRAW, Ticked, ticked
from apps.work.deeds import Deed

MOST = 500  # journals at once


class AccountOut(Told):
    """A ledger account."""

    class Meta:
        model = Account
        fields = ["code", "name", "kind"]
        read_only_fields = fields


class JournalOut(Told):
    """A summarised journal of one accounting month, in which debits equal credits."""

    entity = Named(read_only=True)
    period = Month(help_text="The accounting month")
    total = Money("summed", help_text="Sum of the debits, which equals that of the credits")
    approved_by = Named(read_only=True, allow_null=True)
    corrects = serializers.IntegerField(
        source="corrects_id", read_only=True, allow_null=True, help_text="The exported journal of which it books the difference"
    )
    settlement_id = serializers.CharField(source="settled", read_only=True, allow_null=True)
    batch = serializers.IntegerField(source="left_in", read_only=True, allow_null=True, help_text="Id of the batch it left in")

    class Meta:
        model = Journal
        fields = [
            *("id", "key", "entity", "settlement_id", "period", "dated", "state", "currency", "total", "corrects"),
            *("approved_by", "approved_at", "returned", "built_at", "batch"),
        ]
        read_only_fields = fields


class JournalLineOut(Told):
    """Debit or credit of one account. Without an account, the label names the fee that has none."""

    account = AccountOut(read_only=True, allow_null=True)
    tax_code = serializers.CharField(source="tax_code.name", default=None, read_only=True, allow_null=True)
    debit = Money(currency="journal.currency")
    credit = Money(currency="journal.currency")

    class Meta:
        model = JournalLine
        fields = ["number", "account", "label", "tax_code", "debit", "credit"]
        read_only_fields = fields


class JournalDetail(JournalOut):
    """A journal with its lines."""

    lines = JournalLineOut(many=True, read_only=True)

    class Meta(JournalOut.Meta):
        fields = [*JournalOut.Meta.fields, "lines"]
        read_only_fields = fields


class JournalQuery(Query):
    state = serializers.ChoiceField(Journal.State.choices, required=False, help_text="Only in this state.")
    month = AskedMonth(required=False, help_text="Only of this accounting month.")


class TickedIn(Filled):
    """Journals of one company."""

    journals = serializers.ListField(child=Id(), min_length=1, max_length=MOST, help_text="Their ids, all of one company")


class ConfirmedTicked(TickedIn, Confirmed):
    """Journals of one company, and which preview of them you saw."""


class Journals(Resource):
    says = {
        "list": "Journals, the newest month first.",
        "retrieve": "One journal with its lines.",
    }
    serializer_class = JournalOut
    detail_class = JournalDetail
    query_class = JournalQuery
    permission = READ_MONEY
    order = ("-period", "key")

    def visible(self, user: User) -> QuerySet[Journal]:
        sums = JournalLine.objects.filter(journal=OuterRef("pk")).order_by().values("journal").values(total=Sum("debit"))
        batches = BatchJournal.objects.filter(journal=OuterRef("pk"), live=True).order_by().values("batch")
        settled = Journal.objects.filter(pk=OuterRef("pk")).values("of_settlement__version__settlement__settlement_id")
        rows = Journal.objects.visible_to(user).select_related("entity", "approved_by")
        return rows.annotate(summed=Coalesce(Subquery(sums), ZERO), left_in=Subquery(batches), settled=Subquery(settled))

    def narrow(self, rows: QuerySet[Journal], asked: Mapping[str, Any]) -> QuerySet[Journal]:
        if "state" in asked:
            rows = rows.filter(state=asked["state"])
        return rows.filter(period=asked["month"]) if "month" in asked else rows

    @extend_schema(request=Filled, responses=PlanOut)
    @action(detail=True, methods=["post"], url_path="withdraw/preview")
    def preview_withdraw(self, request: Request, pk: str) -> Response:
        """A dry run of taking an approval back before the journal leaves. Changes nothing."""
        return self._planned(WITHDRAW, self.get_object(), self.sent(Filled))

    @extend_schema(request=Confirmed, responses=DoneOut)
    @action(detail=True, methods=["post"])
    @once
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take an approval back before the journal leaves, for a reason."""
        return self._done(WITHDRAW, self.get_object(), self.sent(Confirmed))

    @extend_schema(request=TickedIn, responses=PlanOut)
    @action(detail=False, methods=["post"], url_path="approve/preview")
    def preview_approve(self, request: Request) -> Response:
        """A dry run of approving drafts: which would be, which would not and why. Changes nothing."""
        said = self.sent(TickedIn)
        return self._planned(APPROVE, self._ticked(said), said)

    @extend_schema(request=ConfirmedTicked, responses=DoneOut)
    @action(detail=False, methods=["post"])
    @once
    def approve(self, request: Request) -> Response:
        """Approve those drafts that can be, and bind each to its lines as they stand; the others stay."""
        said = self.sent(ConfirmedTicked)
        return self._done(APPROVE, self._ticked(said), said)

    @extend_schema(request=TickedIn, responses=PlanOut)
    @action(detail=False, methods=["post"], url_path="export/preview")
    def preview_export(self, request: Request) -> Response:
        """A dry run of exporting approved journals; `data` is {"format": "generic" or "xero"}. Changes nothing."""
        said = self.sent(TickedIn)
        return self._planned(EXPORT, self._ticked(said), said)

    @extend_schema(request=ConfirmedTicked, responses=DoneOut)
    @action(detail=False, methods=["post"])
    @once
    def export(self, request: Request) -> Response:
        """Write those that can leave into the company's next batch, once; the others stay. Its file is at batches."""
        said = self.sent(ConfirmedTicked)
        return self._done(EXPORT, self._ticked(said), said)

    def _planned(self, deed: Deed, record: Journal | Ticked, said: Mapping[str, Any]) -> Response:
        with in_zone(record.entity):
            return Response(PlanOut(plan_deed(deed, record, self.request.user, said["data"])).data)

    def _done(self, deed: Deed, record: Journal | Ticked, said: Mapping[str, Any]) -> Response:
        with in_zone(record.entity):
            return Response(DoneOut(do_deed(deed, record, self.request.user, said["data"], said["digest"])).data)

    def _ticked(self, said: Mapping[str, Any]) -> Ticked:
        try:
            return ticked(said["journals"], self.request.user)
        except Journal.DoesNotExist as error:
            raise Http404("no such journal") from error
