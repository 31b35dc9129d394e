"""stock.identity-break: figures of Amazon's that do not add up (domain.md 2.1)."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from operator import add, or_

from django.db.models import F, Q

from apps.core.permissions import Team
from apps.exceptions.models import Case, Diagnosis
from apps.exceptions.types import ExceptionType, Finding, Runbook, Scope, register
from apps.integrations.feeds import silent
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Source
from apps.inventory.exception_types.pulling import PULL_AGAIN
from apps.inventory.models import FEED, Level
from apps.inventory.rules import IDENTITIES, Break, breaks
from apps.inventory.words import name_of as named

CODE = "stock.identity-break"


def _fails() -> Q:
    """In SQL what rules.breaks says of one level. A figure that was not reported compares with nothing."""
    sums = [(identity.whole, reduce(add, map(F, identity.parts))) for identity in IDENTITIES]
    return reduce(or_, (Q(**{f"{whole}__{side}": parts}) for whole, parts in sums for side in ("lt", "gt")))


def broken_identities(scope: Scope) -> Iterator[Finding]:
    """One finding for each pool of units in a marketplace: the SKUs that show it show the same figures."""
    levels = Level.objects.filter(_fails(), snapshot__current=True, snapshot__connection__entity=scope.entity)
    sources = dict(
        Source.objects.filter(connection__entity=scope.entity, feed=FEED).values_list("connection", "pk")
    )
    found: dict[str, list[Level]] = {}
    for level in levels.select_related("snapshot", "listing").order_by("snapshot", "listing__sku"):
        units = level.fnsku or level.listing.sku
        found.setdefault(f"{level.snapshot.connection_id}/{level.snapshot.marketplace}/{units}", []).append(level)
    for subject, shown in found.items():
        first = shown[0]
        failed = breaks(first.quantities)
        yield Finding(
            subject=subject,
            currency=scope.entity.base_currency,
            lines=len(failed),
            facts={
                "connection_id": first.snapshot.connection_id,
                "source": sources.get(first.snapshot.connection_id),
                "listing": first.listing_id,
                "skus": [level.listing.sku for level in shown],
                "fnsku": first.fnsku,
                "marketplace": name_of(first.snapshot.marketplace),
                "breaks": [_figures(first, each) for each in failed],
            },
        )


def _figures(level: Level, failed: Break) -> dict:
    parts = [{"name": named(part), "units": getattr(level, part)} for part in failed.identity.parts]
    return {"name": named(failed.identity.whole), "said": failed.said, "summed": failed.summed, "parts": parts}


def _headline(case: Case) -> str:
    first, *others = case.facts["breaks"]
    more = f", and {len(others)} more figure{'' if len(others) == 1 else 's'}" if others else ""
    return (
        f"{case.facts['skus'][0]}: Amazon says {first['said']:,} {first['name'].lower()}, "
        f"its parts add up to {first['summed']:,}{more}"
    )


IDENTITY_BREAK = register(ExceptionType(
    code=CODE,
    title="Amazon's stock figures do not add up",
    counts="figure",
    team=Team.ECOMMERCE,
    diagnosis=Diagnosis.STRUCTURAL,
    holds_back=False,
    floor=Decimal(20),
    respond_within=timedelta(days=2),
    detect=broken_identities,
    doubts=silent(FEED),
    headline=_headline,
    panel="cases/stock_identity.html",
    actions=(PULL_AGAIN,),
    runbook=Runbook(
        impact="One of the figures is wrong, and nobody can tell which. What is sold comes from the pickable figure alone.",
        steps=(
            "Pull again: Amazon changes figures while a scan reads them, and the next scan often adds up.",
            "If it still does not, compare with Manage FBA Inventory in Seller Central.",
            "If both say the same, leave it to Amazon: dismiss the case and say so. It returns if the break goes and comes back.",
        ),
        prevention="None on our side: the figures are shown as Amazon sends them.",
        escalate="To Amazon's seller support when the break holds for a week and the units are worth a claim.",
    ),
))  # fmt: skip
