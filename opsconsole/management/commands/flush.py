from django.core.management.commands import flush

from opsconsole.management.owner import AsOwner


class Command(AsOwner, flush.Command):
    pass
