"""The systems that we can connect to: each kind of connection with what speaks to it."""

from collections.abc import Callable

from apps.core.errors import Refused
from apps.integrations.connectors.amazon import AmazonSeller
from apps.integrations.contract import Connector
from apps.integrations.models import Connection

CONNECTORS: dict[str, Callable[[Connection], Connector]] = {
    Connection.Kind.AMAZON: AmazonSeller,
}


def connector_of(connection: Connection) -> Connector:
    if connection.kind not in CONNECTORS:
        raise Refused(
            f"Nothing is asked of {connection}: {connection.get_kind_display().lower()}.", code="no-connector"
        )
    return CONNECTORS[connection.kind](connection)
