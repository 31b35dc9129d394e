import json
import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import Refused
from apps.core.models import Entity
from apps.integrations.files import store
from apps.integrations.jobs import create, run_here
from apps.integrations.models import Connection, JobState
from apps.settlements.models import READ_FILE
from apps.settlements.verdict import bare

CHUNK = 1 << 20


class Command(BaseCommand):
    help = "Read settlement files (flat file V2) and print one JSON line a file. Exit status 2 when a file was refused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--connection", required=True, metavar="NAME", help="made where there is none of this name")
        parser.add_argument("--entity", metavar="NAME", help="the company; needed where there are several")

    def handle(self, *, files: list[Path], connection: str, entity: str | None, **options) -> None:
        for path in files:
            if not path.is_file():
                raise CommandError(f"{path} is not a file. Nothing was read.")
        try:
            place = _connection(connection, entity)
        except Refused as fault:
            for path in files:
                self.stdout.write(json.dumps(bare(str(path), "refused", fault.code, fault.words)))
            sys.exit(2)
        refused = False
        for path in files:
            try:
                file = store(connection=place, name=path.name, chunks=_chunks(path), actor=None)
            except OSError as fault:
                raise CommandError(f"{path} cannot be stored: {fault.strerror}.") from fault
            job = run_here(create(kind=READ_FILE, entity=place.entity, file=file))
            if job.state != JobState.DONE:
                raise CommandError(f"{path}: {job.error or job.get_state_display()}")
            self.stdout.write(json.dumps(job.result | {"file": str(path)}))
            refused = refused or job.result["status"] == "refused"
        if refused:
            sys.exit(2)


def _connection(name: str, entity: str | None) -> Connection:
    """The company named, else the connection's, else the only one, else refused with the list."""
    longest = Connection._meta.get_field("name").max_length
    if not 0 < len(name.strip()) <= longest:
        raise Refused(f"--connection is a name of 1 to {longest} characters.", code="connection-unnamed")
    companies = list(Entity.objects.all())
    if entity is not None:
        company = next((company for company in companies if company.name == entity), None)
        if company is None:
            raise Refused(f"There is no company {entity}. {_list(companies)}", code="entity-unknown")
    else:
        having = list(Connection.objects.filter(name=name).select_related("entity"))
        if len(having) == 1:
            return having[0]
        if having:
            raise Refused(
                f"Several companies have a connection {name}: --entity is needed. {_list([each.entity for each in having])}",
                code="entity-needed",
            )
        if len(companies) != 1:
            raise Refused(f"--entity is needed to make the connection {name}. {_list(companies)}", code="entity-needed")
        company = companies[0]
    return Connection.objects.get_or_create(entity=company, name=name)[0]


def _list(companies: list[Entity]) -> str:
    if not companies:
        return "There are no companies yet: add the first with manage.py add_person."
    return f"The companies are: {', '.join(company.name for company in companies)}."


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
