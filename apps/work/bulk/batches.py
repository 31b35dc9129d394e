"""A batch of moves: one transaction with one statement over up to 2,000 members."""

import json
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import User
from apps.exceptions.operations import plain
from apps.exceptions.sweep import hold as hold_causes
from apps.integrations.jobs import hold
from apps.integrations.models import Job
from apps.work.bulk import putting_back, statements
from apps.work.bulk.models import Bulk, BulkMember
from apps.work.bulk.moves import BulkMove, queues_worked_by
from apps.work.bulk.putting_back import KNOWN_MOVES

SIZE = 2000  # members whose cases a sweep, or a person's own move, may have to wait for
Verdict = BulkMember.Verdict


@transaction.atomic
def step(bulk: Bulk, after: int, job: Job) -> int | None:
    """Check, or do, the next members behind the case id `after`: the last case id of them, None where none is left.

    Nothing where somebody stopped it meanwhile. The locks come in one order: the bulk, the causes, the cases, the job.
    """
    if Bulk.objects.select_for_update().get(pk=bulk.pk).state != bulk.state:
        return None
    doing = bulk.state == Bulk.State.RUNNING
    verdict = Verdict.ELIGIBLE if doing else Verdict.WAITING
    with connection.cursor() as cursor:
        cursor.execute(statements.NEXT, {"bulk": bulk.pk, "after": after, "verdict": verdict, "size": SIZE})
        last, causes = cursor.fetchone()
        if last is None:
            return None
        within = {"bulk": bulk.pk, "after": after, "last": last}
        if doing:
            hold_causes((code, entity) for code, entity in json.loads(causes))
            cursor.execute(*_doing(bulk, within))
        else:
            cursor.execute(*_checking(bulk, within))
        counts = dict(cursor.fetchall())
    Bulk.objects.filter(pk=bulk.pk).update(
        **{verdict.replace("-", "_"): F(verdict.replace("-", "_")) + count for verdict, count in counts.items()}
    )
    hold(job)
    return last


@transaction.atomic
def enlist(bulk: Bulk, job: Job) -> None:
    """Make members of the cases that were chosen. Nothing where they are members already, or somebody stopped it."""
    if Bulk.objects.select_for_update().get(pk=bulk.pk).state == Bulk.State.CHECKING:
        with connection.cursor() as cursor:
            cursor.execute(statements.ENLIST, {"bulk": bulk.pk})
        hold(job)


def _checking(bulk: Bulk, within: dict[str, int]) -> tuple[str, dict[str, Any]]:
    move, actor, cleaned = _asked(bulk)
    return statements.check(move), within | _judging(bulk, move, actor, cleaned)


def _doing(bulk: Bulk, within: dict[str, int]) -> tuple[str, dict[str, Any]]:
    move, actor, cleaned = _asked(bulk)
    if bulk.undo_of:
        named = {"actor_name": actor.name, "verb": putting_back.verb_of(bulk.undo_of)}
        return putting_back.DO, within | _judging(bulk, move, actor, cleaned) | named
    changes = move.changes(actor, cleaned, timezone.now())
    after = {name: plain(value) for name, value in changes.items()} | {"bulk": bulk.pk}
    doing = {
        "actor_name": actor.name,
        "verb": move.verb,
        "becomes": json.dumps(after),
        "reason": cleaned.get(move.reason, "").strip(),
        **{f"to_{name}": _stored(value) for name, value in changes.items()},
    }
    return statements.do(move, list(changes)), within | _judging(bulk, move, actor, cleaned) | doing


def _asked(bulk: Bulk) -> tuple[BulkMove, User, dict[str, Any]]:
    """What is to be done, by whom with the roles of this moment, and with what."""
    move, actor = KNOWN_MOVES[bulk.action], User.objects.get(pk=bulk.made_by_id)
    form = move.form(bulk.data, entity_ids=bulk.entity_ids)
    if not form.is_valid():
        raise Refused(" ".join(fault for faults in form.errors.values() for fault in faults))
    return move, actor, form.cleaned_data


def _judging(bulk: Bulk, move: BulkMove, actor: User, cleaned: dict[str, Any]) -> dict[str, Any]:
    who = {"actor": actor.pk, "works": queues_worked_by(actor), "undoes": bulk.undo_of_id}
    return who | move.values(cleaned, bulk.entity_ids)


def _stored(value: Any) -> Any:
    if isinstance(value, User):
        return value.pk
    return json.dumps(value) if isinstance(value, dict) else value
