"""A SKU that nobody has said which item it is, and one that two items were said of."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Prefetch

from apps.catalog.models import Listing, RefusedCandidate, SkuMapping
from apps.catalog.operations import parts_of, words_of
from apps.core.models import User
from apps.core.money import ZERO, plain
from apps.core.permissions import MAP_SKUS, Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import Action, ExceptionType, Finding, Plan, Runbook, Scope, register
from apps.orders import keeping, mapping
from apps.orders.statements import DAY, UNMAPPED

USES: dict[str, str] = {}
"""What else uses listings: a name, and SQL that gives (listing_id, units) of the company %(entity)s. Others register theirs."""

UNMAPPED_SKUS = f"""
WITH waiting AS (
    SELECT item.listing_id, o.currency, o.total, o.purchased_at, o.ship_by, {DAY} AS day, count(*) AS lines,
           sum(item.quantity) AS units
    FROM orders_order o
    JOIN core_entity entity ON entity.id = o.entity_id
    JOIN orders_orderitem item ON item.order_id = o.id AND item.quantity > 0
    WHERE o.entity_id = %(entity)s AND o.route = 'held' AND 'sku' = ANY(o.holds)
      AND (%(listings)s::bigint[] IS NULL OR item.listing_id = ANY(%(listings)s)) AND {UNMAPPED}
    GROUP BY item.listing_id, o.id, entity.zone
), amounts AS (
    SELECT listing_id, currency, count(*) AS orders, sum(lines)::bigint AS lines, sum(units)::bigint AS units,
           sum(total) AS total, count(*) FILTER (WHERE total IS NULL) AS unpriced, min(purchased_at) AS oldest,
           min(day) AS first_day, min(ship_by) AS ship_by
    FROM waiting GROUP BY listing_id, currency
), held AS (
    SELECT listing_id, sum(orders)::bigint AS orders, sum(lines)::bigint AS lines, sum(units)::bigint AS units,
           array_agg(currency) FILTER (WHERE total IS NOT NULL) AS currencies,
           array_agg(total) FILTER (WHERE total IS NOT NULL) AS totals,
           sum(unpriced)::bigint AS unpriced, min(oldest) AS oldest, min(first_day) AS first_day, min(ship_by) AS ship_by
    FROM amounts GROUP BY listing_id
), used AS (
    SELECT used.listing_id, array_agg(used.name) AS names, array_agg(used.units) AS units
    FROM ({{uses}}) used
    JOIN core_entity entity ON entity.id = %(entity)s
    WHERE used.units > 0 AND (%(listings)s::bigint[] IS NULL OR used.listing_id = ANY(%(listings)s))
      AND NOT EXISTS (SELECT FROM catalog_skumapping mapping WHERE mapping.listing_id = used.listing_id
                      AND (mapping.period @> (now() AT TIME ZONE entity.zone)::date) IS TRUE)
    GROUP BY used.listing_id
)
SELECT listing.id, listing.sku, listing.marketplace, listing.title, listing.channel,
       COALESCE(held.orders, 0), COALESCE(held.lines, 0), COALESCE(held.units, 0), COALESCE(held.currencies, '{{{{}}}}'),
       COALESCE(held.totals, '{{{{}}}}'), COALESCE(held.unpriced, 0), held.oldest, held.first_day, held.ship_by,
       COALESCE(used.names, '{{{{}}}}'), COALESCE(used.units, '{{{{}}}}')
FROM held FULL JOIN used ON used.listing_id = held.listing_id
JOIN catalog_listing listing ON listing.id = COALESCE(held.listing_id, used.listing_id)
ORDER BY listing.id
"""
NO_USE = "SELECT NULL::text AS name, NULL::bigint AS listing_id, NULL::bigint AS units WHERE false"


def register_use(name: str, statement: str) -> None:
    """Have a SKU without an item found also where this uses it, such as stock. A name registered twice is a mistake of ours."""
    if name in USES:
        raise ValueError(f"the use {name} of listings is registered twice")
    USES[name] = statement


def unmapped_skus(scope: Scope) -> Iterator[Finding]:
    """One finding for each listing that waiting orders or other uses have, and that is no item on their day."""
    uses = " UNION ALL ".join(
        [NO_USE, *(f"SELECT '{name}', used.listing_id, used.units FROM ({sql}) used" for name, sql in USES.items())]
    )
    listings = None if scope.subjects is None else [int(subject) for subject in scope.subjects]
    with connection.cursor() as cursor:
        cursor.execute(UNMAPPED_SKUS.format(uses=uses), {"entity": scope.entity.pk, "listings": listings})
        rows = cursor.fetchall()
    for row in rows:
        yield _unmapped(scope, *row)


def _unmapped(
    scope: Scope, listing, sku, marketplace, title, channel, orders, lines, units, currencies, totals, unpriced, oldest,
    first_day, ship_by, uses, used,
) -> Finding:  # fmt: skip
    amounts = dict(zip(currencies, totals, strict=True))
    largest = max(sorted(amounts), key=amounts.__getitem__, default=scope.entity.base_currency)
    return Finding(
        subject=str(listing),
        currency=largest,
        stake=max(amounts.get(largest, ZERO), ZERO),
        lines=lines,
        due_at=ship_by,
        facts={
            "listing_id": listing,
            "sku": sku,
            "marketplace": marketplace,
            "title": title,
            "channel": channel,
            "orders": orders,
            "units": units,
            "amounts": {currency: plain(amount, currency) for currency, amount in amounts.items()},
            "unpriced": unpriced,
            "oldest": oldest.isoformat() if oldest else "",
            "first_day": first_day.isoformat() if first_day else "",
            "first_ship_by": ship_by.isoformat() if ship_by else "",
            "uses": dict(zip(uses, used, strict=True)),
        },
    )


def _unmapped_headline(case: Case) -> str:
    facts = case.facts
    if facts["orders"]:
        orders = f"{facts['orders']:,} order{' waits' if facts['orders'] == 1 else 's wait'}"
        return f"{orders} because we do not know the SKU {facts['sku']}"
    uses = " and ".join(f"{units:,} units in {name}" for name, units in facts["uses"].items())
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
        impact="No item is mapped to it, so its orders have reached neither the ERP nor the warehouse. Others flow as usual.",
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
