"""What the moves of many cases ask for. Each form is told in which companies the cases are."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.core.words import listed
from apps.exceptions.models import Tally
from apps.exceptions.operations import people_of
from apps.integrations.feeds import FEEDS, Feed
from apps.integrations.models import Source

WAKES_AT = 9  # o'clock


def tomorrow_morning() -> datetime:
    """When a case wakes where a person names no other time."""
    return (timezone.localtime() + timedelta(days=1)).replace(hour=WAKES_AT, minute=0, second=0, microsecond=0)


class NothingAsked(forms.Form):
    """A button alone."""

    def __init__(self, *args: Any, entity_ids: Collection[int] = (), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.entity_ids = entity_ids


class Assign(NothingAsked):
    to = forms.ModelChoiceField(User.objects.none(), label="To", required=False, empty_label="Nobody")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = people_of(Team, self.entity_ids)


class Sleep(forms.Form):
    """Until a time, an amount, or the next run of a feed; the latter two until the deadline at the latest.

    Cleaned, what was not chosen is None. Without `wakes`, as programs send it, the amount or the time says which.
    """

    TIME, AMOUNT, RUN = "time", "amount", "run"

    wakes = forms.ChoiceField(label="Sleeps until", choices=[], widget=forms.RadioSelect, required=False)
    until = forms.DateTimeField(
        label="Time",
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    above = forms.DecimalField(label="Amount", required=False, max_digits=18, decimal_places=4, localize=False)
    currency = forms.ChoiceField(label="Currency of the amount", choices=[], required=False)
    reason = forms.CharField(label="Reason, for the audit trail", max_length=400)

    def offer(self, feeds: Collection[Feed], *, overdue: bool = False) -> None:
        """Which ends a sleep may have here."""
        self.fields["until"].initial = tomorrow_morning()
        self.fields["wakes"].initial = self.TIME
        titles = [f"“{title}”" for title in sorted({feed.title for feed in feeds})]
        amount = (self.AMOUNT, "more than an amount is at stake, or the deadline comes")
        run = (self.RUN, f"{listed(titles, 'or')} has run once more and the cause is still there, or the deadline comes")
        self.fields["wakes"].choices = [
            (self.TIME, "a time"),
            *([] if overdue else [amount]),
            *([] if overdue or not titles else [run]),
        ]

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        wakes = said.get("wakes") or (self.TIME if said.get("above") is None else self.AMOUNT)
        needed = {self.TIME: "until", self.AMOUNT: "above"}.get(wakes, "")
        if needed and needed not in self.errors and said.get(needed) is None:
            self.add_error(needed, "Say until when." if wakes == self.TIME else "Say which amount.")
        return said | {
            "wakes": wakes,
            "until": said.get("until") if wakes == self.TIME else None,
            "above": said.get("above") if wakes == self.AMOUNT else None,
            "currency": said.get("currency", "") if wakes == self.AMOUNT else "",
        }


class Snooze(Sleep, NothingAsked):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        opening = [FEEDS[name] for name, _ in running_feeds(self.entity_ids) if FEEDS[name].opens]
        counted = set(Tally.objects.filter(entity_id__in=self.entity_ids).values_list("currency", flat=True))
        based = list(Entity.objects.filter(pk__in=self.entity_ids).order_by("pk").values_list("base_currency", flat=True))
        self.fields["currency"].choices = [(each, each) for each in [*dict.fromkeys(based), *sorted(counted - set(based))]]
        self.offer(opening)

    def clean_until(self) -> datetime | None:
        until = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError("Choose a time that is still to come.")
        return until

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said["above"] is not None and not said["currency"] and "currency" not in self.errors:
            self.add_error("currency", "Say in which currency.")
        return said


class HandOver(NothingAsked):
    team = forms.ChoiceField(label="To", choices=Team.choices)
    reason = forms.CharField(label="Why it is theirs", max_length=400)


class Dismiss(NothingAsked):
    reason = forms.CharField(label="Why nothing needs doing", max_length=400)


class Note(NothingAsked):
    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 3}), max_length=4000)


def running_feeds(entity_ids: Collection[int]) -> list[tuple[str, int]]:
    """(feed, company), of those that run."""
    running = Source.objects.filter(connection__entity__in=entity_ids, paused=False, feed__in=FEEDS)
    return sorted(set(running.values_list("feed", "connection__entity")))
