"""amazon.orders: orders with their items, by when they last changed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from apps.integrations.connectors.amazon.clients import SEARCH_ORDERS, Session
from apps.integrations.connectors.amazon.instants import now, read, told, written
from apps.integrations.connectors.amazon.paging import FirstPageNotYet, pages
from apps.integrations.contract import Cursor, Page, Record, parsed
from apps.integrations.models import Connection

FIRST = timedelta(days=30)
OVERLAP = timedelta(minutes=2)
# Without FULFILLMENT nobody can tell Amazon's own deliveries from ours (amazon-api.md 2.3).
INCLUDED = "FULFILLMENT,PROCEEDS,BUYER,RECIPIENT,PACKAGES,CANCELLATION"


def pull(session: Session, connection: Connection, cursor: Cursor) -> Iterator[Page]:
    """Cursor: `since` is the instant up to which we were told everything; amid a run `token` names the next page and
    `until` the instant up to which this run will have told us everything."""
    since = read(cursor.get("since")) or now() - FIRST
    until, newest = read(cursor.get("until")), since
    paged = pages(
        session,
        SEARCH_ORDERS,
        token_name="paginationToken",
        token=cursor.get("token"),
        lastUpdatedAfter=written(since - OVERLAP),
        marketplaceIds=",".join(connection.marketplaces),
        includedData=INCLUDED,
        maxResultsPerPage=100,
    )
    try:
        for answer, token in paged:
            found = [_record(place, raw) for place, raw in enumerate(answer.body["orders"])]
            # The first page's: what changes while we read the others may be on none of them.
            until = until or told(answer, "lastUpdatedBefore")
            if until is None:
                newest = max([newest, *_changes(found)])
            if token:
                amid = {"since": written(since), "token": token} | ({"until": written(until)} if until else {})
                yield Page(records=found, cursor=amid)
            else:
                yield Page(records=found, cursor={"since": written(until or newest)}, asked_at=until)
    except FirstPageNotYet:
        yield Page(records=[], cursor={"since": written(since)})  # else the next attempt's call goes to the old token again
        raise


def moved(cursor: Cursor, *, added: bool) -> Cursor:
    """With a marketplace more, as far back as a first run reads, or further where we are behind; with fewer, where we are. A
    token belongs to the marketplaces that it was asked with.
    """
    since = read(cursor.get("since"))
    if since and added:
        since = min(since, now() - FIRST)
    return {"since": written(since)} if since else {}


class _Named(msgspec.Struct):
    orderId: Any = None
    lastUpdatedTime: Any = None


NAMED = msgspec.json.Decoder(_Named)


def _record(place: int, came: msgspec.Raw) -> Record:
    """The bytes of the record alone, so that it does not keep its page in memory."""
    raw = bytes(came)
    named = _named(raw).orderId
    return Record(key=named if named and isinstance(named, str) else f"#{place}", raw=raw)


def _named(raw: bytes) -> _Named:
    try:
        return NAMED.decode(raw)
    except msgspec.DecodeError:
        data = parsed(raw)
        return msgspec.convert(data, _Named) if isinstance(data, dict) else _Named()


def _changes(found: list[Record]) -> Iterator[datetime]:
    """When the orders of a page last changed, of those that say so."""
    for record in found:
        if moment := read(_named(record.raw).lastUpdatedTime):
            yield moment
