"""Export: approved journals leave together, once, in a numbered batch whose bytes are kept."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from django.db import transaction
from django.db.models import Max

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.permissions import EXPORT_JOURNALS, READ_MONEY, check_may
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope, digest
from apps.ledger import formats
from apps.ledger.approval import hash_of
from apps.ledger.models import BatchJournal, ExportBatch, Journal, JournalLine
from apps.ledger.periods import locked_months
from apps.settlements import causes
from apps.settlements.approval import Review, closed_in, gather, named, split, total_words

State = Journal.State
Format = ExportBatch.Format
LINES_SHOWN = 6


def preview_export(*, journals: Iterable[Journal], format: str, actor: User) -> Plan:
    """What exporting would do. Its detail: reviews of those that `go` and `stay`, the `total`, and how the file begins."""
    reviews = _reviews(journals, format, actor)
    go, stay = split(reviews)
    entity = go[0].journal.entity
    batch = ExportBatch(entity=entity, number=_next_number(entity), format=format)
    return Plan(
        effect=f"Export {named(go)} as batch {batch.number}",
        says=f"Keeps {batch.name} as it leaves. What changes afterwards becomes a journal of only the difference.",
        digest=digest(
            "export",
            actor.pk,
            batch.name,
            *[(each.journal.pk, each.journal.lines_hash, each.refusal) for each in reviews],
        ),
        detail={
            "go": go,
            "stay": stay,
            "total": total_words(each.journal for each in go),
            "begins": _content(go, format).decode().split("\r\n")[:LINES_SHOWN],
        },
    )


@transaction.atomic
def export(*, journals: Iterable[Journal], format: str, actor: User) -> ExportBatch:
    """Write those that can leave into the company's next batch; the others stay. Refused where none can."""
    go, _ = split(_reviews(journals, format, actor))
    left, entity = [each.journal for each in go], go[0].journal.entity
    content = _content(go, format)
    batch = ExportBatch.objects.create(
        entity=entity,
        number=_next_number(entity),
        format=format,
        content=content,
        sha256=sha256(content).hexdigest(),
        made_by=actor,
    )
    BatchJournal.objects.bulk_create(BatchJournal(batch=batch, journal=journal) for journal in left)
    Journal.objects.filter(pk__in=[journal.pk for journal in left]).update(state=State.EXPORTED)
    keys = [journal.key for journal in left]
    after = {"journals": keys, "total": total_words(left), "file": batch.name, "sha256": batch.sha256}
    record(batch, actor, "batch.exported", after=after)
    record_each(batch, left, actor, "journal.exported", State.APPROVED, State.EXPORTED)
    sweep_each({code: Scope(entity=entity) for code in causes.MONTHS})
    return batch


@transaction.atomic
def download(*, batch: ExportBatch, actor: User) -> bytes:
    """The bytes as they were exported, the same every time; who took them is in the audit trail."""
    check_may(actor, READ_MONEY, batch.entity)
    record(batch, actor, "batch.downloaded", after={"file": batch.name, "sha256": batch.sha256})
    return bytes(batch.content)


def _reviews(journals: Iterable[Journal], format: str, actor: User) -> list[Review]:
    journals = gather(journals, actor, EXPORT_JOURNALS)
    entity = journals[0].entity
    locked, closed, hashes = locked_months(entity), closed_in(journals), hash_of(journals)
    left = dict(BatchJournal.objects.filter(journal__in=journals, live=True).values_list("journal", "batch__number"))

    def refusal(journal: Journal) -> str:
        if journal.pk in left:
            return f"It left in batch {left[journal.pk]} already."
        if journal.state != State.APPROVED:
            return f"It is {journal.get_state_display().lower()}: only approved journals leave."
        if journal.period in locked:
            return f"{journal.period:%B %Y} is locked."
        if journal.pk in closed:
            return closed[journal.pk]
        if hashes[journal.pk] != journal.approved_hash:
            return "Its lines are not those that were approved."
        if format == Format.XERO and journal.currency != entity.base_currency:
            return f"Xero books manual journals in {entity.base_currency} alone. Export it as generic CSV."
        return ""

    return [Review(journal=journal, refusal=refusal(journal)) for journal in journals]


def _content(reviews: Sequence[Review], format: str) -> bytes:
    rows: dict[int, list[formats.Row]] = {each.journal.pk: [] for each in reviews}
    lines = (
        JournalLine.objects.filter(journal__in=rows).select_related("account", "tax_code").order_by("journal", "number")
    )
    for line in lines:
        rows[line.journal_id].append(
            formats.Row(
                account=line.account.code,
                account_name=line.account.name,
                description=line.label,
                tax_code=line.tax_code.name if line.tax_code else "",
                amount=line.debit - line.credit,
            )
        )
    if format == Format.XERO and len(lines) > formats.XERO_LINES:
        raise Refused(
            f"These journals have {len(lines):,} lines, and Xero takes {formats.XERO_LINES} in one file. Export fewer at once.",
            code="too-many-lines",
        )
    entries = [
        formats.Entry(
            key=journal.key,
            settlement=journal.of_settlement.version.settlement.settlement_id,
            period=journal.period,
            dated=journal.dated,
            currency=journal.currency,
            corrects=journal.corrects.key if journal.corrects else "",
            rows=tuple(rows[journal.pk]),
        )
        for journal in (each.journal for each in reviews)
    ]
    return formats.FORMATS[format](entries, reviews[0].journal.entity.country)


def _next_number(entity: Entity) -> int:
    return (ExportBatch.objects.filter(entity=entity).aggregate(last=Max("number"))["last"] or 0) + 1


def record(batch: ExportBatch, actor: User, verb: str, *, after: dict | None = None, reason: str = "") -> None:
    """An audit entry about the batch."""
    AuditEntry.objects.record(
        actor=actor,
        entity=batch.entity,
        verb=verb,
        subject=f"batch:{batch.pk}",
        after={"batch": batch.number} | (after or {}),
        reason=reason,
    )


def record_each(
    batch: ExportBatch, journals: Sequence[Journal], actor: User, verb: str, before: State, after: State
) -> None:
    """An audit entry about each journal that left in it or came back."""
    AuditEntry.objects.record_all(
        AuditEntry(
            actor=actor,
            actor_name=actor.name,
            entity=batch.entity,
            verb=verb,
            subject=f"journal:{journal.pk}",
            before={"state": before},
            after={"state": after, "batch": batch.number},
        )
        for journal in journals
    )
