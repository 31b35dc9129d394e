"""Orders as the feed takes them in, and a company that can route them."""

from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.catalog.models import Listing
from apps.core.models import Entity
from apps.integrations.feeds import FEEDS, Stored
from apps.integrations.models import Connection, Source
from apps.orders.models import Order
from tests.factories import ItemFactory, mapped
from tests.orders.amazon import page


def source_of(place: Connection) -> Source:
    found = Source.objects.filter(connection=place, feed="amazon.orders").first()
    return found or Source.objects.create(connection=place, feed="amazon.orders", every=timedelta(minutes=15))


def take(source: Source, *records: Any) -> Stored:
    """One page, as the run stores it."""
    with transaction.atomic():
        return FEEDS["amazon.orders"].store(source, page(*records), [])


def map_all(entity: Entity) -> None:
    """Every listing of the company that has no item gets one."""
    item = ItemFactory(entity=entity)
    for listing in Listing.objects.filter(connection__entity=entity, mappings=None):
        mapped(listing, (item, 1))


def taken(place: Connection, record: dict) -> Order:
    """The order of this record."""
    take(source_of(place), record)
    return Order.objects.get(connection=place, order_id=record["orderId"])
