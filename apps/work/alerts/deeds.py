"""What people change about channels and measures, each with what would have been sent in the last days as its preview."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.models import Entity, User
from apps.core.permissions import KEEP_ALERTS, SET_MEASURES
from apps.core.words import counted
from apps.exceptions.forms import NoForm, ReasonForm, refusal_beside_its_field
from apps.exceptions.types import Plan, digest
from apps.work.alerts import channels
from apps.work.alerts.dry_run import dry_run
from apps.work.alerts.models import SEVERITIES, Channel
from apps.work.alerts.rules import Policy
from apps.work.deeds import Deed

DAYS = ("near", "unheld_normal", "unheld_high", "unheld_critical")  # measures that people say in hours
TOLD = ("least", "escalations", "quiet_from", "quiet_until", "digest_at")


class ToldForm(forms.Form):
    """What a channel is told."""

    least = forms.TypedChoiceField(
        label="From severity", choices=SEVERITIES, coerce=int, initial=3, help_text="A deadline that is near raises it by one"
    )
    escalations = forms.BooleanField(
        label="Escalations alone",
        required=False,
        help_text="What nobody is on comes here, and to no other channel of the team",
    )
    quiet_from = forms.TimeField(
        label="Quiet from", required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M"),
        help_text="In the company's time. A deadline before the end of the quiet breaks through",
    )  # fmt: skip
    quiet_until = forms.TimeField(
        label="Quiet until", required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M")
    )
    digest_at = forms.TimeField(
        label="Digest each day at", required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M"),
        help_text="Empty for none",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_until") is None):
            self.add_error("quiet_until", "Quiet hours have a beginning and an end.")
        elif cleaned.get("quiet_from") is not None and cleaned["quiet_from"] == cleaned["quiet_until"]:
            self.add_error("quiet_until", "They begin and end at the same time. Leave both empty for none.")
        return cleaned


class ChangeForm(ToldForm):
    address = forms.CharField(
        label="Another address", required=False, max_length=2000, widget=forms.TextInput({"autocomplete": "off"}),
        help_text="Empty keeps the one that it has",
    )  # fmt: skip

    def __init__(self, channel: Channel, actor: User, data: Any = None):
        super().__init__(data, initial={name: getattr(channel, name) for name in TOLD})
        self.channel = channel

    def clean_address(self) -> str:
        address = self.cleaned_data["address"].strip()
        if address:
            with refusal_beside_its_field():
                channels.check_address(self.channel.kind, address)
        return address


@dataclass
class Measures:
    """A company's measures, as a deed's record."""

    entity: Entity

    @property
    def entity_id(self) -> int:
        return self.entity.pk

    def refresh_from_db(self) -> None:
        self.entity.refresh_from_db()


class MeasuresForm(ReasonForm):
    normal_from = forms.DecimalField(label="Normal from", min_value=1, max_digits=12, decimal_places=2)
    high_from = forms.DecimalField(label="High from", min_value=1, max_digits=12, decimal_places=2)
    critical_from = forms.DecimalField(label="Critical from", min_value=1, max_digits=12, decimal_places=2)
    near = forms.IntegerField(label="A deadline is near, hours before", min_value=1, max_value=168)
    unheld_normal = forms.IntegerField(label="Normal escalates after hours with nobody on it", min_value=1, max_value=720)
    unheld_high = forms.IntegerField(label="High escalates after hours", min_value=1, max_value=720)
    unheld_critical = forms.IntegerField(label="Critical escalates after hours", min_value=1, max_value=720)
    flood_least = forms.IntegerField(label="A flood is more of a kind in an hour than", min_value=2, max_value=10_000)
    flood_factor = forms.IntegerField(label="And so many times what is usual", min_value=2, max_value=100)
    flood_team = forms.IntegerField(label="A flood of all kinds is more in an hour than", min_value=2, max_value=10_000)
    all_clear = forms.BooleanField(label="A digest also says when nothing waits", required=False)

    def __init__(self, record: Measures, actor: User, data: Any = None):
        super().__init__(record, actor, data)
        now = channels.policy_of(record.entity)
        for name in channels.MEASURES:
            value = getattr(now, name)
            self.fields[name].initial = value // timedelta(hours=1) if name in DAYS else value
        for name in ("normal_from", "high_from", "critical_from"):
            self.fields[name].help_text = f"{record.entity.base_currency} at stake"
        self.fields["all_clear"].initial = channels.says_all_clear(record.entity)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        rising = [cleaned.get(name) for name in ("normal_from", "high_from", "critical_from")]
        if None not in rising and rising != sorted(rising):
            self.add_error("high_from", "The amounts rise from normal to critical.")
        return cleaned


def _values(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    return {name: timedelta(hours=cleaned[name]) if name in DAYS else cleaned[name] for name in channels.MEASURES}


def _preview_change(channel: Channel, actor: User, cleaned: dict[str, Any]) -> Plan:
    """Digests are left out: there is one a day."""
    now, policy = timezone.now(), channels.policy_of(channel.entity)
    before = dry_run(channel, policy, now)
    asked = Channel.objects.select_related("entity").get(pk=channel.pk)
    for name in TOLD:
        setattr(asked, name, cleaned[name])
    after = dry_run(asked, policy, now)
    return Plan(
        effect="Save the channel",
        says=after.says,
        digest=digest(channel.pk, channels.shown(channel), [cleaned[name] for name in TOLD], cleaned["address"]),
        detail={"after": after, "before": before, "address": bool(cleaned["address"])},
    )


def _run_change(channel: Channel, actor: User, cleaned: dict[str, Any]) -> str:
    changed = channels.change_channel(channel=channel, actor=actor, **cleaned)
    return f"Saved. {changed.name} is told by these settings from now on."


def _preview_pause(channel: Channel, actor: User, cleaned: dict[str, Any]) -> Plan:
    if channel.active:
        says = "Nothing is sent to it until somebody resumes it. What happens meanwhile is not told later."
        return Plan(effect=f"Pause {channel.name}", says=says, digest=digest(channel.pk, True))
    return Plan(effect=f"Resume {channel.name}", says="It is told what happens from then on.", digest=digest(channel.pk, False))


def _run_pause(channel: Channel, actor: User, cleaned: dict[str, Any]) -> str:
    changed = channels.change_channel(channel=channel, actor=actor, active=not channel.active)
    return f"{changed.name} {'is told again' if changed.active else 'is paused'}."


def _preview_measures(record: Measures, actor: User, cleaned: dict[str, Any]) -> Plan:
    policy, now = Policy(**_values(cleaned)), timezone.now()
    present = channels.policy_of(record.entity)
    runs = _runs(record.entity, policy, now)
    was = {run: count for run, (_, count) in enumerate(_runs(record.entity, present, now))}
    detail = {
        channel.name: f"{counted(count, 'message')} in the last 7 days, {was[place]} as it is now"
        for place, (channel, count) in enumerate(runs)
    }
    total = sum(count for _, count in runs)
    return Plan(
        effect="Save the measures",
        says=f"{counted(total, 'message')} would have left through all channels in the last 7 days.",
        digest=digest(record.entity.pk, vars(present), vars(policy), cleaned["all_clear"]),
        detail=detail,
    )


def _runs(entity: Entity, policy: Policy, now: Any) -> list[tuple[Channel, int]]:
    found = Channel.objects.filter(entity=entity, active=True).select_related("entity").order_by("team", "name")
    return [(channel, dry_run(channel, policy, now).left) for channel in found]


def _run_measures(record: Measures, actor: User, cleaned: dict[str, Any]) -> str:
    channels.set_policy(
        entity=record.entity, actor=actor, reason=cleaned["reason"], all_clear=cleaned["all_clear"], **_values(cleaned)
    )
    return "Saved. Alerts go by these measures from now on."


CHANGE = Deed(
    name="change",
    label="What it is told",
    permission=KEEP_ALERTS,
    form=ChangeForm,
    preview=_preview_change,
    run=_run_change,
    template="cases/dry_run.html",
)
PAUSE = Deed(
    name="pause", label="Pause or resume it", permission=KEEP_ALERTS, form=NoForm, preview=_preview_pause, run=_run_pause
)
MEASURES = Deed(
    name="measures",
    label="Change the measures",
    permission=SET_MEASURES,
    form=MeasuresForm,
    preview=_preview_measures,
    run=_run_measures,
)
DEEDS = {deed.name: deed for deed in (CHANGE, PAUSE)}
