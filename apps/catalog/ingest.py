"""The feed of Amazon's listings: what is known of each SKU, and who ships it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from django.db import connection as database

from apps.catalog.listings import Key
from apps.catalog.records import Odd, Seen, read
from apps.integrations.contract import Page
from apps.integrations.feeds import Feed, Stored, Unreadable, register_feed
from apps.integrations.models import Connection, Source, StoredFile

NAME = "amazon.listings"
COLUMNS = ("marketplace", "sku", "channel", "asin", "fnsku", "ean", "title", "picture")

# The FNSKU is filled and not replaced: the units in stock bear it, and their feed knows better.
UPSERT = f"""
INSERT INTO catalog_listing AS known (connection_id, {", ".join(COLUMNS)})
SELECT %(connection)s, {", ".join(f"seen.{name}" for name in COLUMNS)}
FROM unnest({", ".join(f"%({name})s::text[]" for name in COLUMNS)}) AS seen ({", ".join(COLUMNS)})
ON CONFLICT ON CONSTRAINT one_listing_per_sku DO UPDATE SET
    channel = EXCLUDED.channel,
    asin = COALESCE(NULLIF(EXCLUDED.asin, ''), known.asin),
    fnsku = COALESCE(NULLIF(known.fnsku, ''), EXCLUDED.fnsku),
    ean = COALESCE(NULLIF(EXCLUDED.ean, ''), known.ean),
    title = COALESCE(NULLIF(EXCLUDED.title, ''), known.title),
    picture = COALESCE(NULLIF(EXCLUDED.picture, ''), known.picture),
    changed_at = statement_timestamp()
WHERE known.channel <> EXCLUDED.channel
   OR EXCLUDED.asin NOT IN ('', known.asin)
   OR known.fnsku = '' AND EXCLUDED.fnsku <> ''
   OR EXCLUDED.ean NOT IN ('', known.ean)
   OR EXCLUDED.title NOT IN ('', known.title)
   OR EXCLUDED.picture NOT IN ('', known.picture)
RETURNING known.xmax = 0
"""


def store(source: Source, page: Page, files: Sequence[StoredFile]) -> Stored:
    """Write what a page says of its listings. What it does not say stays known; who ships is always as it says."""
    stored = Stored()
    seen: dict[Key, Seen] = {}
    for record in page.records:
        try:
            listing = read(record.data)
        except Odd as odd:
            stored.unreadable.append(Unreadable(key=record.key, raw=record.data, words=str(odd)))
            continue
        if earlier := seen.get((listing.marketplace, listing.sku)):  # a scan that goes on by date names some twice
            stored.unchanged += earlier == listing
            stored.changed += earlier != listing
        seen[listing.marketplace, listing.sku] = listing
    if seen:
        written = _write(source.connection_id, [seen[key] for key in sorted(seen)])
        stored.added += written.count(True)
        stored.changed += written.count(False)
        stored.unchanged += len(seen) - len(written)
    return stored


def _write(connection: int, listings: list[Seen]) -> list[bool]:
    """Of each listing that was written, whether it is new."""
    rows = [asdict(listing) for listing in listings]
    with database.cursor() as cursor:
        cursor.execute(UPSERT, {"connection": connection} | {name: [row[name] for row in rows] for name in COLUMNS})
        return [new for (new,) in cursor.fetchall()]


register_feed(
    Feed(
        name=NAME,
        title="Listings",
        kind=Connection.Kind.AMAZON,
        every=timedelta(hours=6),
        quiet_after=timedelta(days=1),
        store=store,
        opens=("stock.partition-violation",),
    )
)
