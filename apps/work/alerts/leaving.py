"""Somebody leaves a team: their cases are the team's again, and its channels are told so at once."""

from collections.abc import Collection
from itertools import groupby

from django.utils import timezone

from apps.core.leaving import when_somebody_leaves
from apps.core.models import Entity, User
from apps.exceptions.models import Case
from apps.exceptions.returning import return_cases
from apps.work.alerts import composing, outbox
from apps.work.alerts.models import Alert, Channel
from apps.work.alerts.quiet import leaves_at
from apps.work.alerts.rules import ALL, Severity


@when_somebody_leaves
def hand_back(*, person: User, entities: Collection[Entity], actor: User) -> None:
    cases = return_cases(person=person, entities=entities, actor=actor)
    cases.sort(key=lambda case: (case.entity_id, case.team, -case.score))
    for (entity_id, team), theirs in groupby(cases, key=lambda case: (case.entity_id, case.team)):
        returned = list(theirs)
        for channel in Channel.objects.select_related("entity").filter(
            entity=entity_id, team=team, active=True, escalations=False
        ):
            _tell(channel, person, returned)


def _tell(channel: Channel, person: User, cases: list[Case]) -> None:
    now = timezone.now()
    outbox.write(
        channel=channel,
        kind=Alert.Kind.RETURNED,
        key=f"{channel.pk}:returned:{person.pk}:{now.isoformat()}",
        type=cases[0].type if len({case.type for case in cases}) == 1 else ALL,
        severity=Severity.HIGH,
        message=composing.about_returned(person.name, cases, channel.entity),
        now=now,
        leaves_at=leaves_at(now, channel.quiet, [case.due_at for case in cases]),
    )
