"""A plan as programs read it: what an action would do, with the digest that binds the doing to it."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def plain(value: Any) -> Any:
    """Whatever a plan's detail is made of, as JSON: money as text, instants as ISO 8601, a record as its id and name."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Model):
        return {"id": value.pk, "name": str(value)}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, Iterable) else str(value)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Detail(serializers.Field):
    def to_representation(self, value: Any) -> Any:
        return plain(value)


class PlanOut(serializers.Serializer):
    """What would be done. Nothing has been done yet."""

    effect = serializers.CharField(read_only=True, help_text="In a few words, as the button says it")
    says = serializers.CharField(read_only=True, help_text="In a sentence")
    digest = serializers.CharField(read_only=True, help_text="Send it back to do just this and nothing else")
    over = serializers.CharField(
        read_only=True, allow_blank=True, help_text="Why it takes a second person; empty where one is enough"
    )
    detail = Detail(read_only=True, help_text="The figures behind it, each action's own; money as text")
