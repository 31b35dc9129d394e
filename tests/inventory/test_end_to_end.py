"""Stock from the stand-in for Amazon over real HTTP, to the page that ecommerce reads."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.core.permissions import Role
from apps.exceptions.models import Case
from apps.exceptions.operations import perform, plan
from apps.exceptions.sweep import sweep
from apps.exceptions.types import Scope
from apps.integrations import operations, runs
from apps.integrations.models import Connection, Job, Source, SyncRun
from apps.inventory.exception_types.pulling import PULL_AGAIN
from apps.inventory.models import FEED, Level, Snapshot
from apps.sandbox.inventory import BARE, BROKEN, FIRST
from tests.console.conftest import signed_in
from tests.factories import EntityFactory, person
from tests.inventory.scans import UK, aged

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source(sandbox, settings) -> Source:
    settings.SANDBOX_URL = sandbox.url
    connection = operations.connect(
        entity=EntityFactory(name="Brackenfold Home Ltd"),
        name="Brackenfold at Amazon",
        kind=Connection.Kind.AMAZON,
        region="sandbox",
        credentials=sandbox.credentials,
        account=sandbox.account,
        actor=None,
    )
    return connection.sources.get(feed=FEED)


def counting(source: Source) -> dict[tuple[str, str], tuple[int | None, int | None, int | None]]:
    """{(marketplace, SKU): pickable, reserved, unsellable} as they count now."""
    levels = Level.objects.current().filter(snapshot__connection=source.connection)
    return {
        (marketplace, sku): tuple(figures)
        for marketplace, sku, *figures in levels.values_list(
            "snapshot__marketplace", "listing__sku", "fulfillable", "reserved", "unfulfillable"
        )
    }


def text(response) -> str:
    body = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body[body.index("<main") :]))


def test_every_sku_of_every_marketplace_reaches_the_page(source, sandbox):
    run = runs.run_here(source)
    assert (run.verdict, run.unreadable) == ("", 0)
    here = counting(source)
    assert len(here) == run.added and run.pages > len(sandbox.marketplaces)
    assert {marketplace for marketplace, _ in here} == set(sandbox.marketplaces)
    assert here[UK, FIRST] == (236, 51, 13)
    assert here[UK, BARE] == (None, None, None)
    client = signed_in(person(Role.ECOMMERCE, source.connection.entity))
    first = Level.objects.current().get(listing__sku=FIRST, listing__marketplace=UK)
    told = text(client.get(reverse("stock_listing", args=[first.listing_id])))
    assert f"236 of {FIRST} may be sold elsewhere, of 236 that can be picked" in told
    assert "Amazon, on hand can be picked, reserved and unsellable 300" in told
    broken = Case.objects.live().filter(entity=source.connection.entity, type="stock.identity-break")
    assert broken.exists() and all(case.facts["skus"] == [BROKEN] for case in broken)
    assert all(each["said"] == each["summed"] + 3 for case in broken for each in case.facts["breaks"])


def test_hours_later_the_page_says_what_moved(source, sandbox):
    runs.run_here(source)
    before = counting(source)
    sandbox.advance(9 * 3600)
    run = runs.run_here(source)
    now = counting(source)
    assert run.changed and run.added + run.changed + run.unchanged == len(now)
    assert now != before
    assert Snapshot.objects.current().count() == len(sandbox.marketplaces)
    client = signed_in(person(Role.ECOMMERCE, source.connection.entity))
    moved = next(key for key in before if None not in before[key] and now[key] != before[key])
    level = Level.objects.current().get(listing__marketplace=moved[0], listing__sku=moved[1])
    told = text(client.get(reverse("stock_listing", args=[level.listing_id])))
    assert "Since the scan before" in told and "Nothing moved" not in told


def test_a_scan_that_breaks_off_leaves_the_one_before(source, sandbox):
    runs.run_here(source)
    before = counting(source)
    sandbox.advance(9 * 3600)
    asked = len(sandbox.log("getInventorySummaries"))
    sandbox.fault("getInventorySummaries", "503-html", times=None)
    run = runs.run_here(source)
    assert run.verdict == "transient" and len(sandbox.log("getInventorySummaries")) > asked
    assert counting(source) == before
    sandbox.clear()
    Job.objects.filter(pk=run.job_id).update(not_before=timezone.now())
    runs.run_here(source)
    assert counting(source) != before
    assert Snapshot.objects.current().count() == len(sandbox.marketplaces)


def test_a_stale_snapshot_is_pulled_again_from_its_case(source):
    runs.run_here(source)
    entity = source.connection.entity
    aged(source.connection, hours=3)
    sweep("stock.snapshot-stale", Scope(entity=entity))
    case = Case.objects.live().get(entity=entity, type="stock.snapshot-stale")
    assert case.kind.headline(case) == "What Amazon holds for Brackenfold at Amazon was last counted 3 h 0 m ago"
    keeper = person(Role.ECOMMERCE, entity)
    _, planned = plan(case=case, action=PULL_AGAIN, actor=keeper, data={})
    outcome = perform(case=case, action=PULL_AGAIN, actor=keeper, data={}, digest=planned.digest)
    run = SyncRun.objects.get(source=source, ended_at=None)
    assert outcome.words == f"Run {run.pk} scans Brackenfold at Amazon."
    runs.run_here(source)
    case.refresh_from_db()
    assert case.state == "cleared"
