"""Mapping a SKU as people do it: the forms, what it would do to the orders that wait, and doing it.

The case of an unmapped SKU and the page of a listing share these.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from apps.catalog import operations
from apps.catalog.items import find_item
from apps.catalog.models import Item, Listing, SkuMapping
from apps.catalog.operations import MOST_UNITS, Parts, Step, words_of
from apps.catalog.suggestions import Candidate, suggest
from apps.core.errors import Refused
from apps.core.models import User
from apps.core.money import ZERO
from apps.exceptions.forms import refusal_beside_its_field
from apps.exceptions.types import Plan, Weight, digest
from apps.orders.models import Hold, Order, OrderItem, Route
from apps.orders.routing import Waiting, free, waiting_for
from apps.orders.statements import UNMAPPED

CASES = ("sku.unmapped", "sku.ambiguous")
OTHER = "other"
BUNDLE_LINES = 6
REASON_LENGTH = 240
LEFT = (Route.SHIP, Route.RECORD)

WAITING_BY_LISTING = f"""
    SELECT item.listing_id, count(DISTINCT o.id)
    FROM orders_orderitem item
    JOIN orders_order o ON o.id = item.order_id
    JOIN core_entity entity ON entity.id = o.entity_id
    WHERE item.listing_id = ANY(%(listings)s) AND item.quantity > 0 AND o.route = 'held' AND 'sku' = ANY(o.holds)
          AND {UNMAPPED}
    GROUP BY item.listing_id
"""


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a mapping would do. `freed` are the orders that it would settle, of all that `waits`."""

    listing: Listing
    parts: list[tuple[Item, int]]
    since: date
    until: date | None
    waits: Waiting = field(default_factory=Waiting)
    freed: Waiting = field(default_factory=Waiting)

    @property
    def released(self) -> int:
        return self.freed.ships + self.freed.records

    @property
    def released_value(self) -> dict[str, Decimal]:
        ships, records = self.freed.ship_value, self.freed.record_value
        return {each: ships.get(each, ZERO) + records.get(each, ZERO) for each in sorted({*ships, *records})}

    @property
    def outside(self) -> int:
        """Orders that were bought on days outside the mapping, and go on waiting."""
        return self.waits.orders - self.freed.orders

    @property
    def outside_value(self) -> dict[str, Decimal]:
        freed = self.freed.value
        return {currency: total - freed.get(currency, ZERO) for currency, total in self.waits.value.items()}


def _since() -> forms.DateField:
    return forms.DateField(label="Mapping starts", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))


def _units(**said: Any) -> forms.IntegerField:
    return forms.IntegerField(min_value=1, max_value=MOST_UNITS, **said)


class MapForm(forms.Form):
    """One item, chosen among the candidates or named. Complete, it has `parts`."""

    item = forms.CharField(label="Which item is it?", error_messages={"required": "Choose the item that it is."})
    other = forms.CharField(label="Item number, SKU or EAN", max_length=120, required=False)
    units = _units(label="Units in one listing", initial=1)
    since = _since()

    def __init__(self, listing: Listing, data: Any = None):
        self.listing = listing
        super().__init__(data)
        self.fields["since"].help_text = "The day that its first order that waits was bought."
        self.fields["units"].help_text = "How many of the item are picked for 1 sold on Amazon."
        if data is None:
            self.initial = self._initial()

    @cached_property
    def candidates(self) -> list[Candidate]:
        return candidates_of(self.listing)

    def _initial(self) -> dict[str, Any]:
        initial: dict[str, Any] = {"since": first_day(self.listing)}
        if self.candidates and self.candidates[0].sure:
            initial |= {"item": self.candidates[0].item.pk, "units": self.candidates[0].units}
        return initial

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                cleaned["parts"] = [(self._item(cleaned), cleaned["units"])]
                operations.new_mapping(self.listing, cleaned["parts"], cleaned["since"])
                cleaned["because"] = self._because(cleaned["parts"][0][0])
        return cleaned

    def _item(self, cleaned: dict[str, Any]) -> Item:
        if cleaned["item"] == OTHER:
            return find_item(self.listing.entity, cleaned["other"], field="other")
        chosen = cleaned["item"] if cleaned["item"].isdecimal() else "0"
        found = Item.objects.filter(entity=self.listing.entity_id, pk=int(chosen)).first()
        if found is None:
            raise Refused("This item is not there any more. Choose another one.", field="item", code="no-item")
        return found

    def _because(self, item: Item) -> str:
        """What the person saw that speaks for the item, as the reason that is kept."""
        found = candidates_of(self.listing, item)
        return "; ".join(found[0].reasons_for)[:REASON_LENGTH] if found else ""


