"""The next job of a bulk, whose it is to begin, and what the audit of each company says of it."""

from typing import Any

from apps.core.errors import NotAllowed
from apps.core.models import AuditEntry, Entity, User
from apps.integrations.jobs import enqueue
from apps.work.bulk.models import Bulk

CHECK, RUN = "cases.bulk-check", "cases.bulk"


def begin(bulk: Bulk, kind: str, verb: str) -> Bulk:
    """Where all members are of one company, the job is too."""
    entity_ids = bulk.entity_ids
    entity = Entity.objects.get(pk=entity_ids[0]) if len(entity_ids) == 1 else None
    bulk.job = enqueue(kind=kind, entity=entity, args={"bulk": bulk.pk}, actor=bulk.made_by)
    bulk.save()
    if verb:
        record(bulk, bulk.made_by, verb, {"eligible": bulk.eligible, "not eligible": bulk.not_eligible})
    return bulk


def record(bulk: Bulk, user: User, verb: str, after: dict[str, Any]) -> None:
    """In the audit of each company that it touches, without figures of the others."""
    for entity in Entity.objects.filter(pk__in=bulk.entity_ids):
        AuditEntry.objects.record(
            actor=user,
            entity=entity,
            verb=verb,
            subject=bulk.audit_subject,
            after={"action": bulk.action, **(after if len(bulk.entity_ids) == 1 else {})},
        )


def check_mine(bulk: Bulk, user: User) -> None:
    if bulk.made_by != user:
        raise NotAllowed(f"{bulk.made_by.name} began this bulk action, and alone confirms, stops or repeats it.")
