from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from opsconsole.management.owner import AsOwner
from opsconsole.operate.backups import BackupError, living_tokens, lost_keys, restore
from opsconsole.operate.pg_tools import ToolError


class Command(AsOwner, BaseCommand):
    help = "Put a backup into an empty database and an empty folder of files. Stop web and workers first; then run migrate."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--replace", action="store_true", help="Delete what is in the database")

    def handle(self, *, folder: Path, replace: bool, **options) -> None:
        try:
            put = restore(folder.resolve(), replace=replace, say=lambda words: self.stderr.write(f"  {words}"))
        except (BackupError, ToolError) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"The database is in use or does not answer. Stop web and workers first. ({error})") from error
        self.stdout.write(f"The backup of {put.made_at} is back, with {len(put.files)} files. Run manage.py migrate now.")
        self.stdout.write("Everybody is signed out.")
        for words in (lost_keys(put), living_tokens()):
            if words:
                self.stderr.write(words)
