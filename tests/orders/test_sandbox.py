"""Orders from Amazon's stand-in to the warehouse: pulled over real HTTP, routed, and the second time nothing to write."""

import pytest
from django.db import connection

from apps.core.models import Entity
from apps.exceptions.models import Case
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import jobs
from apps.integrations.credentials import seal
from apps.integrations.models import Command, Connection, Source, UnreadableRecord
from apps.integrations.runs import run_here
from apps.orders.models import Buyer, Order, OrderItem, Route
from apps.orders.routing import free
from tests.factories import ConnectionFactory
from tests.orders.take import map_all, source_of

pytestmark = pytest.mark.django_db(transaction=True)
WRITTEN = (
    "orders_order", "orders_orderitem", "orders_buyer", "catalog_listing", "integrations_command", "exceptions_case"
)


@pytest.fixture
def source(sandbox, entity) -> Source:
    place: Connection = ConnectionFactory(
        entity=entity,
        kind=Connection.Kind.AMAZON,
        account=sandbox.account,
        endpoint=sandbox.url,
        token_url=f"{sandbox.url}/auth/o2/token",
        marketplaces=sandbox.marketplaces,
    )
    seal(place, sandbox.credentials, None)
    return source_of(place)


def written() -> list[tuple]:
    """PostgreSQL's own counters of rows inserted, updated and deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = ANY(%s) ORDER BY 1",
            [list(WRITTEN)],
        )
        return cursor.fetchall()


def from_the_beginning(source: Source):
    """A pull of all that there is, as after a lost cursor."""
    Source.objects.filter(pk=source.pk).update(cursor={})
    return run_here(Source.objects.get(pk=source.pk))


def release(entity: Entity) -> None:
    """What waits for any listing, as after its mapping."""
    listings = OrderItem.objects.filter(order__entity=entity).values_list("listing", flat=True).distinct()
    jobs.run_here(free(listings, entity=entity, actor=None))


def commands_by_order(entity: Entity) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for subject, target in Command.objects.filter(entity=entity).order_by("pk").values_list("subject", "target"):
        found.setdefault(int(subject.removeprefix("order:")), []).append(target)
    return found


def test_a_second_pull_of_the_same_orders_writes_nothing(source, sandbox, entity):
    first = run_here(source)
    count = Order.objects.count()
    assert first.added == count > 100
    assert first.added + first.unreadable == sandbox.world()["orders"]
    assert not Order.objects.exclude(pk__in=OrderItem.objects.values("order")).exclude(status="CANCELLED").exists()
    before = written()
    second = from_the_beginning(source)
    assert (second.added, second.changed, second.unchanged) == (0, 0, count)
    assert second.unreadable == first.unreadable
    assert written() == before


def test_mapping_every_sku_sends_each_order_where_it_belongs_once(source, sandbox, entity):
    run_here(source)
    map_all(entity)
    release(entity)
    release(entity)
    commands = commands_by_order(entity)
    routes = dict(Order.objects.values_list("pk", "route"))
    channels = dict(Order.objects.values_list("pk", "channel"))
    expected = {
        order: {Route.SHIP: ["warehouse"], Route.RECORD: ["erp"]}[route]
        for order, route in routes.items()
        if route in (Route.SHIP, Route.RECORD)
    }
    assert commands == expected
    assert all(channels[order] == ("MFN" if targets == ["warehouse"] else "AFN") for order, targets in commands.items())
    special = sandbox.world()["special"]
    held = set(Order.objects.filter(route=Route.HELD).values_list("order_id", "channel_said"))
    assert held == {(special["no-channel"], ""), (special["unknown-channel"], "PARTNER_NETWORK")}
    no_sales = {order for name, order in special.items() if name.startswith("multi-channel")}
    assert set(Order.objects.filter(route=Route.NO_SALE).values_list("order_id", flat=True)) == no_sales
    assert list(UnreadableRecord.objects.values_list("key", flat=True)) == [special["unreadable"]]
    assert {Route.SHIP, Route.RECORD, Route.PENDING} <= set(routes.values())


def test_orders_live_on_and_none_is_released_twice(source, sandbox, entity):
    run_here(source)
    map_all(entity)
    release(entity)
    for _ in range(3):
        sandbox.advance(8 * 3600)
        run = run_here(Source.objects.get(pk=source.pk))
        assert run.verdict == ""
    commands = commands_by_order(entity)
    assert commands and all(len(set(targets)) == len(targets) for targets in commands.values())
    taken_over = Order.objects.get(order_id=sandbox.world()["special"]["becomes-amazons"])
    assert (taken_over.channel, commands[taken_over.pk]) == ("AFN", ["warehouse", "erp"])
    at_both = [order for order, targets in commands.items() if len(targets) > 1]
    assert at_both == [taken_over.pk]
    sweep("order.misrouted-fba", Scope(entity=entity))
    assert Case.objects.live().get(type="order.misrouted-fba").subject == str(taken_over.pk)


def test_buyers_of_the_stand_in_are_in_the_table_of_buyers_alone(source, sandbox, entity):
    run_here(source)
    marks = sandbox.world()["buyer_marks"]
    assert any(mark in f"{buyer.name} {buyer.email} {buyer.address}" for buyer in Buyer.objects.all() for mark in marks)
    unreadable = str(list(UnreadableRecord.objects.values_list("raw", "words")))
    orders = str(list(Order.objects.values_list())) + str(list(OrderItem.objects.values_list()))
    assert not any(mark in unreadable + orders for mark in marks)
