"""What a connection signs in with, as people enter it: written, never shown."""

from typing import Any

from django import forms

from apps.core.models import User


def _secret(label: str, **said: Any) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=4000, widget=hidden, **said)


class CredentialsForm(forms.Form):
    """The fields are empty whenever the form is shown, so a preview does not need them; the doing does."""

    client_id = _secret("Client id")
    client_secret = _secret("Client secret")
    refresh_token = _secret("Refresh token", help_text="From Seller Central: Apps and Services, Develop Apps, Authorise.")

    def __init__(self, record: Any, actor: User, data: Any = None):
        super().__init__(data)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "digest" in self.data:
            for name, field in self.fields.items():
                if not cleaned.get(name):
                    self.add_error(name, f"Enter the {field.label.lower()}.")
        return cleaned
