"""Where teams are told: the channels, one of them with its test and its dry run, and a company's measures."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from apps.console.deeds import attempt, may_not, named, offer
from apps.console.middleware import UNPROCESSABLE
from apps.console.screens import PAGE, door, page_of, query_without, render_screen, show_in_zone
from apps.console.timeline import history
from apps.core.errors import NotAllowed, Refused
from apps.core.models import Entity, User
from apps.core.permissions import KEEP_ALERTS, READ_ALERTS, Team
from apps.work.alerts import channels
from apps.work.alerts.deeds import DEEDS, MEASURES, Measures, ToldForm
from apps.work.alerts.models import Alert, Channel


class ChannelForm(ToldForm):
    team = forms.ChoiceField(label="Team")
    name = forms.CharField(label="Name", max_length=60, help_text="As people call it: #ops-alerts")
    kind = forms.ChoiceField(label="Kind", choices=Channel.Kind.choices)
    address = forms.CharField(
        label="Address", max_length=2000, widget=forms.TextInput({"autocomplete": "off"}),
        help_text="An e-mail address, or the address of an incoming webhook, which is sealed and never shown again",
    )  # fmt: skip
    field_order = ("team", "name", "kind", "address")

    def __init__(self, queues: list[tuple[Entity, Team]], data: Any = None):
        super().__init__(data)
        self.queues = {f"{entity.pk}:{team.value}": (entity, team) for entity, team in queues}
        several = len({entity for entity, _ in queues}) > 1
        self.fields["team"].choices = [
            (key, f"{team.label}, {entity.name}" if several else team.label) for key, (entity, team) in self.queues.items()
        ]


@door(READ_ALERTS, methods=["GET", "POST"])
def alert_channels(request: HttpRequest) -> HttpResponse:
    """By company, team and name. A POST adds one."""
    queues = [
        (entity, team)
        for entity in request.companies.all
        for team in Team
        if channels.keeps(request.user, entity.pk, team)
    ]
    form, status = ChannelForm(queues), 200
    if request.method == "POST":
        if not queues:
            raise NotAllowed(f"Your role cannot {KEEP_ALERTS.does}. Nothing was changed.")
        form = ChannelForm(queues, request.POST)
        if added := _add(form, request.user):
            messages.success(request, f"{added} is told from now on. Send a test to see whether it arrives.")
            return redirect("alert_channel", pk=added.pk)
        status = UNPROCESSABLE
    mine = request.companies.within(Channel.objects.visible_to(request.user)).select_related("entity")
    sent = Count("alerts", filter=Q(alerts__state=Alert.State.SENT))
    after = request.GET.get("after", "")
    rows = mine.annotate(sent=sent).order_by("pk")
    shown, more = page_of(rows.filter(pk__gt=int(after)) if after.isdecimal() else rows, PAGE)
    context = {
        "rows": shown,
        "faults": mine.exclude(fault="").count(),
        "form": form if queues else None,
        "companies": request.companies.shown,
        "next": shown[-1].pk if more else "",
        "kept": query_without(request, "after"),
        "several": request.companies.several,
    }
    return render_screen(request, "alert_channels.html", context, status=status)


def _add(form: ChannelForm, actor: User) -> Channel | None:
    if not form.is_valid():
        return None
    asked = dict(form.cleaned_data)
    entity, team = form.queues[asked.pop("team")]
    try:
        return channels.add_channel(entity=entity, team=team, actor=actor, **asked)
    except NotAllowed:
        raise
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.words)
        return None


@door(READ_ALERTS, methods=["GET", "POST"])
def alert_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """?do=pause chooses the other deed. Asks again every second while a test is under way."""
    found = get_object_or_404(Channel.objects.visible_to(request.user).select_related("entity"), pk=pk)
    show_in_zone(found.entity)
    deed, here, attempted = named(DEEDS, request.GET.get("do", "change")), reverse("alert_channel", args=[pk]), None
    keeps = channels.keeps(request.user, found.entity_id, Team(found.team))
    if request.method == "POST":
        channels.check_keeps(request.user, found.entity, Team(found.team))
        attempted = attempt(deed, found, request)
        if attempted.done:
            return redirect(here)
    elif keeps:
        attempted = offer(deed, found, request.user)
    test = found.alerts.filter(kind=Alert.Kind.TEST).select_related("job").order_by("-pk").first()
    context = {
        "channel": found,
        "deed": deed,
        "attempted": attempted,
        "may_not": "" if keeps else _may_not(found),
        "action": f"{here}?do={deed.name}",
        "others": [(other.name, other.label) for other in DEEDS.values() if other != deed],
        "test": test,
        "testing": test is not None and test.state == Alert.State.WAITING,
        "may_test": keeps and found.active,
        "history": history(f"channel:{pk}", found.entity),
    }
    asked = request.headers.get("HX-Target", "")
    status = attempted.status if attempted and request.method == "POST" else 200
    return render_screen(request, "alert_channel.html", context, partial="test" if asked == "test" else "preview", status=status)


@door(KEEP_ALERTS, methods=["POST"])
def alert_test(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Channel.objects.visible_to(request.user).select_related("entity"), pk=pk)
    channels.send_test(channel=found, actor=request.user)
    return redirect("alert_channel", pk=pk)


@door(READ_ALERTS, methods=["GET", "POST"])
def alert_measures(request: HttpRequest, entity: int) -> HttpResponse:
    mine = Entity.objects.filter(pk__in=request.user.entities_where(READ_ALERTS))
    record, attempted = Measures(get_object_or_404(mine, pk=entity)), None
    show_in_zone(record.entity)
    refusal = may_not(MEASURES, record, request.user)
    if request.method == "POST":
        attempted = attempt(MEASURES, record, request)
        if attempted.done:
            return redirect("alert_measures", entity=entity)
    elif not refusal:
        attempted = offer(MEASURES, record, request.user)
    context = {
        "company": record.entity,
        "policy": channels.policy_of(record.entity),
        "all_clear": channels.says_all_clear(record.entity),
        "attempted": attempted,
        "action": request.path,
        "may_not": refusal,
        "history": history(f"alerts:{entity}", record.entity),
    }
    status = attempted.status if attempted and request.method == "POST" else 200
    return render_screen(request, "alert_measures.html", context, partial="preview", status=status)


def _may_not(channel: Channel) -> str:
    team = Team(channel.team).label
    return f"The people of {team} at {channel.entity.name} and its admins keep this channel. You read it."
