"""What ends claims and snoozes: their time is up, the deadline has come, or what they waited for has run."""

import logging
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.models import Entity
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import DetectorFailed, hold, sweep
from apps.exceptions.types import Scope
from apps.exceptions.waking import open_again

log = logging.getLogger(__name__)



@transaction.atomic
def wake_lapsed() -> int:
    """Open every claimed or snoozed case whose time is up; how many there were. What sleeps until something that may never
    come sleeps no longer than its deadline.
    """
    now = timezone.now()
    lapsed = Case.objects.filter(
        Q(state=State.CLAIMED, claimed_until__lte=now)
        | Q(state=State.SNOOZED, snoozed_until__lte=now)
        | Q(state=State.SNOOZED, snoozed_until=None, due_at__lte=now)
    )
    hold(lapsed.values_list("type", "entity_id").distinct())
    # Read after the wait: another may have moved them.
    return open_again(lapsed.select_related("claimed_by"), _ran_out)


def wake_after_run(*, entity: Entity, codes: Collection[str], begun_at: datetime, ran: str) -> int:
    """Something that feeds these types of the company has run, `ran` in words. What slept until then is looked at, and is
    open again where its cause is still there. A check that fails is reported, and its cases sleep on.
    """
    asleep = Case.objects.filter(entity=entity, state=State.SNOOZED, snoozed_for_run__lte=begun_at)
    woken = 0
    for code in sorted(set(asleep.filter(type__in=codes).values_list("type", flat=True))):
        try:
            sweep(code, Scope(entity=entity))
        except DetectorFailed:
            log.exception("The detector of %s failed, so its cases in entity %s sleep on", code, entity.pk)
            continue
        with transaction.atomic():
            hold([(code, entity.pk)])
            still = asleep.filter(type=code).select_related("claimed_by")
            woken += open_again(still, lambda case: f"{ran}, and the cause is still there.")
    return woken


def _ran_out(case: Case) -> str:
    if case.state == State.CLAIMED:
        return "The claim ran out."
    return "The snooze ran out." if case.snoozed_until else "Its deadline has come."
