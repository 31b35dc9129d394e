"""Locking an accounting month, and what waits for a locked one. Each verb is atomic and audited.

A lock waits for whoever builds, approves or exports journals, and they for it: nothing slips in between.
"""

from collections.abc import Collection
from datetime import date
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import CONFIRM_UNLOCK, LOCK_PERIODS, check_may
from apps.exceptions.types import Plan, digest
from apps.ledger.models import Journal, PeriodLock
from apps.settlements.comparison import sums
from apps.settlements.resolutions import settle
from apps.settlements.waiting import booked, money_of

State = Journal.State


def subject_of(entity: Entity, month: date) -> str:
    """What the audit trail calls a month of a company."""
    return f"period:{entity.pk}:{month:%Y-%m}"


def lock_of(entity: Entity, month: date) -> PeriodLock:
    """The lock that is on the month now. Refused where there is none."""
    locks = PeriodLock.objects.filter(entity=entity, month=month, unlocked_at=None)
    if found := locks.select_related("locked_by", "unlock_asked_by").first():
        return found
    raise Refused(f"{month:%B %Y} is not locked.", code="not-locked")


def preview_lock(*, entity: Entity, month: date) -> Plan:
    """What would wait. `detail` has `states` [(state, journals, {currency: debits})] and `waits`, the journals."""
    settle(entity.pk)
    if month > _today(entity):
        raise Refused(f"{month:%B %Y} has not begun.", code="not-begun")
    if there := PeriodLock.objects.filter(entity=entity, month=month, unlocked_at=None).first():
        raise Refused(f"{month:%B %Y} is locked already, by {there.locked_by}.", code="locked")
    rows = list(booked(entity).filter(period=month))
    by_state = [(state, [row for row in rows if row.state == state]) for state in State]
    waits = [row for row in rows if row.state != State.EXPORTED]
    return Plan(
        effect=f"Lock {month:%B %Y}",
        says=_will_wait(waits, len(rows)),
        digest=digest(entity.pk, month, [(row.pk, row.state, row.lines_hash) for row in rows]),
        detail={
            "states": [(state, len(found), money_of(found)) for state, found in by_state if found],
            "waits": waits,
            "not_over": (month.year, month.month) == (_today(entity).year, _today(entity).month),
        },
    )


@transaction.atomic
def lock(*, entity: Entity, month: date, actor: User) -> PeriodLock:
    """Let nothing more be approved or exported in a month. What is not exported waits, and is a case."""
    check_may(actor, LOCK_PERIODS, entity)
    planned = preview_lock(entity=entity, month=month)
    made = PeriodLock.objects.create(entity=entity, month=month, locked_by=actor)
    _record("period.locked", made, actor, after={"waiting": len(planned.detail["waits"])})
    return made


def preview_ask(*, entity: Entity, month: date) -> Plan:
    """What asking for the month to be unlocked means."""
    found = lock_of(entity, month)
    return Plan(
        effect=f"Ask to unlock {month:%B %Y}",
        says="It stays locked until another person unlocks it. Your reason stands beside the question.",
        digest=digest(found.pk, found.unlock_asked_at),
        detail={"locked by": found.locked_by},
    )


@transaction.atomic
def ask_to_unlock(*, entity: Entity, month: date, reason: str, actor: User) -> PeriodLock:
    """Ask, for a reason, that another person unlocks a month."""
    check_may(actor, LOCK_PERIODS, entity)
    settle(entity.pk)
    found = lock_of(entity, month)
    if found.unlock_asked_by:
        raise Refused(f"{found.unlock_asked_by} asked already: {found.unlock_reason}", code="asked")
    if not reason.strip():
        raise Refused("Say why, for the person who decides.", field="reason")
    found.unlock_asked_by, found.unlock_asked_at, found.unlock_reason = actor, timezone.now(), reason.strip()
    found.save(update_fields=["unlock_asked_by", "unlock_asked_at", "unlock_reason"])
    _record("period.unlock-asked", found, actor, reason=found.unlock_reason)
    return found


