"""Voiding an export batch: its journals come back as approved, its number and its bytes stay."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apps.core.errors import Refused
from apps.core.models import User
from apps.core.permissions import EXPORT_JOURNALS, check_may
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope, digest
from apps.ledger.models import BatchJournal, ExportBatch, Journal
from apps.ledger.periods import locked_months
from apps.settlements import causes
from apps.settlements.exports import record, record_each
from apps.settlements.facts import read
from apps.settlements.journals import buildable, compute, rebuild
from apps.settlements.models import SettlementJournal
from apps.settlements.resolutions import lock_mapping
from apps.settlements.waiting import settle

State = Journal.State


@dataclass(frozen=True, kw_only=True)
class Change:
    """What voiding does to a journal: its state before and after, in words."""

    journal: Journal
    before: str
    after: str


def preview_void(*, batch: ExportBatch, actor: User) -> Plan:
    """What voiding would do to every journal of its settlements (`changes`), computed without doing it."""
    settle(batch.entity)
    given_back = _given_back(batch, actor)
    after = _after(batch, given_back)
    journals = {journal.pk: journal for journal in Journal.objects.filter(pk__in=after).order_by("key")}
    changes = [
        Change(journal=journal, before=journal.get_state_display(), after=after[pk])
        for pk, journal in journals.items()
        if after[pk] != journal.get_state_display()
    ]
    count = len(given_back)
    return Plan(
        effect=f"Void batch {batch.number}",
        says=(
            f"Gives {count} journal{'s' if count > 1 else ''} back as approved and keeps the file, marked as void. "
            "Take them out of the books where you imported the file."
        ),
        digest=digest("void", batch.pk, actor.pk, *[(each.journal.pk, each.before, each.after) for each in changes]),
        detail={"changes": changes},
    )


def _after(batch: ExportBatch, given_back: list[Journal]) -> dict[int, str]:
    """Id of each journal that has not left, or comes back -> its state then, in words."""
    settlements = set(
        SettlementJournal.objects.filter(journal__in=given_back).values_list("version__settlement", flat=True)
    )
    taken = buildable(batch.entity).filter(settlement__in=settlements)
    facts = read(batch.entity, list(taken), settlements=settlements, given_back=[journal.pk for journal in given_back])
    entries = {entry.key: entry for payout in compute(facts) for entry in payout.entries}
    found = {}
    for key, standing in facts.standing.items():
        if key not in entries:
            if standing.lines_hash:  # else it was emptied before
                found[standing.id] = "Gone: nothing is left to book in it"
        elif entries[key].lines_hash == standing.lines_hash:
            found[standing.id] = State(standing.state).label
        else:
            found[standing.id] = (State.DRAFT if entries[key].draft.complete else State.INCOMPLETE).label
    return found


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
    lock_mapping(batch.entity_id)
    batch = ExportBatch.objects.select_related("entity", "voided_by").get(pk=batch.pk)
    given_back = _given_back(batch, actor)
    batch.journals.update(live=False)
    batch.voided_by, batch.voided_at, batch.void_reason = actor, timezone.now(), reason
    batch.save(update_fields=["voided_by", "voided_at", "void_reason"])
    Journal.objects.filter(pk__in=[journal.pk for journal in given_back]).update(state=State.APPROVED)
    record(batch, actor, "batch.voided", reason=reason)
    record_each(batch, given_back, actor, "journal.given-back", State.EXPORTED, State.APPROVED)
    versions = SettlementJournal.objects.filter(journal__in=given_back).values_list("version", flat=True)
    rebuild(list(versions.distinct()), because=f"batch {batch.number}, in which it had left, was voided.")
    return batch


def _given_back(batch: ExportBatch, actor: User) -> list[Journal]:
    """Its journals, where it can be voided. Refused in words where it cannot."""
    check_may(actor, EXPORT_JOURNALS, batch.entity)
    if batch.voided_at:
        raise Refused(f"{batch.voided_by} voided batch {batch.number} already.", code="voided")
    found = list(Journal.objects.filter(batches__batch=batch))
    locked = locked_months(batch.entity)
    for journal in found:
        if journal.period in locked:
            raise Refused(f"{journal.period:%B %Y} is locked.", code="locked")
    later = BatchJournal.objects.filter(journal__corrects__in=found, live=True).exclude(batch=batch)
    if first := later.select_related("batch", "journal__corrects").order_by("-batch__number").first():
        raise Refused(
            f"Void batch {first.batch.number} first: {first.journal.key} in it corrects {first.journal.corrects.key}.",
            code="corrected-later",
        )
    return found
