"""Amazon seller accounts, through the Selling Partner API."""

import logging
from collections.abc import Callable, Iterator, Sequence

import redis

from apps.core.errors import Refused
from apps.integrations.connectors.amazon import (
    access,
    allowance,
    answers,
    clients,
    inventory,
    listings,
    orders,
    settlements,
)
from apps.integrations.contract import (
    Allowance,
    Checked,
    ConfigError,
    ConnectorError,
    Cursor,
    Evidence,
    Page,
    PermanentError,
)
from apps.integrations.credentials import open_sealed
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Connection, Source

log = logging.getLogger(__name__)

OPERATIONS: dict[str, tuple[answers.Operation, ...]] = {
    "amazon.orders": (clients.SEARCH_ORDERS,),
    "amazon.fba-inventory": (clients.GET_INVENTORY_SUMMARIES,),
    "amazon.settlements": (clients.GET_REPORTS, clients.GET_REPORT_DOCUMENT),
    "amazon.listings": (clients.SEARCH_LISTINGS_ITEMS,),
}
PULLS: dict[str, Callable[[clients.Session, Connection, Cursor], Iterator[Page]]] = {
    "amazon.orders": orders.pull,
    "amazon.fba-inventory": inventory.pull,
    "amazon.settlements": settlements.pull,
    "amazon.listings": listings.pull,
}
MOVED: dict[str, Callable[..., Cursor]] = {
    "amazon.orders": orders.moved,
    "amazon.fba-inventory": lambda cursor, added: {},
    "amazon.listings": lambda cursor, added: {},
}


class AmazonSeller:
    """A Connector. It reads of its connection where and who it is, and opens its credentials when it speaks."""

    CREDENTIALS = ("refresh_token", "client_id", "client_secret")

    def __init__(self, connection: Connection):
        self.connection = connection

    def check(self) -> Checked:
        """Sign in, then look for one listing in each marketplace: the cheapest call that proves the seller id too."""
        session, account = self._session(), self.connection.account
        sells: list[str] = []
        refused: dict[str, ConnectorError] = {}
        for marketplace in self.connection.marketplaces:
            try:
                session.ask(clients.SEARCH_LISTINGS_ITEMS, sellerId=account, marketplaceIds=marketplace, pageSize=1)
            except PermanentError as error:
                refused[marketplace] = error
            except ConfigError as error:
                refused[marketplace] = error if sells or refused else access.of_operation(session, self.connection, error)
            else:
                sells.append(marketplace)
        first = next(iter(refused.values()), None)
        if first and not sells and first.evidence.status not in answers.NOT_LET_IN:
            raise first
        return Checked(words=_found(account, sells, refused), marketplaces=tuple(sells))

    def pull(self, feed: str, cursor: Cursor) -> Iterator[Page]:
        session = self._session()
        try:
            yield from PULLS[feed](session, self.connection, cursor)
        except ConfigError as error:
            raise access.of_operation(session, self.connection, error) from error

    def moved(self, feed: str, cursor: Cursor, *, added: bool) -> Cursor | None:
        return MOVED[feed](cursor, added=added) if feed in MOVED else None

    def _session(self) -> clients.Session:
        connection = self.connection
        try:
            values = open_sealed(connection)
        except Refused as refusal:
            raise _not_set_up(refusal.words) from None
        lacks = [name.replace("_", " ") for name in self.CREDENTIALS if not values.get(name)]
        lacks += [] if connection.account else ["seller id"]
        lacks += [] if connection.marketplaces else ["marketplaces"]
        if lacks:
            raise _not_set_up(f"{connection.name} has no {' and no '.join(lacks)}. Enter them on its page.")
        return clients.session(
            name=_bucket(connection),
            endpoint=connection.endpoint,
            token_url=connection.token_url,
            **{name: values[name] for name in self.CREDENTIALS},
        )


def allowances(sources: Sequence[Source]) -> dict[int, Allowance]:
    """{source id: the scarcest of what its feed asks Amazon for}, in one question; empty while the broker is away. Sources
    come with their connections.
    """
    asked = [
        (source, _bucket(source.connection), operation) for source in sources for operation in OPERATIONS.get(source.feed, ())
    ]
    scarcest: dict[int, Allowance] = {}
    try:
        found = allowance.left([(account, operation) for _, account, operation in asked])
    except redis.RedisError:
        log.warning("What Amazon still allows is not known: the broker does not answer", exc_info=True)
        return {}
    for (source, *_), allowed in zip(asked, found, strict=True):
        scarcest[source.pk] = min(allowed, scarcest.get(source.pk, allowed), key=lambda each: each.left)
    return scarcest


def _bucket(connection: Connection) -> str:
    """The account's name among all workers. Amazon counts the calls at each of its endpoints."""
    return f"{connection.pk}@{connection.endpoint}"


def _found(account: str, sells: list[str], refused: dict[str, ConnectorError]) -> str:
    """What a check found, of an account that is let in."""
    if not sells:
        return f"Amazon answers for seller {account}. But: {next(iter(refused.values())).evidence.words}"
    words = f"Amazon answers for seller {account}, {_listed(sells)}."
    if refused:
        words += (
            f" It refuses {_listed(list(refused))}: the account does not sell there. While they are among the marketplaces "
            "of the connection, its feeds fail: “Change the marketplaces” on its page takes them out. "
            f"{next(iter(refused.values())).evidence.words}"
        )
    return words


def _listed(marketplaces: list[str]) -> str:
    *most, last = [name_of(marketplace) for marketplace in marketplaces]
    return f"{', '.join(most)} and {last}" if most else last


def _not_set_up(words: str) -> ConfigError:
    return ConfigError(Evidence(operation="sign in", words=words))