def preview_withdraw(*, entity: Entity, month: date) -> Plan:
    """What taking the request back means. Refused where there is none."""
    found = lock_of(entity, month)
    _check_asked(found)
    return Plan(
        effect=f"Keep {month:%B %Y} locked",
        says=f"The request of {found.unlock_asked_by} is taken back. The audit keeps it.",
        digest=digest(found.pk, found.unlock_asked_at),
        detail={"asked by": found.unlock_asked_by, "reason": found.unlock_reason},
    )


@transaction.atomic
def withdraw_request(*, entity: Entity, month: date, actor: User) -> PeriodLock:
    """Let the month stay locked after all. The audit keeps who had asked, and why."""
    check_may(actor, LOCK_PERIODS, entity)
    settle(entity.pk)
    found = lock_of(entity, month)
    _check_asked(found)
    before = {"asked by": str(found.unlock_asked_by), "reason": found.unlock_reason}
    found.unlock_asked_by, found.unlock_asked_at, found.unlock_reason = None, None, ""
    found.save(update_fields=["unlock_asked_by", "unlock_asked_at", "unlock_reason"])
    _record("period.unlock-withdrawn", found, actor, before=before)
    return found


def preview_unlock(*, entity: Entity, month: date, actor: User) -> Plan:
    """Refused where nobody asked, or where it was this person."""
    settle(entity.pk)
    found = lock_of(entity, month)
    _check_asked(found)
    if found.unlock_asked_by == actor:
        raise Refused("You asked for it, so another person unlocks it.", code="asked-yourself")
    return Plan(
        effect=f"Unlock {month:%B %Y}",
        says="Its journals can be approved and exported again, until somebody locks it anew.",
        digest=digest(found.pk, found.unlock_asked_by_id, found.unlock_asked_at, found.unlock_reason),
        detail={"asked by": found.unlock_asked_by, "reason": found.unlock_reason},
    )


@transaction.atomic
def unlock(*, entity: Entity, month: date, actor: User) -> PeriodLock:
    """Unlock a month that another person asked for."""
    check_may(actor, CONFIRM_UNLOCK, entity)
    planned = preview_unlock(entity=entity, month=month, actor=actor)
    found = lock_of(entity, month)
    found.unlocked_by, found.unlocked_at = actor, timezone.now()
    found.save(update_fields=["unlocked_by", "unlocked_at"])
    _record(
        "period.unlocked",
        found,
        actor,
        before={"asked by": str(planned.detail["asked by"])},
        reason=found.unlock_reason,
    )
    return found


def _check_asked(lock: PeriodLock) -> None:
    if not lock.unlock_asked_by:
        raise Refused("Nobody has asked for it: one person asks, for a reason, another unlocks.", code="not-asked")


def _today(entity: Entity) -> date:
    return timezone.now().astimezone(ZoneInfo(entity.zone)).date()


def _will_wait(waits: Collection[Journal], all_of_them: int) -> str:
    if waits:
        one = len(waits) == 1
        count = f"{len(waits):,} journal{'' if one else 's'} of {sums(money_of(waits))}"
        return f"{count} will wait: {'it has' if one else 'each has'} to be posted in a later month, or the month unlocked."
    if not all_of_them:
        return "No journal is in it, so nothing will wait."
    return f"{'Its journal is' if all_of_them == 1 else f'All {all_of_them:,} journals are'} exported, so nothing will wait."


def _record(
    verb: str, lock: PeriodLock, actor: User, reason: str = "", before: dict | None = None, after: dict | None = None
):
    AuditEntry.objects.record(
        actor=actor,
        entity=lock.entity,
        verb=verb,
        subject=subject_of(lock.entity, lock.month),
        before=before,
        after=after,
        reason=reason,
    )
