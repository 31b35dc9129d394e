"""Changing the marketplaces of a connection: what is read anew, what ends, and what stays."""

import pytest

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry
from apps.core.permissions import Role
from apps.integrations import jobs, operations, runs
from apps.integrations.connectors.amazon import AmazonSeller
from apps.integrations.connectors.amazon.instants import now, read
from apps.integrations.connectors.amazon.orders import FIRST
from apps.integrations.models import Connection, Job, JobState, SyncRun
from apps.orders.models import Order
from tests.factories import ConnectionFactory, EntityFactory, person
from tests.integrations.things import EVERY, FEED, things

pytestmark = pytest.mark.django_db(transaction=True)
UK, DE, FR, US = "A1F83G8C2ARO7P", "A1PA6795UKMFR9", "A13V1IB3VIYZZH", "ATVPDKIKX0DER"
EUROPE = "https://sellingpartnerapi-eu.amazon.com"


@pytest.fixture
def admin(entity):
    return person(Role.ADMIN, entity)


@pytest.fixture
def place(entity) -> Connection:
    return ConnectionFactory(
        entity=entity, name="Europe", kind=Connection.Kind.AMAZON, account="A2X", endpoint=EUROPE, marketplaces=[UK, DE]
    )


def change(place: Connection, *marketplaces: str, actor) -> Connection:
    return operations.change_marketplaces(connection=place, marketplaces=marketplaces, actor=actor, reason="We sell there")


def test_the_list_changes_and_the_trail_says_who_and_why(place, admin):
    change(place, UK, FR, actor=admin)
    place.refresh_from_db()
    assert place.marketplaces == [UK, FR]
    entry = AuditEntry.objects.get(verb="connection.marketplaces-changed", subject=f"connection:{place.pk}")
    assert (entry.before, entry.after) == ({"marketplaces": [UK, DE]}, {"marketplaces": [UK, FR]})
    assert (entry.actor, entry.reason) == (admin, "We sell there")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([], "Choose the marketplaces"),
        ([UK, US], "Choose the marketplaces that the account sells in, of Europe"),
        ([DE, UK], "It brings these already"),
        ([UK, FR], "France only brings France of this account already"),
    ],
)
def test_what_cannot_be_is_refused_whole(place, admin, entity, chosen, words):
    ConnectionFactory(
        entity=entity, name="France only", kind=place.kind, account="A2X", endpoint=EUROPE, marketplaces=[FR]
    )
    with pytest.raises(Refused, match=words):
        change(place, *chosen, actor=admin)
    place.refresh_from_db()
    assert place.marketplaces == [UK, DE]


def test_only_admins_change_them(place, entity):
    with pytest.raises(NotAllowed):
        change(place, UK, actor=person(Role.OPS, entity))


def test_the_feeds_that_go_by_marketplaces_begin_anew_and_are_pulled_next(place, admin):
    halfway = {"since": "2026-11-20T00:00:00.000Z", "token": "next"}
    for name in ("amazon.orders", "amazon.fba-inventory", "amazon.listings", "amazon.settlements"):
        place.sources.create(feed=name, every=EVERY, cursor=halfway)
    change(place, UK, DE, FR, actor=admin)
    cursors = dict(place.sources.values_list("feed", "cursor"))
    assert cursors["amazon.orders"].keys() == {"since"}
    assert read(cursors["amazon.orders"]["since"]) <= now() - FIRST
    assert cursors["amazon.fba-inventory"] == cursors["amazon.listings"] == {}
    assert cursors["amazon.settlements"] == halfway  # of all marketplaces anyway
    asked = set(SyncRun.objects.values_list("source__feed", flat=True))
    assert asked == {"amazon.orders", "amazon.fba-inventory", "amazon.listings"}


@pytest.mark.parametrize("added", [True, False])
def test_a_feed_that_is_further_behind_than_a_first_run_looks_skips_nothing(place, added):
    behind = {"since": "2020-01-01T00:00:00.000Z", "token": "next"}
    assert AmazonSeller(place).moved("amazon.orders", behind, added=added) == {"since": "2020-01-01T00:00:00.000Z"}


def test_with_fewer_marketplaces_orders_go_on_where_they_are(place, admin):
    place.sources.create(feed="amazon.orders", every=EVERY, cursor={"since": "2026-11-20T00:00:00.000Z", "token": "next"})
    change(place, UK, actor=admin)
    assert place.sources.get().cursor == {"since": "2026-11-20T00:00:00.000Z"}


def test_a_paused_feed_begins_anew_and_stays_paused(place, admin):
    place.sources.create(feed="amazon.listings", every=EVERY, cursor={"done": [UK]}, paused=True)
    change(place, UK, FR, actor=admin)
    source = place.sources.get()
    assert (source.cursor, source.paused, SyncRun.objects.count()) == ({}, True, 0)


def test_a_run_that_is_under_way_ends_and_does_not_put_its_cursor_over_the_new_one(outside, place, admin, entity):
    source = place.sources.create(feed=FEED, every=EVERY)
    outside.before_page = lambda number: number == 1 and outside.asked == [0] and change(place, UK, FR, actor=admin)
    old = runs.run_here(source)
    source.refresh_from_db()
    assert (old.job.state, source.cursor) == (JobState.STOPPED, {})
    assert set(things(entity)) == {"a", "b"}
    newer = SyncRun.objects.latest("pk")
    assert newer != old and newer.ended_at is None
    jobs.run_here(newer.job)
    newer.refresh_from_db()
    assert (newer.verdict, newer.unchanged, newer.added) == ("", 2, 1)
    assert set(things(entity)) == {"a", "b", "c"}


def test_an_added_marketplace_is_read_from_its_beginning_and_what_is_known_comes_unchanged(sandbox, settings):
    settings.SANDBOX_URL = sandbox.url
    entity = EntityFactory()
    connection = operations.connect(
        entity=entity,
        name="Amazon",
        kind=Connection.Kind.AMAZON,
        region="sandbox",
        credentials=sandbox.credentials,
        account=sandbox.account,
        marketplaces=[UK],
        actor=None,
    )
    orders = connection.sources.get(feed="amazon.orders")
    first = runs.run_here(orders)
    known = Order.objects.filter(connection=connection).count()
    assert first.added == known > 0
    assert set(Order.objects.values_list("marketplace", flat=True)) == {UK}
    change(connection, UK, DE, actor=person(Role.ADMIN, entity))
    again = runs.run_here(orders)
    assert again.verdict == "" and again.unchanged == known
    assert again.added == Order.objects.filter(marketplace=DE).count() > 0
    assert Job.objects.filter(kind=runs.KIND, state=JobState.FAILED).count() == 0
