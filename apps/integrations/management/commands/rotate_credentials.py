from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.core.errors import Refused
from apps.integrations.sealing import ROTATIONS


class Command(BaseCommand):
    help = "Seal credentials and webhooks' addresses again with the first of OPSCONSOLE_CREDENTIAL_KEYS."

    def handle(self, **options) -> None:
        try:
            with transaction.atomic():
                count = sum(rotate() for rotate in ROTATIONS)
        except Refused as refusal:
            raise CommandError(refusal.words) from refusal
        self.stdout.write(
            f"{count} secret{' is' if count == 1 else 's are'} sealed with the first key now."
        )
