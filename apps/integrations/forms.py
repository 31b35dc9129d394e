"""What people enter about a connection: its marketplaces, and what it signs in with, which is written and never shown."""

from collections.abc import Iterable
from typing import Any

from django import forms

from apps.core.errors import Refused
from apps.core.models import User
from apps.exceptions.forms import ReasonForm
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Connection
from apps.integrations.regions import Region, regions_at
from apps.integrations.selling import check_choice


def _secret(label: str, **said: Any) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "off"})
    missing = {"required": f"Enter the {label.lower()}."}
    return forms.CharField(label=label, max_length=4000, widget=hidden, error_messages=missing, **said)


def by_region(found: Iterable[Region]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices of marketplaces, those of a region below its title."""
    return [
        (region.title, sorted(((each, name_of(each)) for each in region.marketplaces), key=lambda choice: choice[1]))
        for region in found
    ]


class MarketplacesForm(ReasonForm):
    marketplaces = forms.MultipleChoiceField(
        label="Marketplaces",
        widget=forms.CheckboxSelectMultiple,
        help_text="All that it is to bring from now on",
        error_messages={"required": "Choose one at least."},
    )

    def __init__(self, connection: Connection, actor: User, data: Any = None):
        super().__init__(connection, actor, data)
        self.connection, self.actor = connection, actor
        self.fields["marketplaces"].choices = by_region(regions_at(connection.endpoint))
        self.fields["marketplaces"].initial = connection.marketplaces
        self.order_fields(["marketplaces", "reason"])

    def clean_marketplaces(self) -> list[str]:
        chosen = self.cleaned_data["marketplaces"]
        try:
            check_choice(self.connection, chosen, self.actor)
        except Refused as refused:
            raise forms.ValidationError(refused.words) from refused
        return chosen


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
