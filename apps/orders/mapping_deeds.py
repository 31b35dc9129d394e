"""What people do to a listing after a preview: map it, say that it is a bundle, change it from a day on, undo it."""

from typing import Any

from apps.catalog import operations
from apps.catalog.models import Listing, SkuMapping
from apps.catalog.operations import parts_of, words_of
from apps.core.errors import Refused
from apps.core.models import Entity, User
from apps.core.permissions import MAP_SKUS
from apps.exceptions.forms import ReasonForm
from apps.exceptions.types import Plan
from apps.orders import mapping
from apps.work.deeds import Deed, Kind, register_kind


def _preview_map(listing: Listing, actor: User, cleaned: dict[str, Any]) -> Plan:
    return mapping.plan_map(listing, cleaned)


def _run_map(listing: Listing, actor: User, cleaned: dict[str, Any]) -> str:
    return mapping.run_map(listing, cleaned, actor)


def _run_change(listing: Listing, actor: User, cleaned: dict[str, Any]) -> str:
    said = {name: cleaned[name] for name in ("parts", "since", "reason")}
    operations.change_mapping(listing=listing, **said, actor=actor)
    since = cleaned["since"]
    return f"Changed. {listing} is {words_of(cleaned['parts'])} from {since.day} {since:%b %Y} on."


def _run_undo(listing: Listing, actor: User, cleaned: dict[str, Any]) -> str:
    before = operations.undo_mapping(mapping=_to_undo(listing), reason=cleaned["reason"], actor=actor)
    return f"Undone. {listing} is {words_of(parts_of(before))} again." if before else f"Undone. {listing} has no item."


def _to_undo(listing: Listing) -> SkuMapping:
    """The mapping of today; where there is none, the newest."""
    found = (
        operations.mapping_on(listing, mapping.today(listing))
        or listing.mappings.in_force().order_by("-period").first()
    )
    if found is None:
        raise Refused(f"{listing} has no mapping to undo.", code="none")
    return found


MAP = Deed(
    name="map",
    label="Map this SKU",
    permission=MAP_SKUS,
    form=lambda listing, actor, data=None: mapping.MapForm(listing, data),
    preview=_preview_map,
    run=_run_map,
    clears=mapping.CASES,
    template="cases/sku_plan.html",
    form_template="cases/sku_form.html",
)
BUNDLE = Deed(
    name="bundle",
    label="It is a bundle",
    permission=MAP_SKUS,
    form=lambda listing, actor, data=None: mapping.BundleForm(listing, data),
    preview=_preview_map,
    run=_run_map,
    clears=mapping.CASES,
    template="cases/sku_plan.html",
)
CHANGE = Deed(
    name="change",
    label="Change it from a day on",
    permission=MAP_SKUS,
    form=lambda listing, actor, data=None: mapping.ChangeForm(listing, data),
    preview=lambda listing, actor, cleaned: mapping.plan_change(listing, cleaned["parts"], cleaned["since"]),
    run=_run_change,
    clears=mapping.CASES,
)
UNDO = Deed(
    name="undo",
    label="Undo the mapping",
    permission=MAP_SKUS,
    form=ReasonForm,
    preview=lambda listing, actor, cleaned: mapping.plan_undo(_to_undo(listing)),
    run=_run_undo,
    clears=mapping.CASES,
)
DEEDS = {deed.name: deed for deed in (MAP, BUNDLE, CHANGE, UNDO)}


def fitting_deeds(listing: Listing) -> list[Deed]:
    """A mapped one is changed or undone, and mapped for days that nothing maps yet; the likeliest first."""
    return [CHANGE, UNDO, MAP, BUNDLE] if listing.mappings.in_force().exists() else [MAP, BUNDLE]


def _listing(pk: int, entity: Entity) -> Listing:
    return Listing.objects.select_related("connection__entity").get(pk=pk, connection__entity=entity)


register_kind(Kind(name="listing", find=_listing, deeds=lambda listing: DEEDS))
