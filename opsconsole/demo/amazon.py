"""The demo's Amazon account: connected to the stand-in, so that orders, stock and settlements come by themselves."""

from django.conf import settings

from apps.core.models import Entity, User
from apps.exceptions.sweep import sweep_entity
from apps.imports.models import Import, Mode
from apps.imports.operations import begin_apply, take_file
from apps.integrations import jobs
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


SHEETS = (("items", "items.csv"), ("sku-mappings", "sku_mappings.csv"))
FOLDER = settings.BASE_DIR / "fixtures" / "demo"


def connect_amazon(entity: Entity, *, ian: User) -> None:
    """Where a stand-in is to be had: `make run` starts one. The SKUs that were listed last are in no sheet."""
    if not settings.SANDBOX_URL:
        return
    if not Connection.objects.filter(entity=entity, name=NAME).exists():
        connect(
            entity=entity,
            name=NAME,
            kind=Connection.Kind.AMAZON,
            region=SANDBOX,
            account=SELLER,
            credentials=CREDENTIALS,
            actor=ian,
        )
    for sheet, name in SHEETS:
        if not Import.objects.filter(entity=entity, sheet=sheet).exists():
            _import(entity, sheet, name, ian)


def _import(entity: Entity, sheet: str, name: str, actor: User) -> None:
    """As an admin does it: the dry run first, then its good rows."""
    with (FOLDER / name).open("rb") as file:
        row = take_file(entity=entity, sheet=sheet, mode=Mode.ALL, name=name, chunks=[file.read()], actor=actor)
    jobs.run_here(row.job)
    row.refresh_from_db()
    row = begin_apply(row=row, digest=row.digest, keep_conflicts=False, actor=actor)
    jobs.run_here(row.job)


def move() -> None:
    """The stand-in listens where this start put it."""
    if settings.SANDBOX_URL:
        place = regions()[SANDBOX]
        Connection.objects.filter(name=NAME).update(endpoint=place.endpoint, token_url=place.token_url)


def pull_all(entity: Entity) -> None:
    """Bring everything that there is now, without waiting for the schedules."""
    for source in Source.objects.filter(connection__entity=entity, connection__name=NAME).order_by("pk"):
        run_here(source)
    sweep_entity(entity)
