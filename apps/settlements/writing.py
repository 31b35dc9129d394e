"""Writes journals as computed, and nothing that is the same already."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256

from django.db import connection
from django.db.models.functions import Now

from apps.core.models import AuditEntry
from apps.ledger.corrections import Origin, place_of, without
from apps.ledger.models import Journal, JournalLine
from apps.ledger.rules import Draft, Line, Part, fingerprint
from apps.settlements import statements
from apps.settlements.facts import Facts
from apps.settlements.models import JournalPart, SettlementVersion

State = Journal.State


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
        """Over what should stand behind its lines. What has left of it is the same as long as the key is."""
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
    ids = [facts.standing[key].id for key in keys if facts.standing[key].approved]
    if not ids:
        return
    approved = list(Journal.objects.filter(pk__in=ids).select_related("approved_by"))
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
        journal.end_approval(f"{journal.approved_by} had approved it. Then it changed: {because}")
    Journal.objects.bulk_update(approved, Journal.APPROVAL)


def _drop(facts: Facts, keys: Sequence[str]) -> None:
    """Nothing is left to book in them. One that was in a voided batch stays, empty: its batch goes on naming it."""
    if not keys:
        return
    rows = [facts.standing[key] for key in keys]
    kept = [row.id for row in rows if row.left_once]
    JournalPart.objects.filter(journal_line__journal__in=[row.id for row in rows]).delete()
    JournalLine.objects.filter(journal__in=kept).delete()
    Journal.objects.filter(pk__in=kept).update(state=State.DRAFT, lines_hash="", built_at=Now())
    Journal.objects.filter(pk__in=[row.id for row in rows if not row.left_once]).delete()


def _write_lines(facts: Facts, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    rebuilt = [facts.standing[entry.key].id for entry in entries if entry.key in facts.standing]
    if rebuilt:
        JournalPart.objects.filter(journal_line__journal__in=rebuilt).delete()
        JournalLine.objects.filter(journal__in=rebuilt).delete()
    rows = [
        (
            facts.entity.pk,
            entry.key,
            entry.version.settlement.currency,
            entry.period,
            entry.dated,
            State.DRAFT.value if entry.draft.complete else State.INCOMPLETE.value,
            entry.corrects,
            entry.lines_hash,
            entry.draft.default_leg_lines,
            entry.draft.default_leg_amount,
            entry.version.pk,
            entry.month,
            entry.number,
            entry.parts_hash,
        )
        for entry in entries
    ]
    lines = [
        (entry.key, number, line.account, line.label, line.tax_code, line.debit, line.credit)
        for entry in entries
        for number, line in enumerate(entry.draft.lines, 1)
    ]
    _execute(
        (statements.WRITE_JOURNALS, rows), (statements.WRITE_LINES, lines), (statements.WRITE_PARTS, _parts(facts, entries))
    )


def _regroup(facts: Facts, entries: Sequence[Entry]) -> None:
    """What they say is the same, an approval holds; only what the figures are made of is another."""
    if not entries:
        return
    rows = [
        (entry.key, entry.draft.default_leg_lines, entry.draft.default_leg_amount, entry.version.pk, entry.parts_hash)
        for entry in entries
    ]
    JournalPart.objects.filter(journal_line__journal__in=[facts.standing[entry.key].id for entry in entries]).delete()
    _execute((statements.REGROUP, rows), (statements.WRITE_PARTS, _parts(facts, entries)))


def _execute(*writes: tuple[str, Sequence[tuple]]) -> None:
    """These statements, each with its rows as one array a column, in one go; without rows there is nothing to write."""
    writes = [(statement, rows) for statement, rows in writes if rows]
    columns = [list(column) for _, rows in writes for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(";".join(statement for statement, _ in writes), columns)


def _parts(facts: Facts, entries: Sequence[Entry]) -> list[tuple]:
    """A correction's parts are less what has left already."""
    booked = _booked_parts(facts, [entry for entry in entries if entry.corrects is not None])
    return [
        (entry.key, number, part.cause, part.leg, part.default_leg, part.lines, part.amount)
        for entry in entries
        for number, line in enumerate(entry.draft.lines, 1)
        for part in _parts_of(facts, entry, line, booked)
    ]


def _parts_of(facts: Facts, entry: Entry, line: Line, booked: dict) -> Iterable[Part]:
    if entry.corrects is None or line.account is None:
        return line.parts
    place = place_of(line.account, line.tax_code, line.label, facts.books)
    return without(place, line.parts, booked[entry.version.settlement_id, entry.month])


def _booked_parts(facts: Facts, corrections: Sequence[Entry]) -> dict[tuple[int, date], dict[Origin, tuple[int, Decimal]]]:
    """(settlement, month) -> what the exported journals' lines on the corrected accounts are made of, in sum."""
    found: dict = defaultdict(dict)
    if not corrections:
        return found
    corrected = {(entry.version.settlement_id, entry.month) for entry in corrections}
    months = {journal: month for month in corrected for journal in facts.booked[month].journals}
    asked = {
        "journals": list(months),
        "accounts": sorted({line.account for entry in corrections for line in entry.draft.lines if line.account}),
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.BOOKED_PARTS, asked)
        for journal, account, tax_code, label, *origin, lines, amount in cursor.fetchall():
            booked, key = found[months[journal]], (place_of(account, tax_code, label, facts.books), *origin)
            had_lines, had = booked.get(key, (0, Decimal(0)))
            booked[key] = (had_lines + lines, had + amount)
    return found
