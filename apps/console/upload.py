"""Upload a file: stored raw first, then read by a worker while the person watches."""

from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import door, render_screen
from apps.core.models import Entity, User
from apps.core.permissions import TAKE_FILES
from apps.integrations.files import store
from apps.integrations.jobs import enqueue
from apps.integrations.models import Connection
from apps.settlements.leg_jobs import READ_LEGS
from apps.settlements.models import READ_FILE, FileReading

NAME = Connection._meta.get_field("name").max_length


class UploadForm(forms.Form):
    use_required_attribute = False  # whether a name is needed hangs on what is chosen above it

    kind = forms.ChoiceField(
        label="What it is",
        choices=[
            (READ_FILE, "A settlement: flat file V2, as Amazon sends it"),
            (READ_LEGS, "Where orders were shipped from and to: order-id, ship-from, ship-to"),
        ],
    )
    file = forms.FileField(label="File", help_text="Any size. It is kept as it came.")
    connection = forms.ModelChoiceField(
        Connection.objects.none(), label="It comes from", required=False, empty_label="A new connection, named below"
    )
    name = forms.CharField(
        label="Name of a new connection",
        max_length=NAME,
        error_messages={"required": "Choose a connection, or name a new one: it tells this account's files from others."},
        help_text="One Amazon account, such as amazon.co.uk.",
    )
    entity = forms.ModelChoiceField(
        Entity.objects.none(), label="Company of a new connection", required=False, empty_label=None
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any):
        super().__init__(*args, **kwargs)
        mine = Connection.objects.visible_to(person, TAKE_FILES).exclude(kind=Connection.Kind.PLATFORM)
        connections = mine.select_related("entity")
        companies = Entity.objects.filter(pk__in=person.entities_where(TAKE_FILES))
        self.fields["connection"].queryset = connections.order_by("entity__name", "name")
        if len(connections) == 1:
            self.fields["connection"].initial = connections[0]
        self.fields["entity"].queryset = companies
        self.fields["entity"].initial = companies.first()
        self.only_company = companies.first() if companies.count() == 1 else None
        if self.only_company:
            del self.fields["entity"]
        else:
            self.fields["connection"].label_from_instance = lambda connection: (
                f"{connection.name}, {connection.entity.name}"
            )
        if not connections:
            del self.fields["connection"]
        self.fields["name"].required = not (connections and self["connection"].value())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("connection") and cleaned.get("name", "").strip():
            self.add_error("name", "Leave this empty, or choose “A new connection”: a file comes from one place.")
        return cleaned

    def connection_of(self) -> Connection:
        """The one chosen, or a new one of this name."""
        if chosen := self.cleaned_data.get("connection"):
            return chosen
        company = self.only_company or self.cleaned_data["entity"]
        return Connection.objects.get_or_create(entity=company, name=self.cleaned_data["name"].strip())[0]


@door(TAKE_FILES, methods=["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    replaces = _replaced(request)
    initial = {"connection": replaces.file.connection_id} if replaces else {}
    if request.GET.get("connection", "").isdecimal():
        initial["connection"] = request.GET["connection"]
    form = UploadForm(request.POST or None, request.FILES or None, person=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        kind, arrived, connection = form.cleaned_data["kind"], form.cleaned_data["file"], form.connection_of()
        stored = store(connection=connection, name=arrived.name, chunks=arrived.chunks(), actor=request.user)
        corrects = replaces and kind == READ_FILE and replaces.file.connection_id == connection.pk
        args = {"replaces": replaces.pk} if corrects else {}
        with transaction.atomic():
            job = enqueue(kind=kind, entity=connection.entity, file=stored, args=args, actor=request.user)
        return redirect("job", pk=job.pk)
    context = {"form": form, "replaces": replaces}
    return render_screen(request, "upload.html", context, status=UNPROCESSABLE if form.is_bound else 200)


def _replaced(request: HttpRequest) -> FileReading | None:
    """The reading of the file that this upload corrects, if the address names one of the person's."""
    number = request.GET.get("replaces", "")
    if not number.isdecimal():
        return None
    mine = FileReading.objects.filter(file__connection__entity_id__in=request.user.entities_where(TAKE_FILES))
    return get_object_or_404(mine.select_related("file__connection__entity"), pk=number)
