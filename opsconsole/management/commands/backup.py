from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsconsole.management.owner import AsOwner
from opsconsole.operate.backups import BackupError, make
from opsconsole.operate.pg_tools import ToolError


class Command(AsOwner, BaseCommand):
    help = "Write the database and the stored files into an empty folder. Web and workers may go on meanwhile."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="FOLDER")

    def handle(self, *, folder: Path, **options) -> None:
        try:
            made = make(folder.resolve(), lambda words: self.stderr.write(f"  {words}"))
        except (BackupError, ToolError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The database and {len(made.files)} files are in {folder.resolve()}.")
        self.stdout.write("OPSCONSOLE_CREDENTIAL_KEYS is not: keep it elsewhere; without it no credential opens.")
