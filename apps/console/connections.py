"""Connections: the accounts that feeds come from; an admin adds one with what it signs in with."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import PAGE, door, page_of, query_without, render_screen
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity
from apps.core.permissions import KEEP_CONNECTIONS, READ_RUNS
from apps.integrations import operations
from apps.integrations.forms import CredentialsForm, by_region
from apps.integrations.marketplaces import AT_HOME, name_of
from apps.integrations.models import Connection
from apps.integrations.regions import AMAZON, regions


class AccountForm(forms.Form):
    entity = forms.ModelChoiceField(Entity.objects.none(), label="Company", empty_label=None)
    name = forms.CharField(label="Name", max_length=120, help_text="As people call it: Amazon Europe")
    region = forms.ChoiceField(label="Region")
    account = forms.CharField(label="Seller id", max_length=60, help_text="Amazon's id of you: A2…")
    marketplaces = forms.MultipleChoiceField(
        label="Marketplaces",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Those of the region that you sell in",
    )

    def __init__(self, companies: list[Entity], data: Any = None, *, asked: Entity | None = None):
        """It begins as the company most likely fills it in: the one that is asked for, else the first without an account."""
        super().__init__(data, initial=_suggested(companies, asked))
        found = regions()
        self.fields["account"].widget.attrs["autofocus"] = asked is not None
        self.fields["entity"].queryset = Entity.objects.filter(pk__in=[company.pk for company in companies])
        self.fields["region"].choices = [(code, region.title) for code, region in found.items()]
        self.fields["marketplaces"].choices = by_region(AMAZON.values())


def without_account(companies: Sequence[Entity]) -> list[Entity]:
    """Those of which nobody has connected an Amazon account."""
    connected = Connection.objects.filter(entity__in=companies, kind=Connection.Kind.AMAZON)
    having = set(connected.values_list("entity_id", flat=True))
    return [company for company in companies if company.pk not in having]


def _suggested(companies: list[Entity], asked: Entity | None) -> dict[str, Any]:
    """A company, a name that is free in it, and the marketplace of its country."""
    if not companies:
        return {}
    company = asked or next(iter(without_account(companies)), companies[0])
    taken = set(company.connections.values_list("name", flat=True))
    names = ("Amazon", *(f"Amazon {number}" for number in range(2, len(taken) + 2)))
    home = AT_HOME.get(company.country)
    return {
        "entity": company,
        "name": next(name for name in names if name not in taken),
        "region": next((code for code, region in regions().items() if home in region.marketplaces), None),
        "marketplaces": [home] if home else [],
    }


@door(READ_RUNS, methods=["GET", "POST"])
def connections(request: HttpRequest) -> HttpResponse:
    """By name. A POST adds an account, and has it checked at once; ?company= is the one whose account is to be added."""
    keeps = [company for company in request.companies.all if request.user.may(KEEP_CONNECTIONS, company.pk)]
    asked = next((company for company in keeps if str(company.pk) == request.GET.get("company")), None)
    form, secrets, status = AccountForm(keeps, asked=asked), CredentialsForm(None, request.user), 200
    if request.method == "POST":
        if not keeps:
            raise NotAllowed(f"Your role cannot {KEEP_CONNECTIONS.does}. Nothing was changed.")
        form = AccountForm(keeps, request.POST)
        secrets = CredentialsForm(None, request.user, request.POST)
        if connected := _connect(request, form, secrets):
            messages.success(request, f"{connected} is connected, and is being checked.")
            return redirect("connection", pk=connected.pk)
        status = UNPROCESSABLE
    mine = request.companies.within(Connection.objects.visible_to(request.user, READ_RUNS))
    name, _, after = request.GET.get("after", "").rpartition("~")
    rows = mine.select_related("entity", "platform").annotate(feeds=Count("sources")).order_by("name", "pk")
    if after.isdecimal():
        rows = rows.filter(name__gte=name).exclude(name=name, pk__lte=int(after))
    shown, more = page_of(rows, PAGE)
    context = {
        "rows": [(row, [name_of(each) for each in row.marketplaces]) for row in shown],
        "revoked": mine.exclude(revoked_at=None).count(),
        "form": form if keeps else None,
        "secrets": secrets,
        "next": f"{shown[-1].name}~{shown[-1].pk}" if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "connections.html", context, status=status)


def _connect(request: HttpRequest, form: AccountForm, secrets: CredentialsForm) -> Connection | None:
    if not (form.is_valid() & secrets.is_valid()):
        return None
    asked = form.cleaned_data
    try:
        with transaction.atomic():
            connected = operations.connect(
                **asked, kind=Connection.Kind.AMAZON, credentials=secrets.cleaned_data, actor=request.user
            )
            operations.check_connection(connection=connected, actor=request.user)
    except NotAllowed:
        raise
    except Refused as refused:
        faulty = secrets if refused.field in secrets.fields else form
        faulty.add_error(refused.field if refused.field in faulty.fields else None, refused.words)
        return None
    return connected
