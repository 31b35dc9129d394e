"""One action on many cases: freeze them, check each without doing anything, confirm, stop, do again what failed.

The work itself is in apps.work.bulk.jobs: a job checks, and after the confirmation another one does it, batch by batch.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.errors import NotAllowed, Refused
from apps.core.models import AuditEntry, Entity, User
from apps.exceptions.models import Case, CaseQuerySet
from apps.exceptions.operations import InvalidForm, find_action
from apps.exceptions.types import REGISTRY, Action, digest
from apps.integrations.jobs import ENDED, enqueue
from apps.work.bulk import statements
from apps.work.bulk.models import Bulk, BulkMember, queue_key
from apps.work.bulk.moves import BULK_MOVES, queues_worked_by
from apps.work.filters import CaseFilter

CHECK, RUN = "cases.bulk-check", "cases.bulk"
MOST = 50_000
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
    return _freeze(bulk, cases, data)


@transaction.atomic
def confirm(*, bulk: Bulk, user: User, digest: str) -> Bulk:
    """Begin what the dry run with this digest showed."""
    bulk = _mine(bulk, user)
    if bulk.state != State.READY:
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()}. Nothing was begun.", code="not-ready")
    if digest != bulk.digest:
        raise Refused("This is not the dry run that you looked at. Nothing was done.", code="plan-changed")
    if not bulk.eligible:
        raise Refused("None of them is eligible, so there is nothing to do.", code="none-eligible")
    bulk.state, bulk.confirmed_at = State.RUNNING, Now()
    return _begin(bulk, RUN, "bulk.confirmed")


@transaction.atomic
def stop(*, bulk: Bulk, user: User) -> Bulk:
    """End it between two batches, or throw it away before it began. What is done stays done."""
    bulk = _mine(bulk, user)
    if bulk.state in (State.DONE, State.STOPPED):
        raise Refused(f"This bulk action is {bulk.get_state_display().lower()} already.", code="ended")
    bulk.state, bulk.ended_at, bulk.stopped_by = State.STOPPED, Now(), user
    bulk.save(update_fields=["state", "ended_at", "stopped_by"])
    _record(bulk, user, "bulk.stopped", {"done": bulk.done, "of": bulk.eligible})
    return bulk


@transaction.atomic
def go_on(*, bulk: Bulk, user: User) -> Bulk:
    """Give its work to a worker again, where the last one did not come to an end. Nothing is done twice."""
    bulk = _mine(bulk, user)
    if not is_broken(bulk):
        raise Refused("Its work has not failed. There is nothing to go on with.", code="not-broken")
    return _begin(bulk, CHECK if bulk.state == State.CHECKING else RUN, "bulk.went-on")


@transaction.atomic
def retry_failed(*, bulk: Bulk, user: User) -> Bulk:
    """A new bulk of the members that failed, changed after the dry run, or were not reached; with its own dry run."""
    bulk = _mine(bulk, user)
    if bulk.state not in (State.DONE, State.STOPPED):
        raise Refused("Wait for its end, or stop it first.", code="not-ended")
    again = BulkMember.objects.filter(WORTH_A_RETRY, bulk=bulk)
    cases = Case.objects.visible_to(user).filter(pk__in=again.values("case_id"))
    retry = Bulk(
        made_by=user,
        action=bulk.action,
        filter=bulk.filter,
        chosen=f"What was left of {bulk.pk}: {bulk.chosen}",
        queues=[],
        retry_of=bulk,
    )
    return _freeze(retry, cases, bulk.data)


def is_broken(bulk: Bulk) -> bool:
    """Whether its job ended before its work did."""
    return bulk.state in (State.CHECKING, State.RUNNING) and bulk.job.state in ENDED


def action_of(bulk: Bulk) -> Action:
    """The declared action of the type that its members are of."""
    return next(action for action in REGISTRY[bulk.type].actions if action.name == bulk.action)


def _freeze(bulk: Bulk, cases: CaseQuerySet, data: Mapping[str, Any]) -> Bulk:
    bulk.save()
    bulk.members = _insert(bulk, cases.by_rank()[:MOST])
    if not bulk.members:
        raise Refused("No exception is chosen. Tick some, or choose all that match.", code="none-chosen")
    bulk.matched = bulk.members if bulk.members < MOST else cases.count()
    kinds = set()
    with connection.cursor() as cursor:
        cursor.execute(statements.MADE_OF, [bulk.pk])
        for entity, team, kind, _ in cursor.fetchall():
            bulk.queues.append(queue_key(entity, team))
            kinds.add(kind)
    bulk.queues = sorted(set(bulk.queues))
    if bulk.action in BULK_MOVES:
        _take_move(bulk, data)
    else:
        _take_action(bulk, kinds, data)
    return _begin(bulk, CHECK, "")


def _insert(bulk: Bulk, cases: CaseQuerySet) -> int:
    try:
        query, values = cases.values_list("pk").query.sql_with_params()
    except EmptyResultSet:  # nothing can match, as where a person reads no queue
        return 0
    with connection.cursor() as cursor:
        cursor.execute(statements.FREEZE.format(chosen=query), [bulk.pk, *values])
        return cursor.rowcount


def _take_move(bulk: Bulk, data: Mapping[str, Any]) -> None:
    if not set(bulk.queues) & set(queues_worked_by(bulk.made_by)):
        raise NotAllowed("Your role works on none of these exceptions. The people of their teams do. Nothing was changed.")
    form = BULK_MOVES[bulk.action].form(data, entity_ids=bulk.entity_ids)
    if not form.is_valid():
        raise InvalidForm(form)
    bulk.data = {name: _plain(value) for name, value in form.cleaned_data.items()}


def _take_action(bulk: Bulk, kinds: Collection[str], data: Mapping[str, Any]) -> None:
    if len(kinds) > 1:
        raise Refused("They are of several kinds, and this is done to one kind. Filter by cause first.", code="several-types")
    (bulk.type,) = kinds
    sample = Case.objects.select_related("entity").filter(pk__in=bulk.cases.values("case_id")).by_rank().first()
    action = find_action(sample, bulk.action)
    if not any(bulk.made_by.may(action.permission, entity) for entity in bulk.entity_ids):
        raise NotAllowed(f"Your role cannot {action.permission.does}. Nothing was changed.")
    form = action.form(sample, bulk.made_by, data)
    if not form.is_valid():
        raise InvalidForm(form)
    bulk.data = {field.html_name: field.data for field in form if field.data is not None}


def _plain(value: Any) -> Any:
    """A cleaned value as the form reads it again, whatever zone is active then."""
    if isinstance(value, User):
        return value.pk
    return value.isoformat() if isinstance(value, datetime) else value


def _named(user: User, entity_ids: Collection[int], case_ids: Collection[int]) -> CaseQuerySet:
    wanted = set(case_ids)
    cases = Case.objects.visible_to(user).filter(pk__in=wanted, entity_id__in=entity_ids)
    if missing := len(wanted) - cases.count():
        raise Refused(f"{missing:,} of these exceptions are not there, or not for you to see.", code="not-found")
    return cases


def _mine(bulk: Bulk, user: User) -> Bulk:
    """The row as it is now, nobody else's to write: the batch that runs now has ended."""
    bulk = Bulk.objects.select_for_update(of=("self",)).select_related("made_by", "job").get(pk=bulk.pk)
    if bulk.made_by != user:
        raise NotAllowed(f"{bulk.made_by.name} began this bulk action, and alone confirms, stops or repeats it.")
    return bulk


