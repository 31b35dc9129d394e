"""What Amazon refuses: it says 403 for a withdrawn consent, a missing role and a marketplace without the account alike."""

from dataclasses import replace
from typing import Any

from apps.integrations.connectors.amazon import clients
from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.connectors.amazon.clients import Session
from apps.integrations.connectors.amazon.instants import now, written
from apps.integrations.connectors.amazon.settlements import REPORT
from apps.integrations.contract import ConfigError, NotYet, PermanentError, TransientError
from apps.integrations.models import Connection

PROBES = (
    clients.SEARCH_LISTINGS_ITEMS,
    clients.GET_INVENTORY_SUMMARIES,
    clients.GET_REPORTS,
    clients.SEARCH_ORDERS,
)
"""One operation of each role, the least scarce first."""
OF_THE_ACCOUNT = (clients.GET_REPORTS, clients.GET_REPORT_DOCUMENT)  # of no one marketplace

NO_ROLE = ": the application lacks the role “{role}” ({said}). Give it that role in Seller Central and authorise it again."
NOT_THERE = (
    " in one marketplace of the connection and answers it in another ({said}): the account does not sell there. A check of "
    "the connection says where it sells."
)
EITHER = (
    ": the application lacks the role “{role}”, or the account does not sell in one of the connection's marketplaces ({said}). "
    "A check of the connection says where it sells; if that is everywhere, give the application that role in Seller Central "
    "and authorise it again."
)


def of_operation(session: Session, connection: Connection, error: ConfigError) -> PermanentError:
    """The refusal of an operation, where Amazon lets the account in for another one. Else raises the error itself."""
    said = error.evidence
    refused = {operation.name: operation for operation in clients.METHODS}.get(said.operation)
    if refused is None:
        raise error
    place = connection.marketplaces[0]
    others = (operation for operation in PROBES if operation.role != refused.role)
    proof = next((other for other in others if _lets_in(session, connection, other, place)), None)
    if proof is None:
        raise error
    why = _why(session, connection, refused, proof)
    why = why.format(role=refused.role, said=f"{said.status} {said.code}".strip())
    return PermanentError(replace(said, words=f"Amazon lets the account in, but refuses {refused.name}{why}"))


def _why(session: Session, connection: Connection, refused: Operation, proof: Operation) -> str:
    """A role is missing where the account sells there and is refused everywhere."""
    if refused in OF_THE_ACCOUNT:
        return NO_ROLE
    told = []
    for place in connection.marketplaces if len(connection.marketplaces) > 1 else []:
        told.append(_lets_in(session, connection, refused, place))
        if told[-1]:
            return NOT_THERE
    return EITHER if None in told or proof in OF_THE_ACCOUNT else NO_ROLE


def _lets_in(session: Session, connection: Connection, operation: Operation, place: str) -> bool | None:
    """Whether Amazon lets the account in for a small call, be it only to find fault with it; None: that did not show."""
    try:
        session.ask(operation, **_asked(connection, operation, place))
    except ConfigError:
        return False
    except PermanentError as error:  # of the sign-in, or of something before Amazon, it proves nothing
        return True if error.evidence.operation == operation.name and error.evidence.request_id else None
    except (TransientError, NotYet):
        return None
    return True


def _asked(connection: Connection, operation: Operation, place: str) -> dict[str, Any]:
    return {
        clients.SEARCH_LISTINGS_ITEMS: {"sellerId": connection.account, "marketplaceIds": place, "pageSize": 1},
        clients.GET_INVENTORY_SUMMARIES: {
            "granularityType": "Marketplace",
            "granularityId": place,
            "marketplaceIds": place,
        },
        clients.GET_REPORTS: {"reportTypes": REPORT, "pageSize": 1},
        clients.SEARCH_ORDERS: {"lastUpdatedAfter": written(now()), "marketplaceIds": place, "maxResultsPerPage": 1},
    }[operation]
