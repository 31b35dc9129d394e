from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.integrations.files import store
from apps.integrations.jobs import create, run_here
from apps.integrations.models import Connection, JobState
from apps.settlements.leg_jobs import READ_LEGS


class Command(BaseCommand):
    help = "Read where orders were shipped from and to: order-id, ship-from, ship-to, with commas or tabs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--connection", required=True, metavar="NAME")
        parser.add_argument("--entity", metavar="NAME", help="the company; needed where several have such a connection")

    def handle(self, *, file: Path, connection: str, entity: str | None, **options) -> None:
        if not file.is_file():
            raise CommandError(f"{file} is not a file. Nothing was read.")
        place = _connection(connection, entity)
        with file.open("rb") as stream:
            stored = store(connection=place, name=file.name, chunks=iter(lambda: stream.read(1 << 20), b""), actor=None)
        job = run_here(create(kind=READ_LEGS, entity=place.entity, file=stored))
        if job.state != JobState.DONE:
            raise CommandError(job.error or job.get_state_display())
        self.stdout.write(job.result["words"])


def _connection(name: str, entity: str | None) -> Connection:
    found = Connection.objects.filter(name=name).select_related("entity")
    if entity:
        found = found.filter(entity__name=entity)
    if len(found) == 1:
        return found[0]
    if not found:
        known = ", ".join(sorted(set(Connection.objects.values_list("name", flat=True)))) or "none"
        raise CommandError(f"There is no connection {name}. The connections are: {known}.")
    raise CommandError(
        f"Several companies have a connection {name}: {', '.join(str(row.entity) for row in found)}. Add --entity NAME."
    )
