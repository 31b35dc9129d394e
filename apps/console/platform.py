"""An integration platform: connecting one, how it posts, what of it is open, and where it is asked to retry."""

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.console.deeds import Attempted, attempt, may_not, offer
from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import door, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_CONNECTIONS
from apps.exceptions.forms import ReasonForm
from apps.exceptions.models import Case
from apps.exceptions.types import Plan, digest
from apps.integrations.models import Connection
from apps.platforms import operations
from apps.platforms.intake import CODE
from apps.platforms.models import FailedRecord, Platform
from apps.work.alerts.webhooks import check_url
from apps.work.deeds import Deed

EXAMPLE_AGO = timedelta(minutes=5)


class AddressFields(forms.Form):
    address = forms.CharField(
        label="Where it takes retries", max_length=2000, required=False, widget=forms.TextInput({"autocomplete": "off"}),
        help_text="The address of a hook in the platform that runs one record again. Sealed, and never shown again",
    )  # fmt: skip
    token = forms.CharField(
        label="Its token", max_length=4000, required=False, widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Sent along as Authorization: Bearer …, where the hook asks for one",
    )  # fmt: skip

    def clean_address(self) -> str:
        address = self.cleaned_data["address"].strip()
        if address:
            try:
                check_url(address)
            except Refused as refused:
                raise forms.ValidationError(refused.words) from refused
        return address


class ConnectForm(AddressFields):
    entity = forms.ModelChoiceField(Entity.objects.none(), label="Company", empty_label=None)
    name = forms.CharField(label="Name", max_length=120, help_text="As people call it")
    field_order = ("entity", "name", "address", "token")

    def __init__(self, companies: list[Entity], data: Any = None):
        super().__init__(data)
        self.fields["entity"].queryset = Entity.objects.filter(pk__in=[company.pk for company in companies])


class AddressForm(AddressFields, ReasonForm):
    """What it had is never shown, so both are entered anew."""

    field_order = ("address", "token", "reason")

    def __init__(self, connection: Connection, actor: User, data: Any = None):
        super().__init__(connection, actor, data)
        self.fields["address"].required = True


def _preview_address(connection: Connection, actor: User, cleaned: dict[str, Any]) -> Plan:
    platform = connection.platform
    says = f"Until now retries go to {platform.retries_to}." if platform.retries_to else "Until now nothing is asked of it."
    return Plan(effect="Send retries there", says=says, digest=digest(platform.pk, platform.retries_to, platform.refused_at))


def _run_address(connection: Connection, actor: User, cleaned: dict[str, Any]) -> str:
    platform = operations.change_address(platform=connection.platform, actor=actor, **cleaned)
    return f"Retries go to {platform.retries_to} now."


ADDRESS = Deed(
    name="address",
    label="Change where retries go",
    permission=KEEP_CONNECTIONS,
    form=AddressForm,
    preview=_preview_address,
    run=_run_address,
    clears=(CODE,),
)


@door(KEEP_CONNECTIONS, methods=["GET", "POST"])
def connect_platform(request: HttpRequest) -> HttpResponse:
    """A POST connects one, and shows its page with the key by which it posts, this once."""
    keeps = [company for company in request.companies.all if request.user.may(KEEP_CONNECTIONS, company.pk)]
    form, status = ConnectForm(keeps), 200
    if request.method == "POST":
        form = ConnectForm(keeps, request.POST)
        if form.is_valid():
            try:
                platform, clear = operations.connect(**form.cleaned_data, actor=request.user)
                return show_platform(request, platform.connection, clear)
            except NotAllowed:
                raise
            except Refused as refused:
                form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        status = UNPROCESSABLE
    return render_screen(request, "connect_platform.html", {"form": form}, status=status)


def platform_page(request: HttpRequest, connection: Connection) -> HttpResponse:
    """The page of a connection of this kind. A POST changes where retries go, or makes a new key and shows it this once."""
    if request.method == "GET":
        shown = None if may_not(ADDRESS, connection, request.user) else offer(ADDRESS, connection, request.user)
        return show_platform(request, connection, attempted=shown)
    if "key" in request.POST:
        return show_platform(request, connection, operations.change_key(platform=connection.platform, actor=request.user))
    attempted = attempt(ADDRESS, connection, request)
    return show_platform(request, connection, attempted=offer(ADDRESS, connection, request.user) if attempted.done else attempted)


def show_platform(
    request: HttpRequest, connection: Connection, clear: str = "", attempted: Attempted | None = None
) -> HttpResponse:
    show_in_zone(connection.entity)
    platform = Platform.objects.get(connection=connection)
    states = FailedRecord.objects.filter(connection=connection, state__in=FailedRecord.OPEN).values_list("state", flat=True)
    cases = Case.objects.visible_to(request.user).live().filter(type=CODE, facts__connection_id=connection.pk)
    context = {
        "connection": connection,
        "platform": platform,
        "clear": clear,
        "open": len(states),
        "asked": list(states).count(FailedRecord.State.ASKED),
        "cases": cases.by_rank()[:10],
        "address": request.build_absolute_uri(reverse("api-intake")),
        "at": (timezone.now() - EXAMPLE_AGO).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "attempted": attempted,
        "action": reverse("connection", args=[connection.pk]),
        "may_not": may_not(ADDRESS, connection, request.user),
        "deed": ADDRESS,
        "history": history(f"connection:{connection.pk}", connection.entity),
    }
    response = render_screen(
        request, "platform.html", context, partial="preview", status=attempted.status if attempted else 200
    )
    if clear:
        response["Cache-Control"] = "no-store"
    return response
