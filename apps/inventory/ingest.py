"""What Amazon holds, page by page: a full scan becomes a snapshot, which counts from the moment that it is complete."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from apps.catalog.listings import Key, listings_for
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Scope
from apps.integrations.contract import Page, Record
from apps.integrations.feeds import Feed, Stored, Unreadable, register_feed
from apps.integrations.models import Connection, JobState, Source, StoredFile, SyncRun
from apps.inventory.models import FEED, QUANTITIES, Level, Snapshot

WRITTEN = ("fnsku", "condition", *QUANTITIES, "last_updated")
MOST = 2**31 - 1

# Amazon's names (fbaInventory v1) of the quantities, by where they stand below inventoryDetails.
PLACES: dict[str, tuple[str, ...]] = {
    "fulfillable": ("fulfillableQuantity",),
    "pending_customer_orders": ("reservedQuantity", "pendingCustomerOrderQuantity"),
    "pending_transshipment": ("reservedQuantity", "pendingTransshipmentQuantity"),
    "fc_processing": ("reservedQuantity", "fcProcessingQuantity"),
    "reserved": ("reservedQuantity", "totalReservedQuantity"),
    "unfulfillable": ("unfulfillableQuantity", "totalUnfulfillableQuantity"),
    "customer_damaged": ("unfulfillableQuantity", "customerDamagedQuantity"),
    "warehouse_damaged": ("unfulfillableQuantity", "warehouseDamagedQuantity"),
    "distributor_damaged": ("unfulfillableQuantity", "distributorDamagedQuantity"),
    "carrier_damaged": ("unfulfillableQuantity", "carrierDamagedQuantity"),
    "defective": ("unfulfillableQuantity", "defectiveQuantity"),
    "expired": ("unfulfillableQuantity", "expiredQuantity"),
    "researching": ("researchingQuantity", "totalResearchingQuantity"),
    "inbound_working": ("inboundWorkingQuantity",),
    "inbound_shipped": ("inboundShippedQuantity",),
    "inbound_receiving": ("inboundReceivingQuantity",),
    "future_supply_reserved": ("futureSupplyQuantity", "reservedFutureSupplyQuantity"),
    "future_supply_buyable": ("futureSupplyQuantity", "futureSupplyBuyableQuantity"),
}
RESEARCH = {
    "researchingQuantityInShortTerm": "researching_short",
    "researchingQuantityInMidTerm": "researching_mid",
    "researchingQuantityInLongTerm": "researching_long",
}
TYPES = ("stock.snapshot-stale", "stock.identity-break", "stock.partition-violation")


LONGEST = {"sellerSku": 120, "fnSku": 20, "condition": 40}


class Odd(ValueError):
    """A record that is not an InventorySummary. Its words name the field and what was expected."""


def store(source: Source, page: Page, files: Sequence[StoredFile]) -> Stored:
    """Write a page into the running snapshots; a page with `asked_at` is the last one of its scan and completes them."""
    stored, read, legible = Stored(), {}, set()
    for record in page.records:
        try:
            key = _key(record)
            read.setdefault(key, ("", "", Level()))  # there, with figures that nobody knows, until they can be read
            read[key] = _text(record.data, "asin"), _title(record.data), _level(record.data)
            legible.add(key)
        except Odd as odd:
            stored.unreadable.append(Unreadable(key=record.key, raw=record.data, words=str(odd)))
    snapshots = _snapshots(source, {marketplace for marketplace, _ in read}, whole=page.asked_at is not None)
    if counts := {key: said for key, said in read.items() if key[0] in snapshots}:
        _write(source.connection, snapshots, counts, legible, stored)
    stored.unchanged += len(page.records) - stored.seen  # twice on the page, or in no snapshot
    if page.asked_at is not None:
        _complete(source.connection, snapshots.values())
    return stored


def _write(
    place: Connection,
    snapshots: dict[str, Snapshot],
    read: dict[Key, tuple[str, str, Level]],
    legible: set[Key],
    stored: Stored,
) -> None:
    """One statement for the page's levels; those that could be read are compared with what counts until now, or with what
    this run has brought already: a scan that begins again adds nothing a second time.
    """
    listings = listings_for(place, [(*key, asin, title) for key, (asin, title, _) in read.items()])
    known = Q(snapshot__current=True) | Q(snapshot__run__in={snapshot.run_id for snapshot in snapshots.values()})
    counted = Level.objects.filter(known, listing__in=listings.values()).order_by("snapshot_id")  # the last one counts
    was = {listing: figures for listing, *figures in counted.values_list("listing_id", *WRITTEN)}
    for key, (_, _, level) in read.items():
        level.snapshot, level.listing_id = snapshots[key[0]], listings[key]
        figures = [getattr(level, name) for name in WRITTEN]
        if key not in legible:
            continue
        if level.listing_id not in was:
            stored.added += 1
        elif was[level.listing_id] == figures:
            stored.unchanged += 1
        else:
            stored.changed += 1
    levels = [level for _, _, level in read.values()]
    Level.objects.bulk_create(
        levels, update_conflicts=True, unique_fields=["snapshot", "listing"], update_fields=list(WRITTEN)
    )
    _name_units(levels)


def _name_units(levels: list[Level]) -> None:
    """A listing carries the FNSKU that its units bear: no other feed says it."""
    named = [(level.listing_id, level.fnsku) for level in levels if level.fnsku]
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE catalog_listing SET fnsku = said.fnsku, changed_at = statement_timestamp()
            FROM unnest(%s::bigint[], %s::text[]) AS said (id, fnsku)
            WHERE catalog_listing.id = said.id AND catalog_listing.fnsku <> said.fnsku
            """,
            [[listing for listing, _ in named], [fnsku for _, fnsku in named]],
        )


