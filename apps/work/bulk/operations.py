"""One action on many cases: freeze them, check each without doing anything, confirm, stop, do again what failed.

The work itself is in apps.work.bulk.jobs: a job checks, and after the confirmation another one does it, batch by batch.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.errors import NotAllowed, Refused
from apps.core.models import User
from apps.exceptions.models import Case, CaseQuerySet
from apps.exceptions.types import digest
from apps.integrations.jobs import ENDED
from apps.work.bulk import statements
from apps.work.bulk.beginning import CHECK, RUN, begin, check_mine, record
from apps.work.bulk.freezing import begin_with
from apps.work.bulk.models import Bulk, BulkMember, FrozenList
from apps.work.bulk.moves import queues_worked_by
from apps.work.bulk.putting_back import PUT_BACK, can_be_put_back
from apps.work.bulk.whole import check_whole, withdraw
from apps.work.filters import CaseFilter

UNDO_FOR = timedelta(days=7)
State, Verdict = Bulk.State, BulkMember.Verdict
# What a second try may do better: it failed, it has changed so that a new dry run shows what it is now, or was not reached.
WORTH_A_RETRY = Q(verdict=Verdict.FAILED) | Q(code=statements.CHANGED.code) | Q(verdict=Verdict.ELIGIBLE)


@transaction.atomic
def freeze(
    *,
    user: User,
    action: str,
    data: Mapping[str, Any],
    entity_ids: Collection[int],
    filter: CaseFilter | None = None,
    case_ids: Collection[int] | None = None,
) -> Bulk:
    """Keep which cases they are at this instant, all that the filter finds or those with the ids, and have them checked.

    The 50,000 highest ranked at the most: `matched` says how many there are. Raises InvalidForm where `data` is not what the
    action asks for, NotAllowed where the person works on none of them.
    """
    if filter is not None:
        cases, kept, chosen = filter.cases(user, entity_ids), filter.params(), filter.words(user)
    else:
        cases, kept, chosen = _named(user, entity_ids, case_ids or ()), {}, "Ticked in the list"
    bulk = Bulk(made_by=user, action=action, filter=kept, chosen=chosen, queues=[])
    return begin_with(bulk, cases, data)


@transaction.atomic
def confirm(*, bulk: Bulk, user: User, digest: str) -> Bulk:
    """Begin what the dry run with this digest showed. Raises NeedsSecondPerson where the whole of it is above the limits of a
    company: see apps.work.bulk.whole.propose.
    """
    bulk = _mine(bulk, user)
    if bulk.state != State.READY:
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()}. Nothing was begun.", code="not-ready")
    if digest != bulk.digest:
        raise Refused("This is not the dry run that you looked at. Nothing was done.", code="plan-changed")
    if not bulk.eligible:
        raise Refused("None of them is eligible, so there is nothing to do.", code="none-eligible")
    check_whole(bulk)
    bulk.state, bulk.confirmed_at = State.RUNNING, Now()
    return begin(bulk, RUN, "bulk.confirmed")


@transaction.atomic
def stop(*, bulk: Bulk, user: User) -> Bulk:
    """End it between two batches, or throw it away before it began. What is done stays done."""
    check_mine(bulk, user)
    withdraw(bulk, user)
    bulk = _mine(bulk, user)
    if bulk.state in (State.DONE, State.STOPPED):
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()} already.", code="ended")
    bulk.state, bulk.ended_at, bulk.stopped_by = State.STOPPED, Now(), user
    bulk.save(update_fields=["state", "ended_at", "stopped_by"])
    FrozenList.objects.filter(bulk=bulk).delete()
    record(bulk, user, "bulk.stopped", {"done": bulk.done, "of": bulk.eligible})
    return bulk


@transaction.atomic
def go_on(*, bulk: Bulk, user: User) -> Bulk:
    """Give its work to a worker again, where the last one did not come to an end. Nothing is done twice."""
    bulk = _mine(bulk, user)
    if not is_broken(bulk):
        raise Refused("Its work has not failed. There is nothing to go on with.", code="not-broken")
    return begin(bulk, CHECK if bulk.state == State.CHECKING else RUN, "bulk.went-on")


@transaction.atomic
def retry_failed(*, bulk: Bulk, user: User) -> Bulk:
    """A new bulk of the members that failed, changed after the dry run, or were not reached; with its own dry run."""
    bulk = _mine(bulk, user)
    if bulk.state not in (State.DONE, State.STOPPED):
        raise Refused("Wait for its end, or stop it first.", code="not-ended")
    again = BulkMember.objects.filter(WORTH_A_RETRY, bulk=bulk)
    cases = Case.objects.filter(pk__in=again.values("case_id"))
    retry = Bulk(
        undo_of=bulk.undo_of,
        made_by=user,
        action=bulk.action,
        filter=bulk.filter,
        chosen=f"What was left of {bulk.pk}: {bulk.chosen}",
        queues=[],
        retry_of=bulk,
    )
    return begin_with(retry, cases if bulk.undo_of else cases.visible_to(user), bulk.data)


@transaction.atomic
def put_back(*, bulk: Bulk, user: User) -> Bulk:
    """A new bulk that makes each case on which it was done what it was before, with its own dry run. Once, for UNDO_FOR."""
    bulk = Bulk.objects.select_for_update().get(pk=bulk.pk)
    if not set(bulk.queues) & set(queues_worked_by(user)):
        raise NotAllowed("Your role works on none of these exceptions. The people of their teams do. Nothing was changed.")
    if why := not_put_back(bulk):
        raise Refused(why, code="not-undone")
    undo = Bulk(
        made_by=user,
        action=PUT_BACK.name,
        chosen=f"What bulk action {bulk.pk} did",
        queues=[],
        undo_of=bulk,
    )
    done = BulkMember.objects.filter(bulk=bulk, verdict=Verdict.DONE)
    return begin_with(undo, Case.objects.filter(pk__in=done.values("case_id")), {})


def not_put_back(bulk: Bulk) -> str:
    """Why what it did is not put back now, or nothing."""
    if bulk.state not in (State.DONE, State.STOPPED):
        return "Wait for its end, or stop it first."
    if not can_be_put_back(bulk):
        return "What it did is not put back in bulk."
    if not bulk.done:
        return "It was done to none of them, so there is nothing to put back."
    if bulk.ended_at < timezone.now() - UNDO_FOR:
        return f"It ended more than {UNDO_FOR.days} days ago. Change the exceptions that need it by hand."
    if bulk.cases.filter(verdict=Verdict.DONE).values_list("was", flat=True).first() is None:
        return "It was done before opsconsole kept where each of them stood."
    if earlier := undo_of(bulk):
        return f"{earlier.made_by.name} puts it back already, by bulk action {earlier.pk}."
    return ""


def undo_of(bulk: Bulk) -> Bulk | None:
    """The bulk that puts back, or has put back, what this one did."""
    thrown_away = Q(state=State.STOPPED, confirmed_at=None)
    return bulk.undos.filter(retry_of=None).exclude(thrown_away).select_related("made_by").first()


def is_broken(bulk: Bulk) -> bool:
    """Whether its job ended before its work did."""
    return bulk.state in (State.CHECKING, State.RUNNING) and bulk.job.state in ENDED


def _named(user: User, entity_ids: Collection[int], case_ids: Collection[int]) -> CaseQuerySet:
    wanted = set(case_ids)
    cases = Case.objects.visible_to(user).filter(pk__in=wanted, entity_id__in=entity_ids)
    if missing := len(wanted) - cases.count():
        raise Refused(f"{missing:,} of these exceptions are not there, or not for you to see.", code="not-found")
    return cases


def _mine(bulk: Bulk, user: User) -> Bulk:
    """The row as it is now, nobody else's to write: the batch that runs now has ended."""
    bulk = Bulk.objects.select_for_update(of=("self",)).select_related("made_by", "job", "undo_of").get(pk=bulk.pk)
    check_mine(bulk, user)
    return bulk


def bulk_digest(bulk: Bulk) -> str:
    """Binds the confirmation to the members as they were checked, the action and its data."""
    with connection.cursor() as cursor:
        cursor.execute(statements.DIGEST, [bulk.pk])
        (members,) = cursor.fetchone()
    return digest(bulk.type, bulk.action, bulk.data, bulk.undo_of_id, members)
