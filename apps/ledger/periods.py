"""Which months of a company are locked, and where a correction goes instead."""

from collections.abc import Collection
from datetime import date, timedelta

from apps.core.models import Entity
from apps.ledger.models import PeriodLock


def locked_months(entity: Entity) -> frozenset[date]:
    """First days of the months that are locked now."""
    return frozenset(PeriodLock.objects.filter(entity=entity, unlocked_at=None).values_list("month", flat=True))


def first_open(month: date, locked: Collection[date]) -> date:
    """The month itself or the next one that is not locked."""
    while month in locked:
        month = (month + timedelta(days=31)).replace(day=1)
    return month
