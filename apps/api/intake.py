"""Where an integration platform reports its failed records, and what became of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.authentication import SCHEME
from apps.api.fields import Strict
from apps.api.throttles import PerPlatform
from apps.core.money import exponent
from apps.platforms import keys
from apps.platforms.intake import MOST, Report, take
from apps.platforms.models import (
    LONGEST_ABOUT,
    LONGEST_CODE,
    LONGEST_FLOW,
    LONGEST_ID,
    LONGEST_WORDS,
    FailedRecord,
    Platform,
)

NOT_KNOWN = "This key opens no intake. An admin connects the platform in the console, or makes a new key for it there."
NEEDED = ("flow", "about", "text")
OUTCOMES = {
    "new": "Not known before",
    "failed-again": "Failed anew",
    "succeeded": "Succeeded, so it is closed",
    "unchanged": "Told before",
    "older": "Something newer is known",
    "unknown": "Succeeded, and never told as failed",
}


class PlatformAuthentication(BaseAuthentication):
    """`Authorization: Bearer ocp_…`"""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Platform] | None:
        scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        platform = keys.holder_of(clear.strip())
        if platform is None:
            raise AuthenticationFailed(NOT_KNOWN)
        return AnonymousUser(), platform

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class OfPlatform(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Platform)


class Instant(serializers.DateTimeField):
    """With its zone: whose clock a platform means without one, nobody knows."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            raise serializers.ValidationError("Expected its zone too: 2026-11-20T10:00:00Z.")
        return super().enforce_timezone(value)


class RecordIn(Strict):
    """A record as it is now. Of one that succeeded its id, instant and flow are read, and the flow may be left out where the id
    failed in one alone. No other field is taken, so that no buyer's data is kept; e-mail addresses and phone numbers in what
    people read are masked."""

    id = serializers.CharField(max_length=LONGEST_ID, help_text="Yours for this record in this flow, the same at each attempt")
    status = serializers.ChoiceField(["failed", "succeeded"], help_text="What became of it")
    at = Instant(help_text="When that was. The newest word about a record holds")
    flow = serializers.CharField(max_length=LONGEST_FLOW, default="", help_text="From where to where: orders → ERP")
    about = serializers.CharField(max_length=LONGEST_ABOUT, default="", help_text="What it is about: an order's id, a SKU")
    code = serializers.CharField(
        max_length=LONGEST_CODE, default="", allow_blank=True, help_text="The error's code, where it has one"
    )
    text = serializers.CharField(
        max_length=10_000, default="", help_text=f"The error's words, of which the first {LONGEST_WORDS} characters are kept"
    )
    link = serializers.URLField(max_length=500, default="", allow_blank=True, help_text="Its page in the platform")
    amount = serializers.DecimalField(
        14, 4, min_value=Decimal(0), default=None, allow_null=True, help_text="The money at stake, where it is known"
    )
    currency = serializers.RegexField(r"^[A-Z]{3}$", default="", allow_blank=True, help_text="The amount's")

    def validate_link(self, link: str) -> str:
        if link and not link.startswith(("https://", "http://")):
            raise serializers.ValidationError("Expected an address that begins with https:// or http://.")
        return link

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if said["status"] == "failed" and (missing := [name for name in NEEDED if not said[name]]):
            raise serializers.ValidationError({name: ["A record that failed needs it."] for name in missing})
        amount, currency = said["amount"], said["currency"]
        if (amount is None) == bool(currency):
            raise serializers.ValidationError({"currency": ["An amount has its currency beside it, and only an amount."]})
        if amount is not None and amount != round(amount, exponent(currency)):
            words = f"{currency} has {exponent(currency)} decimals."
            raise serializers.ValidationError({"amount": [words]})
        return said


class IntakeIn(Strict):
    records = serializers.ListField(child=RecordIn(), max_length=MOST, help_text=f"{MOST} at most; none: you are there")


class TakenOut(serializers.Serializer):
    id = serializers.CharField(help_text="Yours")
    outcome = serializers.ChoiceField(list(OUTCOMES), help_text="What the report did")


class IntakeOut(serializers.Serializer):
    open = serializers.IntegerField(help_text="How many of your records are failed, or asked for again, after this")
    records = TakenOut(many=True)


class Intake(APIView):
    authentication_classes = [PlatformAuthentication]
    permission_classes = [OfPlatform]
    throttle_classes = [PerPlatform]

    @extend_schema(request={"application/json": IntakeIn}, responses=IntakeOut, operation_id="intake_create")
    def post(self, request: Request) -> Response:
        """Report records that failed in an integration platform, and those that succeeded since. All of them are taken or none:
        a fault is named by the record's place and field. The same report again changes nothing, so send it again whenever you
        do not know whether it arrived; it needs no Idempotency-Key. The key is the platform's, not a person's token."""
        said = IntakeIn(data=request.data)
        said.is_valid(raise_exception=True)
        reports = [Report(**record) for record in said.validated_data["records"]]
        outcomes = take(platform=request.auth, reports=reports)
        left = FailedRecord.objects.filter(connection=request.auth.connection, state__in=FailedRecord.OPEN).count()
        told = [{"id": report.id, "outcome": outcome} for report, outcome in zip(reports, outcomes, strict=True)]
        return Response({"open": left, "records": told})
