"""Deciding between what a SKU is and what it was about to be as well."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django import forms
from django.db.backends.postgresql.psycopg_any import DateRange

from apps.catalog import operations
from apps.catalog.models import Item, Listing, RefusedCandidate
from apps.catalog.operations import parts_of, words_of
from apps.core.models import User
from apps.exceptions.forms import refusal_beside_its_field
from apps.exceptions.types import Plan, digest
from apps.orders.mapping import REASON_LENGTH, plan_change, today
from apps.orders.models import Order

PRESENT = "present"
ORDERS_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the items that a listing may be. `orders`: the newest with it, of whatever listing."""

    value: str
    parts: list[tuple[Item, int]]
    since: date
    source: str
    said_by: str
    orders: list[Order]

    @property
    def words(self) -> str:
        return words_of(self.parts)


def choices_of(listing: Listing) -> list[Choice]:
    """What it is now, then what was refused, the oldest first."""
    rows = RefusedCandidate.objects.filter(listing=listing, settled_at=None).select_related("refused_from")
    undecided = list(rows.prefetch_related("parts__item").order_by("pk"))
    first = min((row.since for row in undecided), default=today(listing))
    days = DateRange(first, None, "[)")
    present = listing.mappings.filter(period__overlap=days).order_by("period").select_related("made_by").first()
    found = []
    if present:
        said = (PRESENT, present, present.period.lower, present.source, present.made_by.name)
        found.append(_choice(*said, orders=recent_orders(listing)))
    for row in undecided:
        said = (str(row.pk), row, row.since, row.source, row.refused_from.name)
        found.append(_choice(*said, orders=recent_orders_with([item for item, _ in parts_of(row)])))
    return found


def _choice(value: str, row: Any, since: date, source: str, said_by: str, orders: list[Order]) -> Choice:
    return Choice(value=value, parts=parts_of(row), since=since, source=source, said_by=said_by, orders=orders)


def recent_orders(listing: Listing) -> list[Order]:
    """The newest orders of the listing itself."""
    return list(Order.objects.filter(items__listing=listing).distinct()[:ORDERS_SHOWN])


def recent_orders_with(items: list[Item]) -> list[Order]:
    """The newest orders of listings that are these items."""
    listings = Listing.objects.filter(mappings__parts__item__in=items, mappings__period__isempty=False)
    return list(Order.objects.filter(items__listing__in=listings).distinct()[:ORDERS_SHOWN])


class KeepForm(forms.Form):
    keep = forms.CharField(label="Which one is right?", error_messages={"required": "Choose the item that it is."})
    since = forms.DateField(
        label="Where it changes, from", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    reason = forms.CharField(label="Reason, for the audit trail", max_length=REASON_LENGTH)

    def __init__(self, listing: Listing, data: Any = None):
        self.listing = listing
        super().__init__(data)
        if data is None:
            self.initial = {"since": min((each.since for each in self.choices[1:]), default=today(listing))}

    @cached_property
    def choices(self) -> list[Choice]:
        return choices_of(self.listing)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        chosen = next((each for each in self.choices if each.value == cleaned["keep"]), None)
        if chosen is None:
            self.add_error("keep", "This one is decided already. Choose another.")
            return cleaned
        cleaned["chosen"] = chosen
        if chosen.value != PRESENT:
            if not cleaned["since"]:
                self.add_error("since", "Say from which day on it is the other item.")
                return cleaned
            with refusal_beside_its_field():
                operations.changed_mapping(self.listing, chosen.parts, cleaned["since"])
        return cleaned


def plan_keep(listing: Listing, cleaned: dict[str, Any]) -> Plan:
    """Keep what it is, or change to what was refused."""
    chosen: Choice = cleaned["chosen"]
    if chosen.value != PRESENT:
        return plan_change(listing, chosen.parts, cleaned["since"])
    against = [each.words for each in choices_of(listing)[1:]]
    return Plan(
        effect=f"Keep {chosen.words}",
        says=f"It stays {chosen.words}. Nothing changes for any order; {' and '.join(against)} is decided against.",
        digest=digest(listing.pk, chosen.words, against),
    )


def run_keep(listing: Listing, cleaned: dict[str, Any], actor: User) -> str:
    chosen: Choice = cleaned["chosen"]
    said = {"listing": listing, "reason": cleaned["reason"], "actor": actor}
    if chosen.value == PRESENT:
        operations.keep_mapping(**said)
        return f"Kept. {listing} is {chosen.words}."
    operations.change_mapping(**said, parts=chosen.parts, since=cleaned["since"])
    return f"Changed. {listing} is {chosen.words} from {cleaned['since'].day} {cleaned['since']:%b %Y} on."
