"""Scans of Amazon's stock as a run brings them: pages stored one by one, in the shape of Amazon's own model."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.catalog.models import Listing
from apps.core.models import Entity
from apps.integrations.contract import Page, Record
from apps.integrations.feeds import FEEDS, Stored
from apps.integrations.models import Connection, Job, JobState, Source, SyncRun
from apps.inventory.models import FEED, Snapshot
from tests.factories import ConnectionFactory

UK, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"


def amazon(entity: Entity | None = None, marketplaces: Iterable[str] = (UK,), **values) -> Connection:
    """A seller account with its stock feed."""
    owned = {"entity": entity} if entity else {}
    place = ConnectionFactory(kind=Connection.Kind.AMAZON, marketplaces=list(marketplaces), **owned, **values)
    Source.objects.create(connection=place, feed=FEED, every=timedelta(minutes=15))
    return place


def summary(sku: str, fulfillable: int | None = 10, **said: Any) -> dict[str, Any]:
    """An InventorySummary whose identities hold. `said` are words of rules.Quantities, or Amazon's own on the top level."""
    units = dict.fromkeys(
        ("pending", "moving", "processing", "damaged", "defective", "looked_for", "working", "shipped", "receiving"), 0
    )
    units |= {name: said.pop(name) for name in list(said) if name in units}
    return {
        "asin": "B0BRACKEN1",
        "fnSku": f"X00{sku}"[:20],
        "sellerSku": sku,
        "condition": "NewItem",
        "productName": f"{sku}, made up",
        "lastUpdatedTime": "2026-11-12T09:31:00Z",
        "totalQuantity": None,
        "inventoryDetails": {
            "fulfillableQuantity": fulfillable,
            "inboundWorkingQuantity": units["working"],
            "inboundShippedQuantity": units["shipped"],
            "inboundReceivingQuantity": units["receiving"],
            "reservedQuantity": {
                "totalReservedQuantity": units["pending"] + units["moving"] + units["processing"],
                "pendingCustomerOrderQuantity": units["pending"],
                "pendingTransshipmentQuantity": units["moving"],
                "fcProcessingQuantity": units["processing"],
            },
            "researchingQuantity": {
                "totalResearchingQuantity": units["looked_for"],
                "researchingQuantityBreakdown": [
                    {"name": "researchingQuantityInShortTerm", "quantity": units["looked_for"]},
                    {"name": "researchingQuantityInMidTerm", "quantity": 0},
                    {"name": "researchingQuantityInLongTerm", "quantity": 0},
                ],
            },
            "unfulfillableQuantity": {
                "totalUnfulfillableQuantity": units["damaged"] + units["defective"],
                "customerDamagedQuantity": units["damaged"],
                "warehouseDamagedQuantity": 0,
                "distributorDamagedQuantity": 0,
                "carrierDamagedQuantity": 0,
                "defectiveQuantity": units["defective"],
                "expiredQuantity": 0,
            },
        },
    } | said


def running(place: Connection) -> SyncRun:
    """A run of the stock feed that a worker has."""
    source = place.sources.get(feed=FEED)
    job = Job.objects.create(
        kind="integrations.sync", entity=place.entity, state=JobState.RUNNING, attempts_made=1,
        lease_until=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    return SyncRun.objects.create(source=source, job=job)


def ended(run: SyncRun) -> None:
    Job.objects.filter(pk=run.job_id).update(state=JobState.DONE, lease_until=None)
    SyncRun.objects.filter(pk=run.pk).update(ended_at=timezone.now())


def page(run: SyncRun, *summaries: dict[str, Any], last: bool = False, marketplace: str = UK) -> Stored:
    """One page stored as the runner does."""
    records = [
        Record.of(f"{each.get('marketplace', marketplace)}/{each.get('sellerSku', '#0')}", each) for each in summaries
    ]
    with transaction.atomic():
        told = Page(records=records, cursor={}, asked_at=timezone.now() if last else None)
        stored = FEEDS[FEED].store(run.source, told, [])
        if last:
            Source.objects.filter(pk=run.source_id).update(proven_at=told.asked_at)
        return stored


def scan(place: Connection, *summaries: dict[str, Any], marketplace: str = UK) -> Stored:
    """A whole scan in one page, and what follows it."""
    run = running(place)
    stored = page(run, *summaries, last=True, marketplace=marketplace)
    ended(run)
    FEEDS[FEED].after(run.source)
    return stored


def aged(place: Connection, **ago: float) -> None:
    """As if what counts had been scanned so long ago."""
    began = timezone.now() - timedelta(**ago)
    Snapshot.objects.current().filter(connection=place).update(began_at=began, complete_at=began)


def listing(place: Connection, sku: str, marketplace: str = UK) -> Listing:
    return Listing.objects.get(connection=place, marketplace=marketplace, sku=sku)
