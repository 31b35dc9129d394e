"""The outside systems that we speak with, each by the kind of its connections."""

from collections.abc import Callable

from apps.core.errors import Refused
from apps.integrations.connectors.amazon import AmazonSeller
from apps.integrations.contract import Connector
from apps.integrations.models import Connection

CONNECTORS: dict[str, Callable[[Connection], Connector]] = {
    Connection.Kind.AMAZON: AmazonSeller,
}


def connector_of(connection: Connection) -> Connector:
    """What speaks with the system behind a connection. Refused where there is none."""
    if connection.kind not in CONNECTORS:
        raise Refused(f"{connection.name} is no system that answers: people upload its files.", code="no-connector")
    return CONNECTORS[connection.kind](connection)
