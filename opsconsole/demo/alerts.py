"""Where the demo's teams are told: mails that are written to a folder, and leave for nowhere."""

from collections.abc import Iterable, Mapping
from datetime import time

from apps.core.models import Entity, User
from apps.core.permissions import Team
from apps.integrations import jobs
from apps.work.alerts.channels import add_channel
from apps.work.alerts.deciding import decide
from apps.work.alerts.models import Alert, Channel
from apps.work.alerts.rules import Severity
from opsconsole.demo.people import BRACKENFOLD, DOMAIN, IAN, LINDWICK, Company, Person

CHANNELS = (
    (BRACKENFOLD, Team.FINANCE, "#finance-alerts", {"least": Severity.NORMAL, "digest_at": time(8, 0)}),
    (BRACKENFOLD, Team.OPS, "#ops-alerts", {"least": Severity.NORMAL, "digest_at": time(7, 30)}),
    (LINDWICK, Team.FINANCE, "#finanzen", {"quiet_from": time(19, 0), "quiet_until": time(7, 0), "digest_at": time(8, 0)}),
    (LINDWICK, Team.FINANCE, "#finanzen-leitung", {"escalations": True}),
)


def add_channels(entities: Mapping[Company, Entity], people: Mapping[Person, User]) -> list[Channel]:
    """Each once. Made before the files are read, so that what stops is told."""
    return [
        Channel.objects.filter(entity=entities[company], name=name).first()
        or add_channel(
            entity=entities[company],
            team=team,
            name=name,
            kind=Channel.Kind.EMAIL,
            address=f"{name.removeprefix('#')}{DOMAIN}",
            actor=people[IAN],
            **told,
        )
        for company, team, name, told in CHANNELS
    ]


def tell(channels: Iterable[Channel]) -> None:
    """What the beat and a worker do each minute."""
    for channel in channels:
        decide(channel.pk)
        for alert in channel.alerts.filter(state=Alert.State.WAITING).select_related("job").order_by("pk"):
            jobs.run_here(alert.job)
