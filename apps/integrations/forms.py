"""What a connection signs in with, as people enter it: written, never shown."""

from typing import Any

from django import forms

from apps.core.models import User


def _secret(label: str, **said: Any) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "off"})
    missing = {"required": f"Enter the {label.lower()}."}
    return forms.CharField(label=label, max_length=4000, widget=hidden, error_messages=missing, **said)


class CredentialsForm(forms.Form):
    """The fields are empty whenever the form is shown, so a preview does not need them; the doing, which has a digest, does."""

    client_id = _secret("Client id")
    client_secret = _secret("Client secret")
    refresh_token = _secret("Refresh token", help_text="From Seller Central: Apps and Services, Develop Apps, Authorise.")

    def __init__(self, record: Any, actor: User, data: Any = None):
        super().__init__(data)

    def clean(self) -> dict[str, Any]:
        if "digest" not in self.data:
            self.errors.clear()
        return super().clean()
