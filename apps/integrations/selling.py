"""Which connection brings which marketplace: of one account, each is brought by one connection."""

from collections.abc import Collection, Iterable

from apps.core.errors import Refused
from apps.core.locks import wait_for
from apps.core.models import User
from apps.core.permissions import READ_RUNS
from apps.integrations.marketplaces import name_of
from apps.integrations.models import Connection
from apps.integrations.regions import regions_at


def check_choice(connection: Connection, chosen: Collection[str], actor: User | None) -> None:
    """Raises Refused where the connection cannot change to these marketplaces."""
    found = regions_at(connection.endpoint)
    if not chosen or set(chosen) - {each for region in found for each in region.marketplaces}:
        titles = " and ".join(region.title for region in found)
        raise Refused(f"Choose the marketplaces that the account sells in, of {titles}.", field="marketplaces")
    if set(chosen) == set(connection.marketplaces):
        raise Refused("It brings these already.", field="marketplaces")
    check_free(connection, chosen, actor)


def check_free(connection: Connection, chosen: Iterable[str], actor: User | None) -> None:
    """Raises Refused where another connection brings one of the chosen marketplaces of this account: each order would come
    twice, and be shipped twice. Until the commit nobody else connects the account. A connection that names no account
    brings nothing.
    """
    if not connection.account:
        return
    wait_for(f"marketplaces of {connection.kind} {connection.account.upper()}")
    others = Connection.objects.filter(
        kind=connection.kind, account__iexact=connection.account, endpoint=connection.endpoint
    )
    for other in others.exclude(pk=connection.pk).select_related("entity").order_by("pk"):
        if taken := [name_of(each) for each in chosen if each in other.marketplaces]:
            raise Refused(
                f"{_named(other, connection, actor)} brings {', '.join(taken)} of this account already. "
                "Each order would come twice. Nothing was changed.",
                field="marketplaces",
            )


def _named(other: Connection, connection: Connection, actor: User | None) -> str:
    """As the person may know it."""
    if actor and not actor.may(READ_RUNS, other.entity_id):
        return "A connection that you cannot see"
    return other.name if other.entity_id == connection.entity_id else f"{other.name} of {other.entity.name}"
