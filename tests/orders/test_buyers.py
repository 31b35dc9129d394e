"""Buyers are seen by those who ship to them, masked for the others, nowhere else, and purged in time."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep_entity
from apps.integrations.models import Command
from apps.ledger.models import Journal, JournalLine
from apps.orders import buyers
from apps.orders.models import Buyer, Order, OrderItem
from apps.orders.operations import set_order_settings, settings_of
from tests.factories import JournalFactory, OrderFactory, person
from tests.orders.amazon import BUYER, PRIVATE, record
from tests.orders.take import map_all, take, taken

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("role", [Role.OPS, Role.ADMIN])
def test_who_ships_reads_the_buyer_whole(source, entity, role):
    shown = buyers.shown_to(person(role, entity), taken(source.connection, record()))
    assert (shown.name, shown.email, shown.phone) == (BUYER, "buyer-7@marketplace.example", "+44 113 496 0000")
    assert shown.address == ("12 Mill Lane", "Leeds", "LS1 4DY", "GB")
    assert not shown.masked


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ECOMMERCE, Role.VIEWER])
def test_others_see_initials_and_an_area(source, entity, role):
    shown = buyers.shown_to(person(role, entity), taken(source.connection, record()))
    assert (shown.name, shown.address, shown.masked) == ("A. M. S.", ("LS1 ***, GB",), True)
    assert (shown.email, shown.phone) == ("hidden from your role", "hidden from your role")
    assert not any(private in str(shown) for private in PRIVATE)


def test_a_buyer_is_kept_in_one_table_alone(source, entity):
    """Every text of every row of every table, but the one for buyers."""
    take(source, record(1, by=None), record(2), record(3, by="AMAZON"))
    map_all(entity)
    take(source, record(2, lastUpdatedTime="2026-11-20T11:00:00Z"))
    sweep_entity(entity)
    assert Case.objects.exists() and Command.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'orders_buyer'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT coalesce(string_agg(row::text, chr(10)), \'\') FROM "{table}" row')
            (text,) = cursor.fetchone()
            assert not any(private in text for private in PRIVATE), table


def ended(days: int, **values) -> Order:
    """An order that was delivered so many days ago, with a buyer."""
    values = {"status": "SHIPPED", "delivered_at": timezone.now() - timedelta(days=days, minutes=1)} | values
    order = OrderFactory(**values)
    Buyer.objects.create(order=order, name=BUYER)
    return order


def test_buyers_go_days_after_delivery_and_orders_and_journals_stay(entity, place):
    with transaction.atomic():
        journal = JournalFactory(entity=entity, state=Journal.State.INCOMPLETE)
        JournalLine.objects.create(journal=journal, number=1, label="Sales")
    old, fresh = ended(31, connection=place), ended(29, connection=place)
    whole = (Order.objects.count(), OrderItem.objects.count(), list(Journal.objects.values()), list(JournalLine.objects.values()))
    buyers.purge()
    assert list(Buyer.objects.values_list("order", flat=True)) == [fresh.pk]
    assert whole == (
        Order.objects.count(), OrderItem.objects.count(), list(Journal.objects.values()), list(JournalLine.objects.values())
    )  # fmt: skip
    entry = AuditEntry.objects.get(verb="buyers.purged")
    assert (entry.entity, entry.after) == (entity, {"buyers": 1})
    assert BUYER not in str(AuditEntry.objects.values_list())
    assert buyers.shown_to(person(Role.OPS, entity), old) is None
    buyers.purge()
    assert AuditEntry.objects.filter(verb="buyers.purged").count() == 1


def test_an_order_that_nobody_said_was_delivered_counts_from_its_last_change(place):
    long_ago = {"connection": place, "delivered_at": None, "changed_at": timezone.now() - timedelta(days=40)}
    for status in ("SHIPPED", "CANCELLED"):
        ended(0, **long_ago, status=status)
    to_ship = ended(0, **long_ago, status="UNSHIPPED")
    buyers.purge()
    assert Buyer.objects.get().order == to_ship


def test_each_company_keeps_its_buyers_as_long_as_it_says(entity, place):
    admin = person(Role.ADMIN, entity)
    ended(10, connection=place)
    other = ended(10)
    assert (buyers.due(entity, 30), buyers.due(entity, 9)) == (0, 1)
    set_order_settings(entity=entity, purge_after=9, warn_before=12, reason="Less is safer", actor=admin)
    assert settings_of(entity).purge_after == 9
    buyers.purge()
    assert Buyer.objects.get().order == other
    entry = AuditEntry.objects.get(verb="orders.settings")
    assert (entry.before["purge_after"], entry.after["purge_after"]) == (30, 9)


def test_how_long_is_set_by_admins_within_bounds(entity):
    admin = person(Role.ADMIN, entity)
    values = {"entity": entity, "purge_after": 20, "warn_before": 12, "reason": "Because"}
    with pytest.raises(NotAllowed):
        set_order_settings(**values, actor=person(Role.OPS, entity))
    for bad in ({"purge_after": 0}, {"purge_after": 366}, {"warn_before": 0}, {"reason": ""}, {"purge_after": 30}):
        with pytest.raises(Refused):
            set_order_settings(**values | bad, actor=admin)
    assert settings_of(entity).purge_after == 30
