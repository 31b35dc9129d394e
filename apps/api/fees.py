"""GL mapping: the rules, changed or undone after a preview, and every fee signature with the account it posts to today."""

from collections.abc import Mapping
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from rest_framework import serializers

from apps.api.acting import Weighed
from apps.api.fields import Named, Told
from apps.api.resources import Query, Resource
from apps.core.models import User
from apps.core.permissions import READ_MONEY
from apps.settlements.models import FeeRule, FeeSignature, Resolution
from apps.settlements.rule_deeds import DEEDS
from apps.work.deeds import Deed


class SignatureOut(Told):
    """A kind of settlement line: what a person maps."""

    entity = Named(read_only=True)
    account = serializers.CharField(
        source="account_code", read_only=True, allow_null=True, help_text="Code of the account that it posts to today"
    )
    rule = serializers.IntegerField(read_only=True, source="rule_id", allow_null=True, help_text="Id of the rule that says so")

    class Meta:
        model = FeeSignature
        fields = [
            *("id", "entity", "marketplace", "transaction_type", "amount_type", "amount_description", "treatment"),
            *("first_seen", "account", "rule"),
        ]
        read_only_fields = fields


class SignatureQuery(Query):
    mapped = serializers.BooleanField(required=False, help_text="Only those with an account today, or only those without one.")


class FeeSignatures(Resource):
    says = {
        "list": "Fee signatures of your companies, in the order they were first seen.",
        "retrieve": "One fee signature.",
    }
    serializer_class = SignatureOut
    query_class = SignatureQuery
    permission = READ_MONEY
    order = ("pk",)

    def visible(self, user: User) -> QuerySet[FeeSignature]:
        today = Resolution.objects.filter(signature=OuterRef("pk"), period__contains=timezone.localdate())
        mine = FeeSignature.objects.filter(entity__in=user.entities_where(READ_MONEY)).select_related("entity")
        return mine.annotate(
            rule_id=Subquery(today.values("rule")[:1]), account_code=Subquery(today.values("rule__account__code")[:1])
        )

    def narrow(self, rows: QuerySet[FeeSignature], asked: Mapping[str, Any]) -> QuerySet[FeeSignature]:
        return rows.filter(rule_id__isnull=not asked["mapped"]) if "mapped" in asked else rows


class RuleOut(Told):
    """Maps the signatures that its patterns match to an account. An empty pattern matches anything, * any ending."""

    entity = Named(read_only=True)
    since = serializers.DateField(source="period.lower", read_only=True, allow_null=True, help_text="Its first day")
    until = serializers.DateField(source="period.upper", read_only=True, allow_null=True, help_text="The day after its last")
    account = serializers.CharField(source="account.code", read_only=True, help_text="The account's code")
    tax_class = serializers.CharField(source="tax_class.name", default=None, read_only=True, allow_null=True)
    made_by = Named(read_only=True)

    class Meta:
        model = FeeRule
        fields = [
            *("id", "entity", "marketplace", "transaction_type", "amount_type", "amount_description", "treatment"),
            *("since", "until", "account", "tax_class", "source", "reason", "made_by", "made_at"),
        ]
        read_only_fields = fields


class FeeRules(Weighed, Resource):
    kind = "rule"
    says = {"list": "Fee rules that map something on some day.", "retrieve": "One fee rule."}
    serializer_class = RuleOut
    permission = READ_MONEY
    order = ("pk",)

    def visible(self, user: User) -> QuerySet[FeeRule]:
        mine = FeeRule.objects.in_force().filter(entity__in=user.entities_where(READ_MONEY))
        return mine.select_related("entity", "account", "tax_class", "made_by")

    def offered(self, rule: FeeRule) -> list[Deed]:
        return list(DEEDS.values())

    def named(self, rule: FeeRule, name: str) -> Deed | None:
        return DEEDS.get(name)