def _snapshots(source: Source, marketplaces: set[str], *, whole: bool) -> dict[str, Snapshot]:
    """The running snapshot of each marketplace, begun if this is its first page. A whole scan has one of every marketplace
    of the connection: where Amazon named no SKU, it is empty.

    A record that is read again by itself, while no scan runs, goes into what counts now; if nothing does, the next scan
    brings it.
    """
    place = source.connection
    run = SyncRun.objects.select_related("job").filter(source=source, ended_at=None, job__state=JobState.RUNNING).first()
    if run is None:
        return {snapshot.marketplace: snapshot for snapshot in Snapshot.objects.current().filter(connection=place)}
    running = Snapshot.objects.filter(run=run, attempt=run.job.attempts_made)
    begun = {snapshot.marketplace: snapshot for snapshot in running}
    if missing := (marketplaces | (set(place.marketplaces) if whole else set())) - begun.keys():
        Snapshot.objects.bulk_create(
            Snapshot(connection=place, marketplace=marketplace, run=run, attempt=run.job.attempts_made)
            for marketplace in sorted(missing)
        )
        begun = {snapshot.marketplace: snapshot for snapshot in running.all()}
    return begun


def _complete(place: Connection, snapshots: Collection[Snapshot]) -> None:
    """From here on these count, and no other of the connection: a marketplace that it left is not scanned any more."""
    scanned = [snapshot.pk for snapshot in snapshots]
    Snapshot.objects.current().filter(connection=place).exclude(pk__in=scanned).update(current=False)
    Snapshot.objects.filter(pk__in=scanned).update(current=True, complete_at=Now())


def leave(source: Source) -> None:
    """What was scanned in a marketplace that the connection does not bring any more counts no longer."""
    place = source.connection
    Snapshot.objects.current().filter(connection=place).exclude(marketplace__in=place.marketplaces).update(current=False)


def check(source: Source) -> None:
    """After a scan: what it shows about stale snapshots, broken identities and flipped listings."""
    entity = source.connection.entity
    sweep_each({code: Scope(entity=entity) for code in TYPES})


def _key(record: Record) -> Key:
    """Marketplace and SKU."""
    if not isinstance(record.data, dict):
        raise Odd(f"expected an object, found {_said(record.data)}.")
    sku = _text(record.data, "sellerSku")
    if not sku:
        raise Odd("sellerSku: expected the SKU that the record is about, found nothing.")
    return record.key.partition("/")[0], sku


def _level(data: dict[str, Any]) -> Level:
    """The record's figures, as they stand. Raises Odd."""
    details = _object(data, "inventoryDetails", "inventoryDetails")
    level = Level(
        fnsku=_text(data, "fnSku"),
        condition=_text(data, "condition"),
        total=_units(data.get("totalQuantity"), "totalQuantity"),
        last_updated=_instant(data.get("lastUpdatedTime")),
    )
    for name, (*above, last) in PLACES.items():
        inside = _object(details, above[0], f"inventoryDetails.{above[0]}") if above else details
        setattr(level, name, _units(inside.get(last), ".".join(("inventoryDetails", *above, last))))
    for name, units in _research(details).items():
        setattr(level, name, units)
    return level


def _research(details: dict[str, Any]) -> dict[str, int | None]:
    """{researching_short: 3, ...}: Amazon sends a list of names and quantities."""
    where = "inventoryDetails.researchingQuantity.researchingQuantityBreakdown"
    told = _object(details, "researchingQuantity", "inventoryDetails.researchingQuantity")
    entries = told.get("researchingQuantityBreakdown")
    if entries is None:
        return {}
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Odd(f"{where}: expected a list of objects, found {_said(entries)}.")
    found = {}
    for entry in entries:
        name = entry.get("name")
        if name not in RESEARCH:
            raise Odd(f"{where}: expected one of {', '.join(RESEARCH)}, found {_said(name)}.")
        found[RESEARCH[name]] = _units(entry.get("quantity"), f"{where}.{name}")
    return found


def _object(data: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found = data.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Odd(f"{where}: expected an object, found {_said(found)}.")
    return found


def _units(figure: Any, where: str) -> int | None:
    if figure is None:
        return None
    if isinstance(figure, bool) or not isinstance(figure, int) or not 0 <= figure <= MOST:
        raise Odd(f"{where}: expected a whole number of units, found {_said(figure)}.")
    return figure


def _text(data: dict[str, Any], name: str) -> str:
    found = data.get(name)
    if found is None:
        return ""
    longest = LONGEST.get(name)
    if not isinstance(found, str) or not found.isprintable() or (longest and len(found) > longest):
        bound = f" of at most {longest} characters" if longest else ""
        raise Odd(f"{name}: expected text{bound}, found {_said(found)}.")
    return found


def _title(data: dict[str, Any]) -> str:
    """People's text: what a database cannot hold of it is dropped, which is no reason to lose the figures."""
    found = data.get("productName")
    return "".join(sign for sign in found if sign.isprintable()) if isinstance(found, str) else ""


def _instant(text: Any) -> datetime | None:
    """Amazon writes it empty where nothing was ever updated."""
    if text in (None, ""):
        return None
    try:
        found = parse_datetime(text)
    except (TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:
        raise Odd(f"lastUpdatedTime: expected an instant such as 2026-11-12T09:31:00Z, found {_said(text)}.")
    return found


def _said(found: Any) -> str:
    return "nothing" if found is None else repr(found)[:60]


FBA_INVENTORY = register_feed(
    Feed(
        name=FEED,
        title="Stock at Amazon",
        kind=Connection.Kind.AMAZON,
        every=timedelta(minutes=15),
        quiet_after=timedelta(hours=2),
        store=store,
        after=check,
        moved=leave,
        opens=("stock.snapshot-stale", "stock.identity-break"),
    )
)
