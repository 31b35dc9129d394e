"""The systems that we can connect to: each kind of connection with what speaks to it."""

from collections.abc import Callable, Sequence

from apps.core.errors import Refused
from apps.integrations.connectors import amazon
from apps.integrations.connectors.amazon import AmazonSeller
from apps.integrations.contract import Allowance, Connector
from apps.integrations.models import Connection, Source

CONNECTORS: dict[str, Callable[[Connection], Connector]] = {
    Connection.Kind.AMAZON: AmazonSeller,
}


def allowances_of(sources: Sequence[Source]) -> dict[int, Allowance]:
    """{source id: what its system still allows it}, of systems that count calls. Sources come with their connections."""
    return amazon.allowances([source for source in sources if source.connection.kind == Connection.Kind.AMAZON])


def connector_of(connection: Connection) -> Connector:
    if connection.kind not in CONNECTORS:
        raise Refused(
            f"Nothing is asked of {connection}: {connection.get_kind_display().lower()}.", code="no-connector"
        )
    return CONNECTORS[connection.kind](connection)
