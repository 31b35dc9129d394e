"""Late, held and refused orders: what is one cause, what it is worth, and what operations can do about it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.catalog.models import Item, Listing, MappingPart, SkuMapping
from apps.core.models import AuditEntry, Entity
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import find_action, perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations.models import Command
from apps.orders.models import OrderItem
from tests.factories import EntityFactory, person
from tests.work.test_rejected_orders import order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def entity() -> Entity:
    return EntityFactory(zone="Europe/London")


@pytest.fixture
def kofi(entity):
    return person(Role.OPS, entity, name="Kofi Mensah")


def cases(entity, code: str) -> list[Case]:
    sweep(code, Scope(entity=entity))
    return list(Case.objects.live().filter(type=code).order_by("subject"))


def act(case: Case, name: str, actor, reason="Because"):
    action = find_action(case, name)
    _, made = plan(case=case, action=action, actor=actor, data={"reason": reason})
    return perform(case=case, action=action, actor=actor, data={"reason": reason}, digest=made.digest)


def waits_for(listing: Listing, order) -> None:
    OrderItem.objects.create(order=order, item_id=f"{order.pk}-{listing.sku}", listing=listing, quantity=1)


def test_late_orders_of_one_day_are_one_case_worth_what_they_cost(entity):
    soon = timezone.now().replace(minute=0) + timedelta(hours=1)
    for total in ("10.00", "20.50"):
        order(entity, ship_by=soon, total=Decimal(total))
    order(entity, ship_by=soon, total=None, currency="")
    order(entity, ship_by=soon + timedelta(days=3))
    order(entity, ship_by=soon, route="held", holds=["sku"])
    (case,) = cases(entity, "order.late-ship")
    assert (case.lines, case.stake, case.due_at) == (3, Decimal("30.50"), soon)


def test_an_order_below_zero_stakes_nothing_and_stops_no_sweep(entity):
    order(entity, ship_by=timezone.now() + timedelta(hours=1), total=Decimal("-5.00"))
    (case,) = cases(entity, "order.late-ship")
    assert (case.lines, case.stake) == (1, Decimal(0))


def test_held_orders_are_one_case_for_each_sku_that_they_wait_for(entity):
    soon = timezone.now() + timedelta(hours=1)
    tray, mug = (order(entity, ship_by=soon, route="held", holds=["sku"]) for _ in range(2))
    shop = {"connection": tray.connection, "marketplace": "A1F83G8C2ARO7P"}
    listings = [Listing.objects.create(sku=sku, **shop) for sku in ("TRAY", "MUG", "KNOWN")]
    tom = person(Role.ECOMMERCE, entity)
    known = SkuMapping.objects.create(listing=listings[2], period=("2020-01-01", None), source="person", made_by=tom)
    MappingPart.objects.create(mapping=known, item=Item.objects.create(entity=entity, code="1", title="Known"))
    waits_for(listings[0], tray)
    waits_for(listings[2], tray)
    waits_for(listings[1], mug)
    order(entity, ship_by=soon, route="held", holds=["channel"], channel="")
    found = cases(entity, "order.held")
    assert sorted((case.kind.headline(case), case.lines) for case in found) == [
        ("1 order near ship-by waits for an item for MUG", 1),
        ("1 order near ship-by waits for an item for TRAY", 1),
        ("1 order near ship-by waits for who ships", 1),
    ]


def test_chasing_stands_on_the_other_teams_case(entity, kofi):
    late = order(entity, ship_by=timezone.now() + timedelta(hours=1), route="held", holds=["channel"], channel="")
    (case,) = cases(entity, "order.held")
    other = Case.objects.create(
        type="order.channel-unknown", entity=entity, subject="x", team="ecommerce", holds_back=True, diagnosis="structural",
        currency="GBP", due_at=timezone.now(), score=1,
    )  # fmt: skip
    assert act(case, "chase", kofi, "The courier leaves at four").words == f"Asked on case {other.pk}."
    asked = AuditEntry.objects.get(verb="case.chased")
    assert (asked.subject, asked.reason) == (other.audit_subject, "The courier leaves at four")
    assert late.order_id in case.facts["orders"]


def refused(entity) -> Command:
    found = order(entity, ship_by=timezone.now() + timedelta(days=9))
    return Command.objects.create(
        entity=entity, target="warehouse", kind="ship-order", key=f"ship:{found.pk}", subject=f"order:{found.pk}",
        state="refused", words="No such postcode.",
    )  # fmt: skip


@pytest.mark.parametrize(("action", "state"), [("send-again", "waiting"), ("give-up", "cancelled")])
def test_a_refused_order_is_sent_again_with_its_key_or_not_at_all(entity, kofi, action, state):
    command = refused(entity)
    (case,) = cases(entity, "order.rejected")
    assert case.kind.headline(case).endswith(": No such postcode")
    assert act(case, action, kofi).resolved
    command.refresh_from_db()
    assert (command.state, Command.objects.count()) == (state, 1)
