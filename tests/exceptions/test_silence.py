"""Which types need proof from a feed before a case of theirs ends, and which end by our own rows alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.models import Entity
from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import dismiss
from apps.exceptions.sweep import sweep
from apps.exceptions.types import REGISTRY, Scope
from apps.integrations.feeds import FEEDS
from apps.integrations.models import Source
from apps.inventory.models import Level
from apps.orders.models import Order
from tests.exceptions.cases_by_type import OPENS_AND_CLEARS
from tests.factories import ConnectionFactory, EntityFactory, person

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timedelta(days=2)


def _shipped(entity: Entity) -> None:
    Order.objects.filter(entity=entity).update(status="SHIPPED")


def _figures_gone(entity: Entity) -> None:
    Level.objects.filter(listing__connection__entity=entity).delete()


def _counts_for_longer(entity: Entity) -> None:
    Source.objects.filter(connection__entity=entity).update(every=timedelta(days=1))


NEEDS: dict[str, tuple[str, Callable[[Entity], None]]] = {
    "order.late-ship": ("amazon.orders", _shipped),
    "stock.identity-break": ("amazon.fba-inventory", _figures_gone),
    "stock.snapshot-stale": ("amazon.fba-inventory", _counts_for_longer),
}
"""{type: the feed in which its truth lies, what ends the findings without that feed having told us everything}"""
OF_FEEDS = {"feed.stale", "feed.failing", "connection.unauthorised", "api.throttled", "api.unavailable"}


def silence(entity: Entity, feed: str, **values) -> Source:
    """The feed of the company's connection has proven nothing for long."""
    place = entity.connections.first() or ConnectionFactory(entity=entity)
    told = {"proven_at": timezone.now() - LONG_AGO} | values
    source, _ = Source.objects.update_or_create(
        connection=place, feed=feed, defaults=told, create_defaults=told | {"every": FEEDS[feed].every}
    )
    return source


def opened(entity: Entity, cause: str) -> Case:
    """The case of a cause of `cases_by_type`, whose first word is its type."""
    OPENS_AND_CLEARS[cause][0](entity)
    code = cause.split()[0]
    sweep(code, Scope(entity=entity))
    return Case.objects.live().get(entity=entity, type=code)


def is_live(case: Case) -> bool:
    sweep(case.type, Scope(entity=case.entity))
    return Case.objects.live().filter(pk=case.pk).exists()


def page(case: Case) -> str:
    client = Client()
    client.force_login(person(Role.VIEWER, case.entity))
    return " ".join(client.get(f"/cases/{case.pk}/").content.decode().split())


@pytest.mark.parametrize("code", NEEDS)
def test_it_stays_while_its_feed_is_silent_says_so_and_ends_with_proof(code):
    feed, disappears = NEEDS[code]
    case = opened(EntityFactory(zone="UTC"), code)
    source = silence(case.entity, feed)
    disappears(case.entity)
    assert is_live(case)
    since = f"silent since {source.proven_at.day} {source.proven_at:%b %H:%M}"
    shown = page(case)
    assert "It cannot be confirmed as over." in shown
    assert f"The feed “{FEEDS[feed].title}” of {source.connection} is {since}." in shown
    Source.objects.filter(pk=source.pk).update(proven_at=timezone.now())
    assert "It cannot be confirmed as over." not in page(case)
    assert not is_live(case)


def test_it_says_that_the_feed_is_paused_or_has_never_proven_anything():
    case = opened(EntityFactory(), "order.late-ship")
    silence(case.entity, "amazon.orders", paused=True)
    assert ": it is paused." in page(case)
    silence(case.entity, "amazon.orders", proven_at=None, paused=False)
    assert "has proven nothing yet." in page(case)
    assert is_live(case)


def test_the_silence_of_another_account_keeps_no_case_open():
    entity = EntityFactory()
    ConnectionFactory(entity=entity, pk=70_001)
    case = opened(entity, "order.late-ship")
    assert case.subject.startswith("70001:")
    silence(entity, "amazon.orders", proven_at=timezone.now())
    other = ConnectionFactory(entity=entity, pk=7_000)  # with its digits that of the case begins
    Source.objects.create(connection=other, feed="amazon.orders", every=timedelta(minutes=15), paused=True)
    _shipped(case.entity)
    assert "It cannot be confirmed as over." not in page(case)
    assert not is_live(case)


def test_a_dismissal_outlasts_the_silence():
    case = opened(EntityFactory(), "stock.identity-break")
    dismiss(case=case, actor=person(Role.ECOMMERCE, case.entity), reason="Known to Amazon")
    source = silence(case.entity, "amazon.fba-inventory")
    levels = list(Level.objects.filter(listing__connection__entity=case.entity))
    _figures_gone(case.entity)
    sweep(case.type, Scope(entity=case.entity))
    Level.objects.bulk_create(levels)
    Source.objects.filter(pk=source.pk).update(proven_at=timezone.now())
    sweep(case.type, Scope(entity=case.entity))
    assert not Case.objects.live().filter(entity=case.entity, type=case.type).exists()


@pytest.mark.parametrize("cause", [each for each in OPENS_AND_CLEARS if each not in NEEDS and each not in OF_FEEDS])
def test_what_our_own_rows_end_ends_at_once_though_every_feed_is_silent(cause):
    """A mapping, a decision, a corrected file: a person's act waits for no feed."""
    case = opened(EntityFactory(), cause)
    for feed in FEEDS:
        silence(case.entity, feed)
    OPENS_AND_CLEARS[cause][1](case.entity)
    assert not is_live(case)


def test_each_type_that_doubts_is_named_here():
    entity = EntityFactory()
    for feed in FEEDS:
        silence(entity, feed)
    assert {code for code, kind in REGISTRY.items() if kind.doubts(entity)} == NEEDS.keys()
