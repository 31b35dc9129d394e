"""Claims and snoozes that ran out: their cases are open again."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.exceptions.models import Case, State
from apps.exceptions.sweep import hold

WORDS = {State.CLAIMED: "The claim ran out.", State.SNOOZED: "The snooze ran out."}


@transaction.atomic
def wake_lapsed() -> int:
    """Open every claimed or snoozed case whose time is up; how many there were."""
    now = timezone.now()
    lapsed = Case.objects.filter(
        Q(state=State.CLAIMED, claimed_until__lte=now) | Q(state=State.SNOOZED, snoozed_until__lte=now)
    )
    hold(lapsed.values_list("type", "entity_id").distinct())
    woken = list(lapsed.select_related("claimed_by"))  # after the wait: another may have moved them
    Case.objects.filter(pk__in=[case.pk for case in woken]).update(
        state=State.OPEN, claimed_by=None, claimed_until=None, snoozed_until=None
    )
    AuditEntry.objects.record_all(
        AuditEntry(
            actor_name="opsconsole",
            entity_id=case.entity_id,
            verb="case.woken",
            subject=case.audit_subject,
            before={"state": case.state, "claimed_by": case.claimed_by.name if case.claimed_by else ""},
            after={"state": State.OPEN},
            reason=WORDS[case.state],
        )
        for case in woken
    )
    return len(woken)
