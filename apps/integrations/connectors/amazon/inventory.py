"""amazon.fba-inventory: what lies in Amazon's warehouses, all of it each time.

Amazon's own filter by change leaves changes out (amazon-api.md 1.10), and its page tokens live for 30 seconds: a scan is
whole or begins again.
"""

from collections.abc import Iterator

from apps.integrations.connectors.amazon.clients import GET_INVENTORY_SUMMARIES, Session
from apps.integrations.connectors.amazon.instants import now
from apps.integrations.connectors.amazon.paging import pages, records
from apps.integrations.contract import Cursor, Page
from apps.integrations.models import Connection


def pull(session: Session, connection: Connection, cursor: Cursor) -> Iterator[Page]:
    """No cursor. The last page alone has `asked_at`, the instant the scan began: what it did not bring is not there."""
    began = now()
    for marketplace in connection.marketplaces:
        paged = pages(
            session,
            GET_INVENTORY_SUMMARIES,
            token_name="nextToken",
            granularityType="Marketplace",
            granularityId=marketplace,
            marketplaceIds=marketplace,
            details="true",
        )
        for answer, token in paged:
            last = token is None and marketplace == connection.marketplaces[-1]
            found = records(answer.body["payload"]["inventorySummaries"], "sellerSku", marketplace)
            yield Page(records=found, cursor={}, asked_at=began if last else None)
