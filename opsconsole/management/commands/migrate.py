from django.core.management.commands import migrate

from opsconsole.management.owner import AsOwner


class Command(AsOwner, migrate.Command):
    pass
