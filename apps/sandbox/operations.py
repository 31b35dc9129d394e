"""Which operations there are, where, what a good answer must bring, and their published usage plans (amazon-api.md 2)."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """`key`: what a 2xx must bring; empty: it is no JSON. `rate` per second; 0: not limited. `open`: needs no access token."""

    name: str
    method: str
    path: str
    key: str
    rate: float = 0.0
    burst: int = 0
    open: bool = False


OPERATIONS = (
    Operation("token", "POST", "/auth/o2/token", "access_token", open=True),
    Operation("searchOrders", "GET", "/orders/2026-01-01/orders", "orders", 0.0056, 20),
    Operation("getOrder", "GET", "/orders/2026-01-01/orders/([^/]+)", "order", 0.5, 30),
    Operation("getInventorySummaries", "GET", "/fba/inventory/v1/summaries", "payload", 2, 2),
    Operation("searchListingsItems", "GET", "/listings/2021-08-01/items/([^/]+)", "items", 5, 5),
    Operation("getReports", "GET", "/reports/2021-06-30/reports", "reports", 0.0222, 10),
    Operation("getReport", "GET", "/reports/2021-06-30/reports/([^/]+)", "processingStatus", 2, 15),
    Operation("getReportDocument", "GET", "/reports/2021-06-30/documents/([^/]+)", "url", 0.0167, 15),
    Operation("document", "GET", "/documents/([0-9]+)", "", open=True),
    Operation("getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", "payload", 0.016, 15),
)
NONE = Operation("unknown", "", "", "", open=True)


def operation_at(method: str, path: str) -> tuple[Operation, tuple[str, ...]]:
    """The operation and the parts of its path, still percent-encoded."""
    for operation in OPERATIONS:
        if method == operation.method and (match := re.fullmatch(operation.path, path)):
            return operation, match.groups()
    return NONE, ()
