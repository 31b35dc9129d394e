"""Which cases a bulk is of, kept at the instant of the click, and whether it can be begun with them at all."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from apps.core.errors import NotAllowed, Refused
from apps.core.models import User
from apps.exceptions.models import CaseQuerySet
from apps.exceptions.operations import InvalidForm, find_action
from apps.work.bulk import statements
from apps.work.bulk.beginning import CHECK, begin
from apps.work.bulk.models import Bulk, queue_key
from apps.work.bulk.moves import BULK_MOVES, queues_worked_by

MOST = 50_000


def begin_with(bulk: Bulk, cases: CaseQuerySet, data: Mapping[str, Any]) -> Bulk:
    """Save the bulk with these cases, and have each checked. Raises InvalidForm, NotAllowed, Refused."""
    bulk.save()
    kinds = _keep(bulk, cases)
    if bulk.undo_of:
        bulk.queues = bulk.undo_of.queues  # who reads what was done reads how it is put back, wherever the cases are by now
    elif bulk.action in BULK_MOVES:
        _take_move(bulk, data)
    else:
        _take_action(bulk, cases, kinds, data)
    return begin(bulk, CHECK, "")


def _keep(bulk: Bulk, cases: CaseQuerySet) -> set[str]:
    """Remember which cases they are, and of which queues; the types that they are of."""
    chosen = cases.by_rank()[:MOST].values_list("pk", "entity_id", "team", "type")
    made_of: list[tuple[int, str, str, int]] = []
    with suppress(EmptyResultSet), connection.cursor() as cursor:  # nothing can match where a person reads no queue
        query, values = chosen.query.sql_with_params()
        cursor.execute(statements.FREEZE.format(chosen=query), [*values, bulk.pk])
        made_of = cursor.fetchall()
    bulk.members = sum(number for *_, number in made_of)
    if not bulk.members:
        raise Refused("No exception is chosen. Tick some, or choose all that match.", code="none-chosen")
    bulk.matched = bulk.members if bulk.members < MOST else cases.count()
    bulk.queues = sorted({queue_key(entity, team) for entity, team, _, _ in made_of})
    return {kind for _, _, kind, _ in made_of}


def _take_move(bulk: Bulk, data: Mapping[str, Any]) -> None:
    if not set(bulk.queues) & set(queues_worked_by(bulk.made_by)):
        raise NotAllowed("Your role works on none of these exceptions. The people of their teams do. Nothing was changed.")
    form = BULK_MOVES[bulk.action].form(data, entity_ids=bulk.entity_ids)
    if not form.is_valid():
        raise InvalidForm(form)
    bulk.data = {name: _plain(value) for name, value in form.cleaned_data.items()}


def _take_action(bulk: Bulk, cases: CaseQuerySet, kinds: Collection[str], data: Mapping[str, Any]) -> None:
    if len(kinds) > 1:
        raise Refused("They are of several kinds, and this is done to one kind. Filter by cause first.", code="several-types")
    (bulk.type,) = kinds
    sample = cases.select_related("entity").by_rank().first()
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
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
