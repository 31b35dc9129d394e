"""A case that slept, or that somebody was at, is open again; its timeline says why."""

from collections.abc import Callable, Collection, Iterable

from apps.core import money
from apps.core.models import AuditEntry
from apps.exceptions.models import ALARMS, Case, State

AWAKE = dict.fromkeys(ALARMS)
NOBODY_HAS_IT = {"claimed_by": None, "claimed_until": None} | AWAKE


def open_again(cases: Iterable[Case], why: Callable[[Case], str]) -> int:
    """Open these claimed or snoozed cases, whose locks the caller holds; how many there were."""
    cases = list(cases)
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(state=State.OPEN, **NOBODY_HAS_IT)
    AuditEntry.objects.record_all(
        AuditEntry(
            actor_name="opsconsole",
            entity_id=case.entity_id,
            verb="case.woken",
            subject=case.audit_subject,
            before={"state": case.state, "claimed_by": case.claimed_by.name if case.claimed_by else ""},
            after={"state": State.OPEN},
            reason=why(case),
        )
        for case in cases
    )
    return len(cases)


def wake_above(case_ids: Collection[int], currencies: dict[int, str]) -> int:
    """Open those of these cases that slept until more is at stake, and now it is, or is in another currency than it was."""
    asleep = Case.objects.filter(pk__in=case_ids, state=State.SNOOZED).exclude(snoozed_above=None)
    return open_again(
        (
            case
            for case in asleep.select_related("claimed_by")
            if case.stake > case.snoozed_above or case.currency != currencies[case.pk]
        ),
        lambda case: _grew(case, currencies[case.pk]),
    )


def _grew(case: Case, was: str) -> str:
    now, limit = money.words(case.stake, case.currency), money.words(case.snoozed_above, was)
    if case.currency != was:
        return f"It slept until more than {limit} is at stake. The amount is in {case.currency} now: {now}."
    return f"More than {limit} is at stake now: {now}."
