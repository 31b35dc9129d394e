"""Voiding an export batch: its journals come back as approved, its number and its bytes stay."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import User
from apps.core.permissions import EXPORT_JOURNALS
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope, digest
from apps.ledger.models import BatchJournal, ExportBatch, Journal
from apps.ledger.periods import locked_months
from apps.settlements import causes
from apps.settlements.approval import check_may
from apps.settlements.exports import record, record_each
from apps.settlements.journals import rebuild
from apps.settlements.models import SettlementJournal
from apps.settlements.resolutions import lock_mapping

State = Journal.State


@dataclass(frozen=True, kw_only=True)
class Change:
    """What voiding does to a journal: its state before and after, in words."""

    journal: Journal
    before: str
    after: str


def preview_void(*, batch: ExportBatch, actor: User) -> Plan:
    """What voiding does, found by doing it and taking it back: `changes` are of every journal of its settlements."""
    with transaction.atomic():
        before = _of_settlements(batch)
        _void(batch, "–", actor)
        after = {journal.key: journal for journal in _of_settlements(batch).values() if journal.lines_hash}
        transaction.set_rollback(True)
    changes = [
        Change(
            journal=journal,
            before=journal.get_state_display(),
            after=after[key].get_state_display() if key in after else "Gone: nothing is left to book in it",
        )
        for key, journal in before.items()
        if journal.lines_hash and (key not in after or after[key].state != journal.state)
    ]
    count = batch.journals.count()
    return Plan(
        effect=f"Void batch {batch.number}",
        says=(
            f"Gives {count} journal{'s' if count > 1 else ''} back as approved and keeps the file, marked as void. "
            "Take them out of the books where you imported the file."
        ),
        digest=digest(
            "void",
            batch.pk,
            actor.pk,
            *[(key, journal.state, journal.lines_hash) for key, journal in sorted(after.items())],
        ),
        detail={"changes": changes},
    )


@transaction.atomic
def void_batch(*, batch: ExportBatch, reason: str, actor: User) -> ExportBatch:
    """Give a batch's journals back as approved; what changed since they left is then built into them.

    Refused where a correction of one of them is in another live batch, or its month is locked.
    """
    if not reason.strip():
        raise Refused("Say why, for whoever reads this later.", field="reason")
    batch = _void(batch, reason.strip(), actor)
    sweep_each({code: Scope(entity=batch.entity) for code in causes.JOURNALS})
    return batch


def _void(batch: ExportBatch, reason: str, actor: User) -> ExportBatch:
    check_may(actor, EXPORT_JOURNALS, batch.entity)
    lock_mapping(batch.entity_id)
    batch = ExportBatch.objects.select_related("entity", "voided_by").get(pk=batch.pk)
    if batch.voided_at:
        raise Refused(f"{batch.voided_by} voided batch {batch.number} already.", code="voided")
    given_back = list(Journal.objects.filter(batches__batch=batch))
    locked = locked_months(batch.entity)
    for journal in given_back:
        if journal.period in locked:
            raise Refused(f"{journal.period:%B %Y} is locked.", code="locked")
    later = BatchJournal.objects.filter(journal__corrects__in=given_back, live=True).exclude(batch=batch)
    if first := later.select_related("batch", "journal__corrects").order_by("-batch__number").first():
        raise Refused(
            f"Void batch {first.batch.number} first: {first.journal.key} in it corrects {first.journal.corrects.key}.",
            code="corrected-later",
        )
    batch.journals.update(live=False)
    batch.voided_by, batch.voided_at, batch.void_reason = actor, timezone.now(), reason
    batch.save(update_fields=["voided_by", "voided_at", "void_reason"])
    Journal.objects.filter(pk__in=[journal.pk for journal in given_back]).update(state=State.APPROVED)
    record(batch, actor, "batch.voided", reason=reason)
    record_each(batch, given_back, actor, "journal.given-back", State.EXPORTED, State.APPROVED)
    versions = SettlementJournal.objects.filter(journal__in=given_back).values_list("version", flat=True)
    rebuild(list(versions.distinct()), because=f"batch {batch.number}, in which it had left, was voided.")
    return batch


def _of_settlements(batch: ExportBatch) -> dict[str, Journal]:
    """Key -> each journal of the settlements that the batch is about."""
    settlements = SettlementJournal.objects.filter(journal__batches__batch=batch).values("version__settlement")
    rows = Journal.objects.filter(of_settlement__version__settlement__in=settlements)
    return {journal.key: journal for journal in rows.order_by("key")}
