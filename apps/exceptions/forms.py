"""The forms of actions that need nothing but a reason, or nothing at all; and how a form says what a verb would refuse."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apps.core.errors import Refused
from apps.core.models import User
from apps.exceptions.models import Case


@contextmanager
def refusal_beside_its_field() -> Iterator[None]:
    """In a form's `clean`: what is refused here becomes the field's own fault, or the form's where it names none."""
    try:
        yield
    except Refused as refused:
        raise ValidationError({refused.field or NON_FIELD_ERRORS: refused.words}) from refused


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)


class NoForm(forms.Form):
    """Complete as it stands."""

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data or {})
