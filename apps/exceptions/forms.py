"""The forms of actions that need nothing but a reason, or nothing at all."""

from typing import Any

from django import forms

from apps.core.models import User
from apps.exceptions.models import Case


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)


class NoForm(forms.Form):
    """Complete as it stands."""

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data or {})