def _begin(bulk: Bulk, kind: str, verb: str) -> Bulk:
    """Its next job. Where all members are of one company, the job is too."""
    entity_ids = bulk.entity_ids
    entity = Entity.objects.get(pk=entity_ids[0]) if len(entity_ids) == 1 else None
    bulk.job = enqueue(kind=kind, entity=entity, args={"bulk": bulk.pk}, actor=bulk.made_by)
    bulk.save()
    if verb:
        _record(bulk, bulk.made_by, verb, {"eligible": bulk.eligible, "not eligible": bulk.not_eligible})
    return bulk


def _record(bulk: Bulk, user: User, verb: str, after: dict[str, Any]) -> None:
    """In the audit of each company that it touches, without figures of the others."""
    for entity in Entity.objects.filter(pk__in=bulk.entity_ids):
        AuditEntry.objects.record(
            actor=user,
            entity=entity,
            verb=verb,
            subject=bulk.audit_subject,
            after={"action": bulk.action, **(after if len(bulk.entity_ids) == 1 else {})},
        )


def bulk_digest(bulk: Bulk) -> str:
    """Binds the confirmation to the members as they were checked, the action and its data."""
    with connection.cursor() as cursor:
        cursor.execute(statements.DIGEST, [bulk.pk])
        (members,) = cursor.fetchone()
    return digest(bulk.type, bulk.action, bulk.data, members)
