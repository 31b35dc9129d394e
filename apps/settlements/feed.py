"""Settlements that Amazon writes arrive by themselves: each report is stored raw and read by the same job as an upload."""

from collections.abc import Sequence
from datetime import timedelta

from apps.integrations.contract import Page
from apps.integrations.feeds import Feed, Stored, register_feed
from apps.integrations.jobs import enqueue
from apps.integrations.models import Connection, Source, StoredFile
from apps.settlements.models import READ_FILE


def store(source: Source, page: Page, files: Sequence[StoredFile]) -> Stored:
    """A report that was stored before, or uploaded by a person to this connection, has its job already."""
    known = {file.pk for file in files if file.jobs.filter(kind=READ_FILE).exists()}
    fresh = [file for file in files if file.pk not in known]
    for file in fresh:
        enqueue(kind=READ_FILE, entity=source.connection.entity, file=file)
    return Stored(added=len(fresh), unchanged=len(known))


SETTLEMENTS = register_feed(Feed(
    name="amazon.settlements",
    title="Amazon settlements",
    kind=Connection.Kind.AMAZON,
    every=timedelta(hours=1),
    quiet_after=timedelta(hours=6),
    store=store,
    opens=(
        "file.layout-unknown",
        "ledger.tax-code-unmapped",
        "settlement.changed",
        "settlement.column-unknown",
        "settlement.does-not-tie",
        "settlement.facilitator-not-zero",
        "settlement.fee-unmapped",
        "settlement.missing",
        "settlement.opening-balance",
        "settlement.order-unknown",
        "settlement.reserve-chain-broken",
    ),
    read_by=READ_FILE,
))  # fmt: skip
