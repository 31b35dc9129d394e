"""An action's form as JSON: a schema of what it takes, and what was sent as the form reads it."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.api.fields import Strict

SCALAR = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}
MOST_NAMES = 200
KINDS: tuple[tuple[type[forms.Field], dict[str, Any]], ...] = (
    (forms.BooleanField, {"type": "boolean"}),
    (forms.DecimalField, {"type": "string", "format": "decimal"}),  # before the integer, whose subclass it is
    (forms.IntegerField, {"type": "integer"}),
    (forms.DateTimeField, {"type": "string", "format": "date-time"}),
    (forms.DateField, {"type": "string", "format": "date"}),
)


def schema_of(form: forms.Form) -> dict[str, Any]:
    """JSON Schema of the `data` that the form takes. A suggestion of the form's is the property's default."""
    return {
        "type": "object",
        "properties": {field.html_name: _property(field) for field in form},
        "required": [field.html_name for field in form if field.field.required],
        "additionalProperties": False,
    }


def _property(field: forms.BoundField) -> dict[str, Any]:
    said: dict[str, Any] = {"title": str(field.label)}
    if field.help_text:
        said["description"] = str(field.help_text)
    choices = getattr(field.field, "choices", None)
    if choices is not None:
        one = {"type": "string", "oneOf": [{"const": value, "title": label} for value, label in _flat(choices)]}
        several = isinstance(field.field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField)
        said |= {"type": "array", "items": one} if several else one
    else:
        said |= next((dict(kind) for known, kind in KINDS if isinstance(field.field, known)), {"type": "string"})
        for name, of_field in (("maxLength", "max_length"), ("minimum", "min_value"), ("maximum", "max_value")):
            limit = getattr(field.field, of_field, None)
            if limit is not None:
                said[name] = limit
    if isinstance(field.field.widget, forms.PasswordInput):
        said["writeOnly"] = True
    elif field.value() is not None:
        said["default"] = _default(field.value(), said["type"])
    return said


def _flat(choices: Any) -> Iterator[tuple[str, str]]:
    """Without their groups, and without the empty one."""
    for value, label in choices:
        if isinstance(label, list | tuple):
            yield from _flat(label)
        elif value not in (None, ""):
            yield str(value), str(label)


def _default(value: Any, kind: str) -> Any:
    if kind == "array":
        return [str(each) for each in value]
    if isinstance(value, bool | int) and kind != "string":
        return value
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@extend_schema_field({"type": "object", "additionalProperties": {"anyOf": [SCALAR, {"type": "array", "items": SCALAR}]}})
class Data(serializers.DictField):
    """Values by the names of the form's fields: texts, numbers, booleans, or lists of them."""

    def to_internal_value(self, data: Any) -> QueryDict:
        if not isinstance(data, Mapping):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > MOST_NAMES:
            raise serializers.ValidationError([f"At most {MOST_NAMES} names."])
        said, faults = QueryDict(mutable=True), {}
        for name, value in data.items():
            try:
                texts = [_text(each) for each in (value if isinstance(value, list) else [value])]
                said.setlist(_text(name), texts)
            except serializers.ValidationError as error:
                faults[ascii(name)[1:-1]] = error.detail
        if faults:
            raise serializers.ValidationError(faults)
        return said


def _text(value: Any) -> str:
    """As a browser would send it."""
    if value is None or isinstance(value, dict | list):
        raise serializers.ValidationError("Expected a text, a number, true, false, or a list of them.")
    return serializers.CharField(allow_blank=True, trim_whitespace=False).run_validation(
        str(value) if isinstance(value, bool | float) else value
    )


class Filled(Strict):
    """The form as it would be sent."""

    data = Data(required=False, default=lambda: QueryDict(mutable=True), help_text="What the action's form takes")


class Confirmed(Filled):
    """The form, and which preview of it you saw."""

    digest = serializers.CharField(max_length=64, help_text="The digest of the preview that you saw")