class BundleForm(forms.Form):
    """Several items in one sold unit, each named by its number, a SKU or an EAN."""

    since = _since()

    def __init__(self, listing: Listing, data: Any = None):
        self.listing = listing
        super().__init__(data, initial={"since": first_day(listing)} if data is None else None)
        for n in range(1, BUNDLE_LINES + 1):
            self.fields[f"item_{n}"] = forms.CharField(label=f"Item {n}", max_length=120, required=n <= 2)
            self.fields[f"units_{n}"] = _units(label=f"Units of item {n}", initial=1, required=False)
        self.fields["item_1"].help_text = "By its number, a SKU or an EAN."
        self.fields["since"] = self.fields.pop("since")  # after the items

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                cleaned["parts"] = [
                    (
                        find_item(self.listing.entity, cleaned[f"item_{n}"], field=f"item_{n}"),
                        cleaned[f"units_{n}"] or 1,
                    )
                    for n in range(1, BUNDLE_LINES + 1)
                    if cleaned[f"item_{n}"]
                ]
                operations.new_mapping(self.listing, cleaned["parts"], cleaned["since"])
                cleaned["because"] = "A bundle"
        return cleaned


class ChangeForm(forms.Form):
    """Another item from a day on."""

    other = forms.CharField(label="Item number, SKU or EAN", max_length=120)
    units = _units(label="Units in one listing", initial=1)
    since = _since()
    reason = forms.CharField(label="Reason, for the audit trail", max_length=REASON_LENGTH)

    def __init__(self, listing: Listing, data: Any = None):
        self.listing = listing
        super().__init__(data, initial={"since": today(listing)} if data is None else None)
        self.fields["since"].label = "From"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                item = find_item(self.listing.entity, cleaned["other"], field="other")
                cleaned["parts"] = [(item, cleaned["units"])]
                operations.changed_mapping(self.listing, cleaned["parts"], cleaned["since"])
        return cleaned


def candidates_of(listing: Listing, item: Item | None = None) -> list[Candidate]:
    """What it may be, with what its orders and those of like listings say; with an `item`, what speaks for that one."""
    sold = OrderItem.objects.filter(listing=listing, price__gt=0, quantity__gt=0).order_by("-order__purchased_at")
    last = sold.values_list("price", "quantity", "order__currency").first()
    price, currency = (Decimal(last[0]) / last[1], last[2]) if last else (None, "")
    return suggest(listing, item=item, price=price, currency=currency, orders_of=orders_of)


def orders_of(listings: Collection[int]) -> dict[int, int]:
    """Listing id -> how many orders it ever had."""
    rows = OrderItem.objects.filter(listing__in=listings).order_by().values_list("listing")
    return dict(rows.annotate(Count("order", distinct=True)))


def waiting_by_listing(listings: Collection[int]) -> dict[int, int]:
    """Listing id -> how many orders wait for it to be mapped; those for which none waits are left out."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING_BY_LISTING, {"listings": list(listings)})
        return dict(cursor.fetchall())


def today(listing: Listing) -> date:
    return timezone.localdate(timezone=ZoneInfo(listing.entity.zone))


def first_day(listing: Listing) -> date:
    """The day, in the company's zone, of the first order that waits for it; today where none does."""
    oldest = waiting_for(listing).oldest
    return _day(oldest, listing) if oldest else today(listing)


