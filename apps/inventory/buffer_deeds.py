"""Setting and removing a buffer, each with its preview: what may be sold elsewhere now, and then."""

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.catalog.models import Listing
from apps.core.errors import Refused
from apps.core.models import User
from apps.core.permissions import KEEP_STOCK
from apps.core.words import counted
from apps.exceptions.forms import ReasonForm, refusal_beside_its_field
from apps.exceptions.types import Plan, digest
from apps.inventory.exception_types import partition
from apps.inventory.models import Buffer, Level
from apps.inventory.operations import buffer_in_force, proposed_buffer, remove_buffer, set_buffer
from apps.inventory.rules import Margin, Promise, promise
from apps.work.deeds import Deed

HERE, EVERYWHERE = "here", "everywhere"


def level_of(listing: Listing) -> Level | None:
    return Level.objects.current().filter(listing=listing).select_related("snapshot").first()


def _promised(level: Level | None, buffer: Buffer | None) -> Promise | None:
    return promise(level.fulfillable, buffer.margin if buffer else Margin()) if level else None


class BufferForm(forms.Form):
    least = forms.IntegerField(label="At least, units", min_value=0)
    percent = forms.DecimalField(label="Percent of what can be picked", min_value=0, max_value=100, decimal_places=2)
    where = forms.ChoiceField(label="Holds for")
    reason = forms.CharField(label="Reason, for the audit trail", max_length=240)

    def __init__(self, listing: Listing, actor: User, data: Any = None):
        self.listing, self.actor = listing, actor
        now = Buffer.objects.over([listing]).get(listing.pk)
        initial = {"least": now.least if now else 0, "percent": now.percent if now else 0, "where": HERE}
        super().__init__(data, initial=initial if data is None else None)
        self.fields["least"].help_text = "The larger of the two is kept back."
        self.fields["where"].choices = [
            (HERE, f"{listing} alone"),
            (EVERYWHERE, f"Every listing of {listing.entity.name} without its own"),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            with refusal_beside_its_field():
                proposed_buffer(**_buffer(self.listing, cleaned), actor=self.actor)
        return cleaned


def _buffer(listing: Listing, cleaned: dict[str, Any]) -> dict[str, Any]:
    figures = {name: cleaned[name] for name in ("least", "percent", "reason")}
    return {"entity": listing.entity, "listing": listing if cleaned["where"] == HERE else None} | figures


def _preview_set(listing: Listing, actor: User, cleaned: dict[str, Any]) -> Plan:
    buffer = proposed_buffer(**_buffer(listing, cleaned), actor=actor)
    present = buffer_in_force(listing.entity, buffer.listing)
    if buffer.margin == (present.margin if present else Margin()):
        raise Refused("That is what is kept back now. Change a figure and its effect is shown here.")
    if buffer.listing is None:
        return _preview_general(listing, buffer)
    level = level_of(listing)
    before, after = _promised(level, Buffer.objects.over([listing]).get(listing.pk)), _promised(level, buffer)
    return Plan(
        effect=f"Keep back {buffer}",
        says=f"From today on, of {listing} alone. No quantity is sent anywhere by this.",
        digest=digest(listing.pk, str(buffer_in_force(listing.entity, listing)), listing.channel, before, after),
        detail={"now": _sum(before), "then": _sum(after)},
    )


def _preview_general(listing: Listing, buffer: Buffer) -> Plan:
    """The company's buffer: how many listings have nothing left with it, now and then."""
    entity = listing.entity
    own = Buffer.objects.in_force().filter(entity=entity).exclude(listing=None).values("listing")
    levels = Level.objects.current().filter(listing__connection__entity=entity).exclude(listing__in=own)
    units = list(levels.exclude(fulfillable=None).values_list("fulfillable", flat=True))
    general = buffer_in_force(entity, None)
    now, then = (_empty(units, margin) for margin in (general.margin if general else Margin(), buffer.margin))
    return Plan(
        effect=f"Keep back {buffer} of {counted(len(units), 'listing')}",
        says=f"From today on, of every listing of {entity.name} without a buffer of its own. No quantity is sent by this.",
        digest=digest(entity.pk, str(general), len(units), now, then),
        detail={
            "now": f"{general or 'nothing'} kept back: {counted(now, 'listing has', 'listings have')} nothing left to sell",
            "then": f"{buffer} kept back: {counted(then, 'listing has', 'listings have')} nothing left to sell",
        },
    )


def _empty(units: Sequence[int], margin: Margin) -> int:
    return sum(1 for count in units if promise(count, margin).available == 0)


def _run_set(listing: Listing, actor: User, cleaned: dict[str, Any]) -> str:
    buffer = set_buffer(**_buffer(listing, cleaned), actor=actor)
    return f"Kept back: {buffer}, {'of ' + str(listing) if buffer.listing_id else 'wherever no other is set'}."


def _preview_remove(listing: Listing, actor: User, cleaned: dict[str, Any]) -> Plan:
    own, general = buffer_in_force(listing.entity, listing), buffer_in_force(listing.entity, None)
    level = level_of(listing)
    before, after = _promised(level, own), _promised(level, general)
    return Plan(
        effect=f"Remove the buffer of {listing}",
        says=f"From today on, the company's holds for it: {general}." if general else "Nothing of it is kept back then.",
        digest=digest(listing.pk, str(own), str(general), before, after),
        detail={"now": _sum(before), "then": _sum(after)},
    )


def _run_remove(listing: Listing, actor: User, cleaned: dict[str, Any]) -> str:
    remove_buffer(buffer=buffer_in_force(listing.entity, listing), reason=cleaned["reason"], actor=actor)
    return f"The buffer of {listing} is removed."


def _sum(promised: Promise | None) -> str:
    if promised is None:
        return "not known: Amazon did not say what can be picked"
    return f"{promised.base:,} less {promised.buffer:,} kept back: {promised.available:,} to sell elsewhere"


SET = Deed(
    name="set",
    label="Set the buffer",
    permission=KEEP_STOCK,
    form=BufferForm,
    preview=_preview_set,
    run=_run_set,
    clears=(partition.CODE,),
)
REMOVE = Deed(
    name="remove",
    label="Remove its buffer",
    permission=KEEP_STOCK,
    form=ReasonForm,
    preview=_preview_remove,
    run=_run_remove,
    clears=(partition.CODE,),
)


def deeds_of(listing: Listing) -> dict[str, Deed]:
    """What may be done: only a buffer of its own can be removed."""
    own = buffer_in_force(listing.entity, listing)
    return {deed.name: deed for deed in ((SET, REMOVE) if own else (SET,))}
