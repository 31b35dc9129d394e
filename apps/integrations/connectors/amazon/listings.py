"""amazon.listings: what the account sells, marketplace by marketplace, all of it each time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from apps.integrations.connectors.amazon.answers import Answer
from apps.integrations.connectors.amazon.clients import SEARCH_LISTINGS_ITEMS, Session
from apps.integrations.connectors.amazon.instants import now, read, written
from apps.integrations.connectors.amazon.paging import pages, records
from apps.integrations.contract import Cursor, Page
from apps.integrations.models import Connection

# The product's EAN is among its attributes.
INCLUDED = "summaries,attributes,fulfillmentAvailability"


def pull(session: Session, connection: Connection, cursor: Cursor) -> Iterator[Page]:
    """Cursor amid a scan: when it `began`, the marketplaces `done`, and in the one at hand the listings created `after`."""
    began = read(cursor.get("began")) or now()
    done, after = list(cursor.get("done", [])), read(cursor.get("after"))
    left = [place for place in connection.marketplaces if place not in done] or connection.marketplaces
    for marketplace in left:
        for items, newest, whole in _scan(session, connection.account, marketplace, after):
            found = records(items, "sku", marketplace)
            if whole and marketplace == left[-1]:
                yield Page(records=found, cursor={}, asked_at=began)
            elif whole:
                done.append(marketplace)
                yield Page(records=found, cursor={"began": written(began), "done": list(done)})
            else:
                amid = {"began": written(began), "done": list(done)}
                yield Page(records=found, cursor=amid | ({"after": written(newest)} if newest else {}))
        after = None


def _scan(
    session: Session, seller: str, marketplace: str, after: datetime | None
) -> Iterator[tuple[list[Any], datetime | None, bool]]:
    """Each page's items, the newest day of creation so far, and whether that was the whole marketplace.

    One search pages through 1,000 items however many it finds, so the next one begins where it ended. An item may come
    twice.
    """
    whole = False
    while not whole:
        brought: set[str] = set()
        newest = after
        paged = pages(
            session,
            SEARCH_LISTINGS_ITEMS,
            token_name="pageToken",
            sellerId=seller,
            marketplaceIds=marketplace,
            includedData=INCLUDED,
            sortBy="createdDate",
            sortOrder="ASC",
            pageSize=20,
            **({"createdAfter": written(after)} if after else {}),
        )
        for answer, token in paged:
            items = answer.body["items"]
            brought.update(str(item.get("sku")) if isinstance(item, dict) else str(item) for item in items)
            newest = max(filter(None, [newest, *map(_created, items)]), default=None)
            whole = token is None and len(brought) >= _found(answer)
            yield items, newest, whole
        if not whole and newest == after:
            raise answer.unusable("found more listings than it brings, and none says when it was created")
        after = newest


def _found(answer: Answer) -> int:
    found = answer.body.get("numberOfResults")
    if not isinstance(found, int):
        raise answer.unusable("came without numberOfResults, so nobody can tell whether it was whole")
    return found


def _created(item: Any) -> datetime | None:
    summaries = item.get("summaries") if isinstance(item, dict) else None
    first = summaries[0] if isinstance(summaries, list) and summaries else None
    return read(first.get("createdDate")) if isinstance(first, dict) else None
