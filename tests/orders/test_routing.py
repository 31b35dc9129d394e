"""Orders go where they belong, each once, however often and by however many they are settled."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models.functions import Now

from apps.integrations import jobs
from apps.integrations.leases import LEASE, LeaseLost, Progress
from apps.integrations.models import Command, Job, JobState
from apps.orders.models import Hold, Order, Route
from apps.orders.routing import free, free_waiting, settle_orders, take_turn, waiting_for
from tests.factories import ItemFactory, ListingFactory, OrderFactory, OrderItemFactory, mapped

pytestmark = pytest.mark.django_db(transaction=True)


def order_of(listing, *, quantity=1, shipped=0, **values) -> Order:
    """An order of one line, not routed yet."""
    order = OrderFactory(connection=listing.connection, **values)
    OrderItemFactory(order=order, listing=listing, quantity=quantity, shipped=shipped)
    return order


def settled(order: Order) -> Order:
    with transaction.atomic():
        settle_orders(order.entity, orders=[order.pk])
    order.refresh_from_db()
    return order


def commands(**values) -> list[tuple[str, str]]:
    return list(Command.objects.filter(**values).order_by("pk").values_list("key", "state"))


@pytest.fixture
def listing(place):
    return ListingFactory(connection=place)


def test_an_order_that_we_ship_goes_to_the_warehouse_with_items_and_quantities_alone(listing, entity):
    bulb, lamp = ItemFactory(entity=entity, code="BULB"), ItemFactory(entity=entity, code="LAMP")
    mapped(listing, (lamp, 1), (bulb, 2))
    order = settled(order_of(listing, quantity=3, shipped=1, status="PARTIALLY_SHIPPED"))
    command = Command.objects.get()
    line = order.items.get().item_id
    assert (order.route, order.holds, order.released_at is not None) == (Route.SHIP, [], True)
    assert (command.target, command.kind, command.key) == ("warehouse", "ship-order", f"ship:{order.pk}")
    assert command.subject == f"order:{order.pk}"
    assert command.payload == {
        "order": order.order_id,
        "marketplace": order.marketplace,
        "lines": [
            {"line": line, "item": "BULB", "quantity": 4},
            {"line": line, "item": "LAMP", "quantity": 2},
        ],
    }


def test_an_order_that_amazon_ships_is_recorded_and_reaches_no_warehouse(listing, entity):
    mapped(listing, (ItemFactory(entity=entity, code="LAMP"), 1))
    order = settled(order_of(listing, channel="AFN", status="SHIPPED", quantity=2, shipped=2))
    command = Command.objects.get()
    assert order.route == Route.RECORD
    assert (command.target, command.kind, command.key) == ("erp", "record-sale", f"record:{order.pk}")
    assert [line["quantity"] for line in command.payload["lines"]] == [2]


@pytest.mark.parametrize("channel", ["AFN", ""])
def test_the_database_refuses_a_warehouse_command_for_an_order_that_we_do_not_ship(listing, channel):
    order = order_of(listing, channel=channel)
    command = {"entity": order.entity, "kind": "ship-order", "subject": f"order:{order.pk}"}
    with pytest.raises(IntegrityError, match="no order that the merchant ships"):
        Command.objects.create(target="warehouse", key="by hand", **command)
    recorded = Command.objects.create(target="erp", key="by hand", **command)
    with pytest.raises(IntegrityError, match="no order that the merchant ships"):
        Command.objects.filter(pk=recorded.pk).update(target="warehouse")
    with pytest.raises(IntegrityError, match="only_mfn_orders_ship"):
        Order.objects.filter(pk=order.pk).update(route="ship")


def test_an_unknown_sku_holds_its_own_order_alone(listing, entity):
    known = ListingFactory(connection=listing.connection)
    mapped(known, (ItemFactory(entity=entity), 1))
    assert settled(order_of(known)).route == Route.SHIP
    held = settled(order_of(listing))
    assert (held.route, held.holds, held.released_at) == (Route.HELD, [Hold.SKU], None)
    assert len(commands()) == 1


def test_the_mapping_that_counts_is_the_one_of_the_purchase_day_in_the_companys_zone(listing, entity):
    entity.zone = "Europe/Berlin"
    entity.save()
    mapped(listing, (ItemFactory(entity=entity), 1), since=date(2026, 11, 21))
    before = order_of(listing, purchased_at=datetime(2026, 11, 20, 22, 59, tzinfo=UTC))
    after = order_of(listing, purchased_at=datetime(2026, 11, 20, 23, 1, tzinfo=UTC))
    assert (settled(before).route, settled(after).route) == (Route.HELD, Route.SHIP)


def test_a_cancelled_line_of_an_unknown_sku_holds_nothing(listing, entity):
    known = ListingFactory(connection=listing.connection)
    mapped(known, (ItemFactory(entity=entity), 1))
    order = order_of(known)
    OrderItemFactory(order=order, listing=listing, quantity=0)
    assert settled(order).route == Route.SHIP


def test_an_order_without_channel_is_held_and_one_that_is_no_sale_goes_nowhere(listing, entity):
    mapped(listing, (ItemFactory(entity=entity), 1))
    assert settled(order_of(listing, channel="")).holds == [Hold.CHANNEL]
    assert settled(order_of(listing, channel="AFN", on_amazon=False)).route == Route.NO_SALE
    assert commands() == []


def test_settling_again_writes_nothing(listing, entity):
    mapped(listing, (ItemFactory(entity=entity), 1))
    order = settled(order_of(listing))
    released = order.released_at
    assert settled(order).released_at == released
    assert len(commands()) == 1


def test_a_cancellation_takes_back_what_has_not_left(listing, entity):
    mapped(listing, (ItemFactory(entity=entity), 1))
    here, gone = settled(order_of(listing)), settled(order_of(listing))
    Command.objects.filter(key=f"ship:{gone.pk}").update(state="sent")
    Order.objects.update(status="CANCELLED")
    assert (settled(here).route, settled(gone).route) == (Route.ENDED, Route.SHIP)
    assert commands() == [(f"ship:{here.pk}", "cancelled"), (f"ship:{gone.pk}", "sent")]


def test_an_order_that_comes_back_to_us_before_its_command_left_ships_after_all(listing, entity):
    mapped(listing, (ItemFactory(entity=entity), 1))
    order = settled(order_of(listing))
    Order.objects.update(route="record", channel="AFN")
    Command.objects.update(state="cancelled")
    Order.objects.update(channel="MFN")
    assert settled(order).route == Route.SHIP
    assert commands() == [(f"ship:{order.pk}", "waiting")]


def test_what_a_mapping_would_free_is_known_before(listing, entity):
    other = ListingFactory(connection=listing.connection)
    first = order_of(listing, total=Decimal("10.00"), purchased_at=datetime(2026, 11, 2, tzinfo=UTC))
    order_of(listing, channel="AFN", status="SHIPPED", total=Decimal("5.50"))
    order_of(listing, channel="", total=Decimal("7.00"), currency="EUR")
    both = order_of(listing, total=None)
    OrderItemFactory(order=both, listing=other)
    with transaction.atomic():
        assert settle_orders(entity, orders=list(Order.objects.values_list("pk", flat=True))).held == 4
    waiting = waiting_for(listing)
    assert (waiting.orders, waiting.lines, waiting.unpriced) == (4, 4, 1)
    assert waiting.value == {"GBP": Decimal("15.50"), "EUR": Decimal("7.00")}
    assert (waiting.ships, waiting.records, waiting.still_held) == (1, 1, 2)
    assert (waiting.oldest, waiting.ship_by) == (first.purchased_at, first.ship_by)
    assert waiting_for(listing, since=date(2026, 11, 3)).orders == 3
    assert waiting_for(ListingFactory()).orders == 0


def held_orders(listing, count: int) -> list[Order]:
    orders = [order_of(listing) for _ in range(count)]
    with transaction.atomic():
        settle_orders(listing.connection.entity, orders=[order.pk for order in orders])
    return orders


def test_a_mapping_frees_every_waiting_order_once_though_the_job_runs_twice(listing, entity, monkeypatch):
    monkeypatch.setattr("apps.orders.routing.BATCH", 2)
    orders = held_orders(listing, 5)
    other = ListingFactory(connection=listing.connection)
    OrderItemFactory(order=orders[-1], listing=other)
    with transaction.atomic():
        mapped(listing, (ItemFactory(entity=entity), 1))
        first = free([listing.pk], entity=entity, actor=None)
    again = free([listing.pk], entity=entity, actor=None)
    first, again = jobs.run_here(first), jobs.run_here(again)
    assert (first.state, again.state) == (JobState.DONE, JobState.DONE)
    assert first.progress_words == "4 of 5 released; 1 still wait for something else"
    assert (first.progress_done, first.progress_total) == (5, 5)
    assert (first.result["released"], again.result["released"]) == (4, 0)
    assert commands() == [(f"ship:{order.pk}", "waiting") for order in orders[:4]]
    assert Order.objects.get(route="held") == orders[-1]


def in_threads(*works) -> None:
    start = Barrier(len(works))

    def run(work):
        try:
            start.wait(20)
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(run, work) for work in works]:
            done.result(30)


def test_two_mappings_at_once_release_each_order_once(listing, entity, monkeypatch):
    monkeypatch.setattr("apps.orders.routing.BATCH", 3)
    other = ListingFactory(connection=listing.connection)
    orders = [order_of(listing) for _ in range(10)]
    for order in orders:
        OrderItemFactory(order=order, listing=other)
    with transaction.atomic():
        settle_orders(entity, orders=[order.pk for order in orders])
    lamp = ItemFactory(entity=entity)

    def mapping(of):
        def work():
            with transaction.atomic():
                mapped(of, (lamp, 1))
                job = free([of.pk], entity=entity, actor=None)
            jobs.run_here(job)

        return work

    in_threads(mapping(listing), mapping(other))
    assert sorted(commands()) == sorted((f"ship:{order.pk}", "waiting") for order in orders)
    assert not Order.objects.exclude(route="ship").exists()


def test_a_page_stored_while_its_sku_is_mapped_is_released(listing, entity):
    """The page read no mapping; the release waits for the page and then sees its order."""
    stored, mapping_made = Barrier(2), Barrier(2)
    job = []

    def page():
        with transaction.atomic():
            take_turn(entity)
            settle_orders(entity, orders=[order_of(listing).pk])
            stored.wait(20)
            mapping_made.wait(20)

    def mapping():
        stored.wait(20)
        with transaction.atomic():
            mapped(listing, (ItemFactory(entity=entity), 1))
            job.append(free([listing.pk], entity=entity, actor=None))
        mapping_made.wait(20)
        jobs.run_here(job[0])

    in_threads(page, mapping)
    assert Order.objects.get().route == Route.SHIP


def test_a_runner_that_lost_the_job_releases_nothing(listing, entity):
    held_orders(listing, 2)
    mapped(listing, (ItemFactory(entity=entity), 1))
    job = free([listing.pk], entity=entity, actor=None)
    with pytest.raises(LeaseLost):
        free_waiting(job, Progress())
    assert commands() == []
    assert Order.objects.filter(route="held").count() == 2


class KilledAfterABatch(Progress):
    """The runner's end, as the worker's own: nothing after it runs."""

    def say(self, words, done=None, total=None):
        super().say(words, done, total)
        if done:
            raise SystemExit


def test_what_a_killed_runner_released_stays_and_the_next_one_does_the_rest_once(listing, entity, monkeypatch):
    monkeypatch.setattr("apps.orders.routing.BATCH", 2)
    orders = held_orders(listing, 5)
    mapped(listing, (ItemFactory(entity=entity), 1))
    job = free([listing.pk], entity=entity, actor=None)
    Job.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, runner="host:1:a", lease_until=Now() + LEASE, attempts_made=1
    )
    job.refresh_from_db()
    with pytest.raises(SystemExit):
        free_waiting(job, KilledAfterABatch())
    assert len(commands()) == 2
    Job.objects.filter(pk=job.pk).update(state=JobState.WAITING, runner="", lease_until=None)
    job.refresh_from_db()
    assert jobs.run_here(job).result["released"] == 3
    assert commands() == [(f"ship:{order.pk}", "waiting") for order in orders]
