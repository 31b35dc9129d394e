"""The demo's Amazon account: connected to the stand-in, so that orders, stock and settlements come by themselves."""

from django.conf import settings

from apps.core.models import Entity, User
from apps.integrations.models import Connection, Source
from apps.integrations.operations import connect
from apps.integrations.regions import SANDBOX, regions
from apps.integrations.runs import run_here

NAME = "Amazon Seller Central"
SELLER = "A2BRACKENFOLD9"
CREDENTIALS = {  # the stand-in's own, no secret of anybody's
    "client_id": "amzn1.application-oa2-client.sandbox",
    "client_secret": "amzn1.oa2-cs.v1.sandbox-secret",
    "refresh_token": "Atzr|sandbox",
}


def connect_amazon(entity: Entity, *, ian: User) -> None:
    """Where a stand-in is to be had: `make run` starts one, other programs may have none."""
    if not settings.SANDBOX_URL or Connection.objects.filter(entity=entity, name=NAME).exists():
        return
    connect(
        entity=entity,
        name=NAME,
        kind=Connection.Kind.AMAZON,
        region=SANDBOX,
        account=SELLER,
        credentials=CREDENTIALS,
        actor=ian,
    )


def move() -> None:
    """The stand-in listens where this start put it."""
    if settings.SANDBOX_URL:
        place = regions()[SANDBOX]
        Connection.objects.filter(name=NAME).update(endpoint=place.endpoint, token_url=place.token_url)


def pull_all(entity: Entity) -> None:
    """Bring everything that there is now, without waiting for the schedules."""
    for source in Source.objects.filter(connection__entity=entity, connection__name=NAME).order_by("pk"):
        run_here(source)
