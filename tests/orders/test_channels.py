"""Orders that nobody says who ships, and orders of Amazon's own that went to our warehouse: found, shown before, mended."""

from decimal import Decimal

import pytest

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import PlanChanged, find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import Command
from apps.orders.models import Order, Route
from apps.orders.operations import set_channel
from tests.factories import person
from tests.orders.amazon import PRIVATE, line, record
from tests.orders.take import map_all, take, taken

pytestmark = pytest.mark.django_db(transaction=True)
LATER, LATEST = "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z"


@pytest.fixture
def ece(entity):
    return person(Role.ECOMMERCE, entity)


def cases(entity, code: str) -> list[Case]:
    sweep(code, Scope(entity=entity))
    return list(Case.objects.live().filter(type=code, entity=entity).order_by("subject"))


def planned(case: Case, name: str, actor, **data):
    action = find_action(case, name)
    data = {"reason": "As Seller Central shows"} | data
    return action, data, plan(case=case, action=action, actor=actor, data=data)[1]


def act(case: Case, name: str, actor, **data):
    action, data, made = planned(case, name, actor, **data)
    return perform(case=case, action=action, actor=actor, data=data, digest=made.digest)


def test_one_case_for_each_account_and_for_what_it_said(source, entity):
    take(source, record(1, by=None), record(2, by=None, proceeds={}), record(3, by="ROBOT"), record(4))
    silent, robot = cases(entity, "order.channel-unknown")
    assert (silent.lines, silent.stake, silent.currency) == (2, Decimal("24.99"), "GBP")
    assert silent.kind.headline(silent) == "2 orders are held: nobody says who ships them"
    assert robot.kind.headline(robot).endswith("says “ROBOT” where it should say who ships")
    assert silent.facts["orders"] == [record(1)["orderId"], record(2)["orderId"]]
    assert not any(private in str(case.facts) for case in (silent, robot) for private in PRIVATE)


def test_saying_who_ships_shows_before_where_each_order_goes_and_then_sends_it_there(source, entity, ece):
    take(source, record(1, by=None), record(2, by=None))
    map_all(entity)
    take(source, record(3, line("NEW", 9), by=None))
    (case,) = cases(entity, "order.channel-unknown")
    *_, made = planned(case, "set-channel", ece, channel="MFN")
    assert made.effect == "Set who ships 3 orders"
    ways = {way.route: (way.orders, dict(way.value)) for way in made.detail["ways"]}
    ship, held = Route.SHIP.label, Route.HELD.label
    assert {name: count for name, (count, _) in ways.items()} == {ship: 2, held: 1}
    assert str(ways[ship][1]["GBP"]) == "49.9800"
    assert not Command.objects.exists()
    done = act(case, "set-channel", ece, channel="MFN")
    assert done.resolved
    assert done.words == "Set. 2 released to fulfilment, 0 recorded. 1 wait for a mapping."
    assert Command.objects.filter(target="warehouse").count() == 2
    assert set(Order.objects.values_list("channel", "channel_set_by")) == {("MFN", ece.pk)}
    assert AuditEntry.objects.filter(verb="order.channel-set").count() == 3


def test_an_order_that_came_after_the_preview_is_not_set_unseen(source, entity, ece):
    take(source, record(1, by=None))
    (case,) = cases(entity, "order.channel-unknown")
    action, data, made = planned(case, "set-channel", ece, channel="AFN")
    take(source, record(2, by=None))
    with pytest.raises(PlanChanged):
        perform(case=case, action=action, actor=ece, data=data, digest=made.digest)


def test_saying_that_amazon_ships_reaches_no_warehouse(source, entity, ece):
    take(source, record(1, by=None))
    map_all(entity)
    (case,) = cases(entity, "order.channel-unknown")
    act(case, "set-channel", ece, channel="AFN")
    assert list(Command.objects.values_list("target", flat=True)) == ["erp"]


def test_who_ships_is_set_for_held_orders_alone_by_those_who_work_orders(source, entity, ece):
    order = taken(source.connection, record(1))
    values = {"entity": entity, "orders": [order.pk], "channel": "MFN"}
    with pytest.raises(Refused, match="None of these orders waits"):
        set_channel(**values, reason="Because", actor=ece)
    with pytest.raises(NotAllowed):
        set_channel(**values, reason="Because", actor=person(Role.FINANCE, entity))
    with pytest.raises(Refused, match="Say why"):
        set_channel(**values, reason=" ", actor=ece)
    with pytest.raises(Refused, match="Choose who"):
        set_channel(**values | {"channel": "3PL"}, reason="Because", actor=ece)


@pytest.fixture
def misrouted(source, entity) -> Order:
    """Released to our warehouse; then Amazon says that it ships it."""
    take(source, record(1, status="PENDING"))
    map_all(entity)
    take(source, record(1, lastUpdatedTime=LATER))
    return taken(source.connection, record(1, by="AMAZON", lastUpdatedTime=LATEST))


def test_an_order_of_amazons_own_at_our_warehouse_is_found_and_taken_back(misrouted, entity):
    kofi = person(Role.OPS, entity)
    (case,) = cases(entity, "order.misrouted-fba")
    assert case.kind.headline(case) == f"Amazon ships order {misrouted.order_id}, and it waits to go to our warehouse too"
    *_, made = planned(case, "cancel-warehouse", kofi)
    assert made.effect == "Cancel the warehouse order"
    assert act(case, "cancel-warehouse", kofi).resolved
    assert set(Command.objects.values_list("target", "state")) == {("warehouse", "cancelled"), ("erp", "waiting")}
    assert AuditEntry.objects.get(verb="order.warehouse-cancelled").subject == f"order:{misrouted.pk}"


def test_one_that_was_sent_says_what_to_do_first(misrouted, entity):
    Command.objects.filter(target="warehouse").update(state="sent")
    kofi = person(Role.OPS, entity)
    (case,) = cases(entity, "order.misrouted-fba")
    *_, made = planned(case, "cancel-warehouse", kofi)
    assert made.effect == "Mark it stopped at the warehouse"
    assert f"Ask the warehouse to stop {misrouted.order_id} first" in made.says
    assert act(case, "cancel-warehouse", kofi).resolved


def test_one_that_was_sent_after_the_preview_is_shown_anew(misrouted, entity):
    kofi = person(Role.OPS, entity)
    (case,) = cases(entity, "order.misrouted-fba")
    action, data, made = planned(case, "cancel-warehouse", kofi)
    Command.objects.filter(target="warehouse").update(state="sent")
    with pytest.raises(PlanChanged):
        perform(case=case, action=action, actor=kofi, data=data, digest=made.digest)


def test_it_clears_by_itself_when_the_order_is_ours_again(misrouted, source, entity):
    assert cases(entity, "order.misrouted-fba")
    take(source, record(1, lastUpdatedTime="2026-11-20T13:00:00Z"))
    assert not cases(entity, "order.misrouted-fba")
    assert Order.objects.get().route == Route.SHIP
    assert Command.objects.filter(target="warehouse").count() == 1
