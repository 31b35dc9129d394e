from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Refused
from apps.integrations.credentials import rotate


class Command(BaseCommand):
    help = "Seal the credentials of all connections again with the first of OPSCONSOLE_CREDENTIAL_KEYS."

    def handle(self, **options) -> None:
        try:
            count = rotate()
        except Refused as refusal:
            raise CommandError(refusal.words) from refusal
        self.stdout.write(
            f"The credentials of {count} connection{'' if count == 1 else 's'} are sealed with the first key now."
        )
