"""A SKU that nobody has said which item it is, and one that two items were said of."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from apps.catalog.models import Listing, RefusedCandidate, SkuMapping
from apps.catalog.operations import parts_of, words_of
from apps.catalog.uses import USES
from apps.core.models import User
from apps.core.permissions import MAP_SKUS, Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, register
from apps.orders import keeping, mapping
from apps.orders.unmapped import unmapped_skus


def _unmapped_headline(case: Case) -> str:
    facts = case.facts
    if facts["listing_id"] is None:
        count = facts["skus"]
        return f"{count:,} SKU{'' if count == 1 else 's'} in {facts['use']} {'is' if count == 1 else 'are'} no item"
    if facts["orders"]:
        orders = f"{facts['orders']:,} order{' waits' if facts['orders'] == 1 else 's wait'}"
        return f"{orders} because we do not know the SKU {facts['sku']}"
    uses = " and ".join(f"{USES[name].counted(count)} in {name}" for name, count in facts["uses"].items())
    return f"We do not know the SKU {facts['sku']}, which has {uses}"


def ambiguous_skus(scope: Scope) -> Iterator[Finding]:
    """One finding for each listing with candidates that nobody has decided about, while it is another item."""
    undecided = RefusedCandidate.objects.filter(settled_at=None, listing__connection__entity=scope.entity)
    if scope.subjects is not None:
        undecided = undecided.filter(listing__in=[int(subject) for subject in scope.subjects])
    mappings = SkuMapping.objects.in_force().order_by("period").prefetch_related("parts__item")
    listings = Listing.objects.filter(candidates__in=undecided).distinct().order_by("pk")
    for listing in listings.prefetch_related(
        Prefetch("candidates", undecided.order_by("pk"), to_attr="undecided"),
        Prefetch("mappings", mappings, to_attr="in_force"),
    ):
        first = min(candidate.since for candidate in listing.undecided)
        present = [row for row in listing.in_force if row.period.upper is None or row.period.upper > first]
        if present:
            yield _ambiguous(scope, listing, present)


def _ambiguous(scope: Scope, listing: Listing, present: list[SkuMapping]) -> Finding:
    return Finding(
        subject=str(listing.pk),
        currency=scope.entity.base_currency,
        facts={
            "listing_id": listing.pk,
            "sku": listing.sku,
            "marketplace": listing.marketplace,
            "title": listing.title,
            "present": [words_of(parts_of(row)) for row in present],
            "candidates": [candidate.words for candidate in listing.undecided],
        },
    )


def _ambiguous_headline(case: Case) -> str:
    is_, or_ = " and ".join(case.facts["present"]), " or ".join(case.facts["candidates"])
    return f"{case.facts['sku']} is {is_}, and was about to be {or_} as well"


def listing_of(case: Case) -> Listing:
    return Listing.objects.select_related("connection__entity").get(
        pk=case.facts["listing_id"], connection__entity=case.entity_id
    )


def _of_one(case: Case) -> bool:
    """The SKUs of a use that nobody waits for are mapped each on its own page, or by a sheet."""
    return case.facts["listing_id"] is not None


def _form(form: Callable) -> Callable:
    return lambda case, actor, data=None: form(listing_of(case), data)


def _preview_map(case: Case, actor: User, cleaned: dict[str, Any]) -> Plan:
    return mapping.plan_map(listing_of(case), cleaned)


def _run_map(case: Case, actor: User, cleaned: dict[str, Any]) -> str:
    return mapping.run_map(listing_of(case), cleaned, actor)


MAP = Action(
    name="map-sku",
    label="Map this SKU",
    permission=MAP_SKUS,
    form=_form(mapping.MapForm),
    preview=_preview_map,
    run=_run_map,
    clears=mapping.CASES,
    template="cases/sku_plan.html",
    form_template="cases/sku_form.html",
    available=_of_one,
)
BUNDLE = Action(
    name="map-bundle",
    label="It is a bundle",
    permission=MAP_SKUS,
    form=_form(mapping.BundleForm),
    preview=_preview_map,
    run=_run_map,
    clears=mapping.CASES,
    template="cases/sku_plan.html",
    available=_of_one,
)
KEEP = Action(
    name="keep-one",
    label="Keep one",
    permission=MAP_SKUS,
    form=_form(keeping.KeepForm),
    preview=lambda case, actor, cleaned: keeping.plan_keep(listing_of(case), cleaned),
    run=lambda case, actor, cleaned: keeping.run_keep(listing_of(case), cleaned, actor),
    clears=mapping.CASES,
    form_template="cases/keep_form.html",
)

SKU_UNMAPPED = register(ExceptionType(
    code="sku.unmapped",
    title="Unknown merchant SKU",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(days=1),
    detect=unmapped_skus,
    headline=_unmapped_headline,
    panel="cases/sku.html",
    actions=(MAP, BUNDLE),
    runbook=Runbook(
        impact="No item is mapped to it, so orders of it reach neither the ERP nor the warehouse. Others flow as usual.",
        steps=(
            "Read the reasons for and against each candidate. An equal EAN or ASIN identifies; a like title only resembles.",
            "Check how many of the item one sold unit is: a set of 4 is 4 of a single item.",
            "Read the preview: what is released, what stays held and why. Then map it.",
            "If the item does not exist yet, have it made in the ERP and import it.",
        ),
        prevention="Map a new listing before it goes live: import the sheet with its SKU first.",
        escalate="To whoever made the listing, when nobody can say what it sells.",
    ),
))  # fmt: skip

SKU_AMBIGUOUS = register(ExceptionType(
    code="sku.ambiguous",
    title="Two items for one SKU",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=True,
    floor=Decimal(50),
    respond_within=timedelta(days=1),
    detect=ambiguous_skus,
    headline=_ambiguous_headline,
    panel="cases/ambiguous.html",
    actions=(KEEP,),
    runbook=Runbook(
        impact="Orders go on with the item that is there. If the other one is right, the wrong goods are picked.",
        steps=(
            "Compare the recent orders of both: the item that came back as wrong, or that the warehouse asked about, is not it.",
            "Keep the present item, or change to the other from the day on which it became right.",
            "Where a sheet brought the other one, mend the sheet too, or it comes back with the next import.",
        ),
        prevention="A change of an item is said as a change, with its day; a second mapping is always refused.",
        escalate="To the warehouse, which sees what is in the parcel.",
    ),
))  # fmt: skip
