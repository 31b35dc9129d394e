"""The form of an action that needs nothing but a reason."""

from typing import Any

from django import forms

from apps.core.models import User
from apps.exceptions.models import Case


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, case: Case, actor: User, data: Any = None):
        super().__init__(data)
