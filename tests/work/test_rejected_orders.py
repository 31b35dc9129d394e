"""The daily check: what it shows, signing it with and without orders, twice on peak days, and the days that were missed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.utils import InternalError

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.integrations.models import Command, Source, UnreadableRecord
from apps.orders.models import Order
from apps.orders.routines import REJECTED_ORDERS
from apps.work.models import SignedCheck
from apps.work.routines import days, due, mark_peak, sign
from tests.factories import ConnectionFactory, EntityFactory, person

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 11, 12, 9, 30, tzinfo=UTC)
numbers = count(1)


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(zone="Europe/London")


@pytest.fixture
def kofi(entity):
    return person(Role.OPS, entity, name="Kofi Mensah")


def order(entity: Entity, **values) -> Order:
    number = next(numbers)
    place = entity.connections.first() or ConnectionFactory(entity=entity)
    usual = {
        "order_id": f"202-0000000-{number:07}", "marketplace": "A1F83G8C2ARO7P", "on_amazon": True, "channel": "MFN",
        "status": "UNSHIPPED", "purchased_at": NINE - timedelta(days=2), "changed_at": NINE - timedelta(days=1),
        "ship_by": NINE + timedelta(days=3), "currency": "GBP", "total": Decimal("27.99"), "content": str(number),
        "route": "ship", "received_at": NINE - timedelta(days=5),
    }  # fmt: skip
    return Order.objects.create(entity=entity, connection=place, **usual | values)


def check(entity, actor, at=NINE, note="") -> SignedCheck:
    return sign(routine=REJECTED_ORDERS, entity=entity, now=at, note=note, actor=actor)


def seen(entity, at=NINE) -> list[tuple[str, str]]:
    return [(entry.label, entry.kind) for entry in REJECTED_ORDERS.gather(entity, at)]


def test_it_shows_what_is_held_refused_unreadable_or_late_and_nothing_else(entity):
    order(entity)
    held = order(entity, route="held", holds=["sku"])
    late = order(entity, ship_by=NINE - timedelta(hours=1))
    near = order(entity, ship_by=NINE + timedelta(hours=11))
    refused = order(entity)
    Command.objects.create(
        entity=entity, target="warehouse", kind="ship-order", key="ship:1", subject=f"order:{refused.pk}", state="refused",
        words="No such postcode",
    )  # fmt: skip
    for gone in ({"status": "SHIPPED"}, {"channel": "AFN", "route": "record"}, {"on_amazon": False, "route": "no-sale"}):
        order(entity, ship_by=NINE - timedelta(days=1), **gone)
    source = Source.objects.create(connection=held.connection, feed="amazon.orders", every=timedelta(minutes=2))
    UnreadableRecord.objects.create(source=source, key="202-9", raw={}, words="The total is no amount.")
    assert seen(entity) == [
        (late.order_id, "late"), (near.order_id, "late"), (refused.order_id, "refused"), (held.order_id, "held"),
        ("202-9", "unreadable"),
    ]  # fmt: skip


def test_signing_keeps_what_was_seen_decided_and_left_and_names_what_is_late(entity, kofi):
    late = order(entity, ship_by=NINE - timedelta(hours=1))
    held = order(entity, route="held", holds=["sku"])
    first = check(entity, kofi, note="The late one is with the courier")
    assert ([row["label"] for row in first.seen], first.late) == ([late.order_id, held.order_id], [late.order_id])
    assert first.decided == []
    Order.objects.filter(pk=held.pk).update(route="ship", holds=[])
    Order.objects.filter(pk=late.pk).update(status="CANCELLED")
    second = check(entity, kofi, at=NINE + timedelta(days=1))
    assert second.seen == []
    assert second.decided == [
        {"label": late.order_id, "words": "Cancelled."},
        {"label": held.order_id, "words": "Released to fulfilment."},
    ]
    assert AuditEntry.objects.filter(verb="check.signed").count() == 2


def test_zero_is_signed_and_only_once(entity, kofi):
    assert check(entity, kofi).seen == []
    with pytest.raises(Refused, match=r"to be signed now\. The next one is due tomorrow at 09:00"):
        check(entity, kofi)


def test_a_peak_day_is_signed_twice_and_a_slot_that_passed_is_missed(entity, kofi):
    order(entity)
    today = NINE.date()
    mark_it(entity, kofi, today)
    (morning, afternoon) = days(REJECTED_ORDERS, entity, NINE, 1)[0].slots
    assert (morning.state, afternoon.state) == ("todo", "")
    later = NINE.replace(hour=15)
    (morning, afternoon) = days(REJECTED_ORDERS, entity, later, 1)[0].slots
    assert (morning.state, afternoon.state) == ("missed", "todo")
    assert check(entity, kofi, at=later).slot == 2
    assert due(REJECTED_ORDERS, entity, later) is None


def mark_it(entity, actor, day: date) -> None:
    entity.peak_days.create(day=day, marked_by=actor)


def test_a_day_that_is_over_cannot_become_peak(entity, kofi):
    with pytest.raises(Refused, match="is over"):
        mark_peak(routine=REJECTED_ORDERS, entity=entity, day=date(2020, 1, 1), actor=kofi)


def test_a_missed_day_shows_and_days_before_the_first_order_do_not(entity, kofi):
    order(entity, received_at=NINE - timedelta(days=3))
    check(entity, kofi, at=NINE - timedelta(days=1))
    week = days(REJECTED_ORDERS, entity, NINE, 4)
    assert [day.slots[0].state for day in week] == ["", "missed", "signed", "todo"]


@pytest.mark.parametrize("role", [role for role in Role if role != Role.OPS])
def test_only_operations_sign(entity, role):
    with pytest.raises(NotAllowed):
        check(entity, person(role, entity))


def test_what_was_signed_cannot_be_rewritten(entity, kofi):
    check(entity, kofi)
    for statement in ("UPDATE work_signedcheck SET note = 'x'", "DELETE FROM work_signedcheck"):
        with pytest.raises((ProgrammingError, InternalError)), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
