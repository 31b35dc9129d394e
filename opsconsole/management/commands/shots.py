from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsconsole.demo import shots
from opsconsole.embedded import ServerError


class Command(BaseCommand):
    help = "Photograph every screen of the demo in both themes, 1440 and 390 wide. Needs chromium."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, default=settings.DATA / "shots", metavar="FOLDER")

    def handle(self, *, folder: Path, **options) -> None:
        try:
            taken = shots.take(folder.resolve(), lambda words: self.stderr.write(f"  {words}"))
        except ServerError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{taken} pictures in {folder.resolve()}")
