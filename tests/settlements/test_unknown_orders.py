"""Money of orders that we do not hold is a case, once the connection brings orders and they should be here."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import Source
from tests.factories import OrderFactory
from tests.settlements.files import SALE, File, line
from tests.settlements.take import take

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = line("30.00", order_id="202-2222222-2222222")
REFUND = line("-9.00", transaction_type="Refund", order_id="202-3333333-3333333")


def cases(entity) -> list[Case]:
    sweep("settlement.order-unknown", Scope(entity=entity))
    return list(Case.objects.live().filter(type="settlement.order-unknown"))


def test_only_sales_that_should_be_here_count(entity, priya, place):
    take(place, File(lines=(*SALE, KNOWN, REFUND)))
    assert cases(entity) == []  # the connection brings no orders
    source = Source.objects.create(connection=place, feed="amazon.orders", every=timedelta(minutes=2))
    OrderFactory(connection=place, entity=entity, order_id=KNOWN["order-id"], purchased_at=LONG_AGO)
    assert cases(entity) == []  # it has not proved anything yet
    Source.objects.filter(pk=source.pk).update(proven_at=LONG_AGO)
    (case,) = cases(entity)
    assert (case.facts["orders"], case.lines, case.stake) == ([SALE[0]["order-id"]], 3, Decimal("135.00"))


def test_orders_from_before_the_first_that_we_hold_are_no_gap(entity, priya, place):
    take(place, File())
    Source.objects.create(connection=place, feed="amazon.orders", every=timedelta(minutes=2), proven_at=LONG_AGO)
    OrderFactory(connection=place, entity=entity, purchased_at=datetime(2026, 10, 20, tzinfo=UTC))
    assert cases(entity) == []
