import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Refused
from opsconsole.demo.load import load
from opsconsole.demo.people import logins


class Command(BaseCommand):
    help = "Load the demo: two made-up companies, their people and two months of files. Prints the logins."

    def handle(self, **options) -> None:
        if not settings.DEMO:
            raise CommandError(
                "Everybody knows the demo's password, so it is loaded in demo mode only, which answers to this machine "
                "alone. `make run` does it, or set OPSCONSOLE_DEMO=1."
            )
        began = time.monotonic()
        try:
            loaded = load(lambda words: self.stderr.write(f"  {words}"))
        except Refused as refused:
            raise CommandError(refused.words) from refused
        if loaded:
            self.stderr.write(f"Loaded in {time.monotonic() - began:.1f} s.")
        else:
            self.stderr.write("The demo is loaded already: nothing to do.")
        self.stdout.write(logins())