def _day(at: datetime, listing: Listing) -> date:
    return at.astimezone(ZoneInfo(listing.entity.zone)).date()


def plan_map(listing: Listing, cleaned: dict[str, Any]) -> Plan:
    """What mapping it frees, from sums."""
    step = operations.new_mapping(listing, cleaned["parts"], cleaned["since"])
    seen = _foreseen(listing, step)
    named = words_of(step.parts)
    orders = _orders(seen.released)
    return Plan(
        effect=f"Map to {named}" + (f" and release {orders}" if seen.released else ""),
        says=f"Maps the SKU to {named} and releases {orders}, each once."
        if seen.released
        else f"Maps the SKU to {named}. No order is released by it.",
        digest=digest(listing.pk, named, step.new.period.lower, step.new.period.upper, seen.waits, seen.freed),
        detail={"seen": seen},
        weight=Weight(lines=seen.freed.lines, money=seen.released_value),
    )


def run_map(listing: Listing, cleaned: dict[str, Any], actor: User) -> str:
    """Map it, and have what waited settled after the commit."""
    held = Order.objects.filter(items__listing=listing, route=Route.HELD, holds__contains=[Hold.SKU])
    operations.map_sku(
        listing=listing, parts=cleaned["parts"], since=cleaned["since"], reason=cleaned["because"], actor=actor
    )
    words = f"Mapped to {words_of(cleaned['parts'])}."
    if not held.exists():  # asked once the listing is locked: who stores an order of it now waits, and sees the mapping
        return words
    free([listing.pk], entity=listing.entity, actor=actor)
    return f"{words} The orders that waited for it are checked again, and go where they belong."


def plan_change(listing: Listing, parts: Parts, since: date) -> Plan:
    """What changing it does not touch: orders that have left."""
    step = operations.changed_mapping(listing, parts, since)
    old, named = words_of(operations.parts_of(step.old)), words_of(parts)
    left = left_since(listing, since)
    return Plan(
        effect=f"Change it to {named}",
        says=f"From {since.day} {since:%b %Y} on it is {named} and no longer {old}.",
        digest=digest(listing.pk, step.old.pk, step.old.period, named, since, left),
        detail={"orders that left since": f"{_orders(left)}, which stay as they left", "orders to come": named},
    )


def plan_undo(mapping: SkuMapping) -> Plan:
    """What comes back, and what stays as it left."""
    before = mapping.cuts.prefetch_related("parts__item").first()
    left = left_since(mapping.listing, mapping.period.lower)
    back = words_of(operations.parts_of(before)) if before else ""
    return Plan(
        effect=f"Undo it and go back to {back}" if back else "Undo it",
        says=f"Its days are {back} again." if back else "Nothing maps its days then: new orders for it wait.",
        digest=digest(mapping.pk, mapping.period, back, left),
        detail={"orders that left since": f"{_orders(left)}, which stay as they left"},
    )


def left_since(listing: Listing, since: date) -> int:
    """Orders with this listing, bought on that day or later, that were released or recorded."""
    began = datetime(since.year, since.month, since.day, tzinfo=ZoneInfo(listing.entity.zone))
    lines = OrderItem.objects.filter(listing=listing, order__purchased_at__gte=began, order__route__in=LEFT)
    return lines.aggregate(n=Count("order", distinct=True))["n"]


def _foreseen(listing: Listing, step: Step) -> Foreseen:
    """From sums of the orders that wait; a second look only where the mapping leaves some out."""
    period, waits = step.new.period, waiting_for(listing)
    all_of_them = waits.oldest is None or (period.upper is None and period.lower <= _day(waits.oldest, listing))
    return Foreseen(
        listing=listing,
        parts=list(step.parts),
        since=period.lower,
        until=period.upper,
        waits=waits,
        freed=waits if all_of_them else waiting_for(listing, since=period.lower, until=period.upper),
    )


def _orders(count: int) -> str:
    return f"{count:,} order{'' if count == 1 else 's'}"
