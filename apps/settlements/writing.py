"""Writes journals as computed, and nothing that is the same already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from django.db.models.functions import Now

from apps.core.models import AuditEntry
from apps.ledger.models import Journal, JournalLine
from apps.ledger.rules import Draft, Line, fingerprint
from apps.settlements.facts import Facts, is_approved
from apps.settlements.models import JournalPart, SettlementJournal, SettlementVersion

State = Journal.State
BATCH = 2000
NOT_APPROVED = {"state": State.DRAFT, "approved_hash": "", "approved_by": None, "approved_at": None}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A journal as it is to be. `period` is the month that it is posted in, `corrects` the id of the one it follows."""

    version: SettlementVersion
    month: date
    number: int
    corrects: int | None
    draft: Draft
    period: date

    @property
    def key(self) -> str:
        return f"stl:{self.version.settlement.settlement_id}:{self.month:%Y%m}:{self.number}"

    @property
    def dated(self) -> date:
        """A journal that is posted later than its month is dated on that later month's first day."""
        return max(self.draft.dated, self.period)

    @property
    def lines_hash(self) -> str:
        return fingerprint(self.period, self.dated, self.draft.lines)

    @property
    def parts_hash(self) -> str:
        parts = [(place, part) for place, line in enumerate(self.draft.lines) for part in line.parts]
        said = (f"{p}|{x.cause}|{x.leg}|{x.default_leg}|{x.lines}|{x.amount:.4f}" for p, x in parts)
        return sha256("\n".join(said).encode()).hexdigest()


def write(facts: Facts, entries: Sequence[Entry], because: str) -> None:
    """Make what stands of these facts' settlements equal to the entries. Words as apps.settlements.journals.rebuild."""
    standing = facts.standing
    wanted = {entry.key: entry for entry in entries}
    changed = [
        entry for key, entry in wanted.items() if key not in standing or standing[key].lines_hash != entry.lines_hash
    ]
    regrouped = [
        entry
        for key, entry in wanted.items()
        if key in standing
        and standing[key].lines_hash == entry.lines_hash
        and (standing[key].parts_hash, standing[key].version) != (entry.parts_hash, entry.version.pk)
    ]
    gone = [key for key in standing if key not in wanted]
    _take_back(facts, [entry.key for entry in changed if entry.key in standing] + gone, because)
    _drop(facts, gone)
    _write_lines(facts, changed)
    _regroup(facts, regrouped)


def _take_back(facts: Facts, keys: Sequence[str], because: str) -> None:
    """Those of them that are approved go back to draft, and say why."""
    ids = [facts.standing[key].id for key in keys if is_approved(facts.standing[key])]
    if not ids:
        return
    approved = list(Journal.objects.filter(pk__in=ids).select_related("approved_by"))
    for journal in approved:
        journal.returned = f"{journal.approved_by} had approved it. Then it changed: {because}"
    AuditEntry.objects.record_all(
        AuditEntry(
            actor_name="opsconsole",
            entity=facts.entity,
            verb="journal.returned",
            subject=f"journal:{journal.pk}",
            before={"state": State.APPROVED, "approved by": str(journal.approved_by)},
            after={"state": State.DRAFT},
            reason=because,
        )
        for journal in approved
    )
    for journal in approved:
        for name, value in NOT_APPROVED.items():
            setattr(journal, name, value)
    Journal.objects.bulk_update(approved, [*NOT_APPROVED, "returned"])


def _drop(facts: Facts, keys: Sequence[str]) -> None:
    """Nothing is left to book in them. One that was in a voided batch stays, empty: its batch goes on naming it."""
    rows = [facts.standing[key] for key in keys]
    kept = [row.id for row in rows if row.left_once]
    JournalPart.objects.filter(journal_line__journal__in=[row.id for row in rows]).delete()
    JournalLine.objects.filter(journal__in=kept).delete()
    Journal.objects.filter(pk__in=kept).update(state=State.DRAFT, lines_hash="", built_at=Now())
    Journal.objects.filter(pk__in=[row.id for row in rows if not row.left_once]).delete()


def _write_lines(facts: Facts, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    journals = Journal.objects.bulk_create(
        [
            Journal(
                entity=facts.entity,
                key=entry.key,
                currency=entry.version.settlement.currency,
                period=entry.period,
                dated=entry.dated,
                state=State.DRAFT if entry.draft.complete else State.INCOMPLETE,
                corrects_id=entry.corrects,
                lines_hash=entry.lines_hash,
                default_leg_lines=entry.draft.default_leg_lines,
                default_leg_amount=entry.draft.default_leg_amount,
                built_at=Now(),
            )
            for entry in entries
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=[
            "period", "dated", "state", "corrects", "lines_hash", "default_leg_lines", "default_leg_amount", "built_at",
        ],
    )  # fmt: skip
    _link(entries, journals)
    rebuilt = [journal.pk for entry, journal in zip(entries, journals, strict=True) if entry.key in facts.standing]
    if rebuilt:
        JournalPart.objects.filter(journal_line__journal__in=rebuilt).delete()
        JournalLine.objects.filter(journal__in=rebuilt).delete()
    lines = [
        JournalLine(
            journal=journal,
            number=number,
            account_id=line.account,
            label=line.label,
            tax_code_id=line.tax_code,
            debit=line.debit,
            credit=line.credit,
        )
        for entry, journal in zip(entries, journals, strict=True)
        for number, line in enumerate(entry.draft.lines, 1)
    ]
    rows = JournalLine.objects.bulk_create(lines, batch_size=BATCH)
    _write_parts(rows, [line for entry in entries for line in entry.draft.lines])


def _regroup(facts: Facts, entries: Sequence[Entry]) -> None:
    """What they say is the same, an approval holds; only what the figures are made of is another."""
    if not entries:
        return
    ids = {facts.standing[entry.key].id: entry for entry in entries}
    journals = Journal.objects.in_bulk(ids)
    for pk, journal in journals.items():
        journal.default_leg_lines = ids[pk].draft.default_leg_lines
        journal.default_leg_amount = ids[pk].draft.default_leg_amount
    Journal.objects.bulk_update(journals.values(), ["default_leg_lines", "default_leg_amount"])
    _link(entries, [journals[facts.standing[entry.key].id] for entry in entries])
    JournalPart.objects.filter(journal_line__journal__in=ids).delete()
    rows = {(row.journal_id, row.number): row for row in JournalLine.objects.filter(journal__in=ids)}
    found = [
        (rows[pk, number], line) for pk, entry in ids.items() for number, line in enumerate(entry.draft.lines, 1)
    ]
    _write_parts([row for row, _ in found], [line for _, line in found])


def _link(entries: Sequence[Entry], journals: Sequence[Journal]) -> None:
    SettlementJournal.objects.bulk_create(
        [
            SettlementJournal(
                version=entry.version,
                journal=journal,
                month=entry.month,
                number=entry.number,
                parts_hash=entry.parts_hash,
            )
            for entry, journal in zip(entries, journals, strict=True)
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["journal"],
        update_fields=["version", "parts_hash"],
    )


def _write_parts(rows: Sequence[JournalLine], lines: Sequence[Line]) -> None:
    JournalPart.objects.bulk_create(
        [
            JournalPart(
                journal_line=row,
                signature_id=part.cause,
                leg=part.leg,
                default_leg=part.default_leg,
                lines=part.lines,
                amount=part.amount,
            )
            for row, line in zip(rows, lines, strict=True)
            for part in line.parts
        ],
        batch_size=BATCH,
    )
