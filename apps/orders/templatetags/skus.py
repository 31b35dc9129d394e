"""Evidence of SKU cases and listings for their pages."""

from typing import Any

from django import template

from apps.catalog.uses import USES
from apps.exceptions.models import Case
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Job
from apps.orders import keeping
from apps.orders.exception_types.skus import listing_of
from apps.orders.models import Order
from apps.orders.routing import RELEASE

ORDERS_SHOWN = 6

register = template.Library()
register.filter("marketplace", name_of)


@register.filter
def uses(facts: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """What has a listing: its name, how much, and what that is worth by currency."""
    worth = facts.get("worth", {})
    return [(name, counted(name, count), worth.get(name, {})) for name, count in facts["uses"].items()]


@register.filter
def counted(name: str, count: int) -> str:
    """How much of a listing a use has: "7 units"."""
    return USES[name].counted(count)


@register.simple_tag
def waiting_orders(case: Case) -> list[Order]:
    """The orders that wait for the case's SKU, the earliest ship-by first."""
    held = Order.objects.filter(
        entity=case.entity_id, route="held", holds__contains=["sku"], items__listing=case.facts["listing_id"]
    )
    return list(held.distinct().order_by("ship_by", "purchased_at", "pk")[:ORDERS_SHOWN])


@register.simple_tag
def choices(case: Case) -> list[keeping.Choice]:
    return keeping.choices_of(listing_of(case))


@register.simple_tag
def release_of(listing: int, entity: int) -> Job | None:
    """The newest work that releases orders of a listing."""
    jobs = Job.objects.filter(kind=RELEASE, entity=entity, args__listings__contains=[listing])
    return jobs.order_by("-pk").first()
