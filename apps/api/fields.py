"""How records are told: money as text at its currency's decimals, related records by id and name, text that can be stored."""

from datetime import date
from operator import attrgetter
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.money import plain

LARGEST_ID = 2**63 - 1


@extend_schema_field({"type": "string", "pattern": r"^-?\d+(\.\d+)?$"})
class Money(serializers.Field):
    """An amount with the decimals of its currency, whose path from the record is `currency`. Null where it is not known."""

    def __init__(self, amount: str = "", currency: str = "currency", **said: Any):
        self.amount, self.currency = amount, attrgetter(currency)
        super().__init__(source="*", read_only=True, **said)

    def to_representation(self, record: Any) -> str | None:
        amount = getattr(record, self.amount or self.field_name)
        return None if amount is None else plain(amount, self.currency(record))


@extend_schema_field({"type": "string", "pattern": r"^\d{4}-\d{2}$", "example": "2026-10"})
class Month(serializers.DateField):
    """An accounting month."""

    def __init__(self, **said: Any):
        super().__init__(format="%Y-%m", read_only=True, **said)


class AskedMonth(serializers.RegexField):
    """A month as an address asks for it; its first day."""

    def __init__(self, **said: Any):
        super().__init__(r"^\d{4}-(0[1-9]|1[0-2])$", **said)

    def run_validation(self, data: Any = serializers.empty) -> date:
        year, month = map(int, super().run_validation(data).split("-"))
        if not year:
            raise serializers.ValidationError("There is no year 0.")
        return date(year, month, 1)


class Told(serializers.ModelSerializer):
    """A record as it is told. The words of a field with choices are all of them, also that it is empty."""

    def build_standard_field(self, field_name: str, model_field: Any) -> tuple[type, dict[str, Any]]:
        field, said = super().build_standard_field(field_name, model_field)
        if model_field.choices and model_field.blank:
            said["choices"] = [("", ""), *model_field.choices]
        return field, said


class Named(serializers.Serializer):
    """A related record: its id, and its name for people."""

    id = serializers.IntegerField(source="pk", read_only=True)
    name = serializers.CharField(source="__str__", read_only=True)


class Id(serializers.IntegerField):
    def __init__(self, **said: Any):
        super().__init__(min_value=1, max_value=LARGEST_ID, **said)


class Text(serializers.CharField):
    """Words by a person; blank ones are for the verb to refuse."""

    def __init__(self, **said: Any):
        super().__init__(allow_blank=True, **said)


class Strict(serializers.Serializer):
    """Refuses names that it does not know: a misspelt one would do something else than was meant."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if hasattr(data, "keys") and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError({name: [f"There is no such name here. There are: {known}."] for name in unknown})
        return super().to_internal_value(data)


class Nothing(Strict):
    """An empty body, or {}."""
