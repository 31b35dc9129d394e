from django.core.management import CommandError
from django.db import connections

from opsconsole.settings import OWNER


class AsOwner:
    """A command that changes tables: it works as the owner's role, because the application's may not."""

    def add_arguments(self, parser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=OWNER)

    def execute(self, *args, **options) -> str | None:
        if OWNER not in connections:
            raise CommandError("Set DATABASE_OWNER_URL: DATABASE_URL is the application's role and changes no table.")
        return super().execute(*args, **options)
