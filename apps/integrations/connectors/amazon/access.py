"""Whether Amazon refuses the account or one operation: it says 403 for a withdrawn consent and for a missing role alike."""

from dataclasses import replace
from typing import Any

from apps.integrations.connectors.amazon import clients
from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.connectors.amazon.clients import Session
from apps.integrations.connectors.amazon.instants import now, written
from apps.integrations.connectors.amazon.settlements import REPORT
from apps.integrations.contract import ConfigError, ConnectorError, NotYet, PermanentError
from apps.integrations.models import Connection


def of_operation(session: Session, connection: Connection, error: ConfigError) -> PermanentError:
    """The refusal of an operation, where Amazon answers the account another one. Else raises the error itself."""
    said = error.evidence
    refused = {operation.name: operation for operation in clients.METHODS}.get(said.operation)
    if refused is None or not any(_answers(session, *call) for call in _others(connection, refused)):
        raise error
    words = (
        f"Amazon lets the account in, but refuses {refused.name}: the application lacks the role “{refused.role}” "
        f"({said.status} {said.code}). Give it that role in Seller Central and authorise it again."
    )
    return PermanentError(replace(said, words=words))


def _others(connection: Connection, refused: Operation) -> list[tuple[Operation, dict[str, Any]]]:
    """One small call of each other role, the least scarce first."""
    place = connection.marketplaces[0]
    calls = [
        (clients.SEARCH_LISTINGS_ITEMS, {"sellerId": connection.account, "marketplaceIds": place, "pageSize": 1}),
        (
            clients.GET_INVENTORY_SUMMARIES,
            {"granularityType": "Marketplace", "granularityId": place, "marketplaceIds": place},
        ),
        (clients.GET_REPORTS, {"reportTypes": REPORT, "pageSize": 1}),
        (
            clients.SEARCH_ORDERS,
            {"lastUpdatedAfter": written(now()), "marketplaceIds": place, "maxResultsPerPage": 1},
        ),
    ]
    return [(operation, asked) for operation, asked in calls if operation.role != refused.role]


def _answers(session: Session, operation: Operation, asked: dict[str, Any]) -> bool:
    """Only a good answer proves that the account is let in."""
    try:
        session.ask(operation, **asked)
    except (ConnectorError, NotYet):
        return False
    return True
