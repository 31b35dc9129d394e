"""What people do to spreadsheets: bring one, have its good rows saved, throw it away, undo it. Each is audited."""

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.core.errors import Refused
from apps.core.models import AuditEntry, Entity, User
from apps.core.money import ZERO
from apps.core.permissions import check_may
from apps.exceptions.operations import sweep_soon, take_turn
from apps.exceptions.sweep import sweep_each
from apps.exceptions.types import Plan, Scope, digest
from apps.exceptions.weighing import weighed
from apps.imports.dry_run import Say, digest_of, dry_run, judge_again
from apps.imports.importable import SHEETS, Good, Importable, sheet_of, weight_shown
from apps.imports.models import Import, ImportRow, Mode, Outcome
from apps.imports.reading import LARGEST
from apps.integrations.files import Kept, keep, readable
from apps.integrations.jobs import ENDED, enqueue
from apps.integrations.models import JobState

CHECK, APPLY = "imports.check", "imports.apply"
State = Import.State
CHANGED_MEANWHILE = "What is there changed since you looked, so nothing was saved. This is what the file does now."
WRITTEN = """
UPDATE imports_importrow SET record = written.record
FROM unnest(%s::int[], %s::bigint[]) AS written(number, record)
WHERE imports_importrow.of_id = %s AND imports_importrow.number = written.number
"""


def take_file(
    *, entity: Entity, sheet: str, mode: str, name: str, chunks: Iterable[bytes], actor: User
) -> Import:
    """Keep the file as it came, and have it checked in the background. Call it outside a transaction."""
    check_may(actor, SHEETS[sheet].permission, entity)
    return take_kept(entity=entity, sheet=sheet, mode=mode, name=name, kept=keep_sheet(chunks), actor=actor)


def keep_sheet(chunks: Iterable[bytes]) -> Kept:
    """The bytes of a spreadsheet in the storage, outside a transaction. Refused where they are none or too many."""
    return keep(_bounded(chunks))


@transaction.atomic
def take_kept(*, entity: Entity, sheet: str, mode: str, name: str, kept: Kept, actor: User) -> Import:
    """Have a kept file checked in the background. Refused where the very same one was saved for this company and sheet."""
    check_may(actor, SHEETS[sheet].permission, entity)
    _refuse_taken(entity, sheet, kept.sha256)
    row = Import.objects.create(
        entity=entity,
        sheet=sheet,
        mode=Mode(mode),
        name=readable(name),
        sha256=kept.sha256,
        size=kept.size,
        path=kept.path,
        made_by=actor,
    )
    row.job = enqueue(kind=CHECK, entity=entity, args={"import": row.pk}, actor=actor)
    row.save(update_fields=["job"])
    return row


def begin_apply(*, row: Import, digest: str, keep_conflicts: bool, actor: User) -> Import:
    """Have the good rows saved in the background, as they were shown under this digest."""
    with transaction.atomic():
        row = _locked(row, actor)
        if not can_apply(row):
            raise Refused(f"{row.name} is {row.get_state_display().lower()}. Nothing was changed.", code="not-ready")
        if row.digest != digest:
            raise Refused(CHANGED_MEANWHILE, code="plan-changed")
        if row.mode == Mode.ALL and row.needing:
            words = f"You chose all rows or none, and {row.needing:,} of them need you. Mend the file and bring it again."
            raise Refused(words, code="not-all-good")
        if not row.good and not (keep_conflicts and row.conflict):
            raise Refused("No row of it changes anything. There is nothing to save.", code="nothing-to-do")
        _refuse_taken(row.entity, row.sheet, row.sha256, but=row)
        row.state = State.APPLYING
        row.words = ""
        args = {"import": row.pk, "keep_conflicts": keep_conflicts}
        row.job = enqueue(kind=APPLY, entity=row.entity, args=args, actor=actor)
        row.save(update_fields=["state", "words", "job"])
    return row


def can_apply(row: Import) -> bool:
    """A saving that was stopped, or failed by a fault of ours, may be begun again: it saved nothing."""
    broken = row.job is not None and row.job.state in ENDED and row.job.state != JobState.DONE
    return row.state == State.READY or (row.state == State.APPLYING and broken)


def apply(*, row: Import, keep_conflicts: bool, actor: User, say: Say) -> Import:
    """Save the good rows inside the caller's transaction, if every row would still do what was shown.

    Where something changed in between, or more waits for it than was shown and that takes a second person, nothing is saved
    and the dry run is written anew.
    """
    take_turn(row.entity_id)
    row = Import.objects.select_for_update(of=("self",)).select_related("entity").get(pk=row.pk)
    if row.state != State.APPLYING:
        return row
    sheet = sheet_of(row)
    judging = judge_again(row, say)
    good = list(judging.good.values())
    if digest_of(row, judging) != row.digest or _outweighs(row, good):
        row.words = CHANGED_MEANWHILE
        return dry_run(row, say)
    say(f"Saving {len(good):,} rows", len(good))
    records = sheet.apply(row, good, actor)
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN, [list(records), list(records.values()), row.pk])
    kept = judging.clashing if keep_conflicts and sheet.keep_conflicts else []
    if kept:
        sheet.keep_conflicts(row, kept, actor)
    row.state, row.applied_by, row.applied_at = State.APPLIED, actor, Now()
    row.save(update_fields=["state", "applied_by", "applied_at"])
    did = {outcome.label.lower(): getattr(row, outcome.value) for outcome in Outcome} | {"kept for a person": len(kept)}
    _record(row, "import.applied", actor, did)
    say("Looking for exceptions that end", len(good))
    sweep_each({code: Scope(entity=row.entity) for code in sheet.clears}, ended_by=actor, ending=f"{row.name} was imported.")
    sweep_soon(row.entity_id)
    return row


def _outweighs(row: Import, good: list[Good]) -> bool:
    """Whether it is too heavy for one person, and heavier than who asked or approved has seen."""
    entity, shown = row.entity, weight_shown(row)
    if entity.second_above is None and entity.second_lines_above is None:
        return False
    weight = sheet_of(row).effect(entity, good).weight
    heavier = weight.lines > shown.lines or any(money > shown.money.get(each, ZERO) for each, money in weight.money.items())
    return heavier and bool(weighed(entity, Plan(effect="", says="", digest="", weight=weight)).over)


def throw_away(*, row: Import, actor: User) -> Import:
    """Put the import aside without saving any of it. The file stays stored."""
    with transaction.atomic():
        row = _locked(row, actor)
        if not (can_apply(row) or row.state == State.REFUSED):
            raise Refused(f"{row.name} is {row.get_state_display().lower()}. Nothing was changed.", code="not-ready")
        row.state = State.THROWN_AWAY
        row.save(update_fields=["state"])
        _record(row, "import.thrown-away", actor, {})
    return row


def preview_undo(row: Import) -> Plan:
    """What undoing would do. Raises Refused, with every reason, where later work builds on it."""
    if row.state != State.APPLIED:
        raise Refused(f"{row.name} is {row.get_state_display().lower()}: there is nothing to undo.", code="not-applied")
    undoing = sheet_of(row).undoing(row)
    if undoing.why_not:
        raise Refused(" ".join([*undoing.why_not, "So it cannot be undone as one."]), code="built-upon")
    return Plan(
        effect=f"Undo {row.good:,} row{'' if row.good == 1 else 's'}",
        says=" ".join(undoing.says) or "It changed nothing, so nothing goes back.",
        digest=digest(row.pk, row.state, undoing.says),
        weight=undoing.weight,
    )


@transaction.atomic
def undo(*, row: Import, reason: str, actor: User) -> Import:
    """Take back all that the import did. The same file may be brought again afterwards."""
    take_turn(row.entity_id)
    row = _locked(row, actor)
    plan = preview_undo(row)
    sheet = sheet_of(row)
    sheet.undo(row, actor)
    row.state, row.undone_by, row.undone_at = State.UNDONE, actor, Now()
    row.save(update_fields=["state", "undone_by", "undone_at"])
    _record(row, "import.undone", actor, {"did": plan.says}, reason)
    sweep_each({code: Scope(entity=row.entity) for code in sheet.clears}, ended_by=actor, ending=f"{row.name} was undone.")
    return row


def refuse(row: Import, words: str) -> None:
    """The file as a whole cannot be read."""
    ImportRow.objects.filter(of=row).delete()
    Import.objects.filter(pk=row.pk).update(state=State.REFUSED, words=words)


def give_back(row: Import, words: str) -> None:
    """Saving was refused: it waits for a person again, with the reason."""
    Import.objects.filter(pk=row.pk, state=State.APPLYING).update(state=State.READY, words=words)


def visible_to(person: User) -> QuerySet[Import]:
    """Imports of the kinds of sheets that the person may bring, company by company."""
    mine = Q(pk=None)
    for sheet in SHEETS.values():
        mine |= Q(sheet=sheet.name, entity__in=person.entities_where(sheet.permission))
    return Import.objects.filter(mine)


def sheets_of(person: User, entity: Entity) -> list[Importable]:
    """The kinds of sheets that this person may bring to the company."""
    return [sheet for sheet in SHEETS.values() if person.may(sheet.permission, entity.pk)]


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            raise Refused(f"It is larger than {LARGEST // 2**20} MB. Split it.", field="file", code="too-large")
        yield chunk
    if not size:
        raise Refused("The file is empty.", field="file", code="empty")


def _refuse_taken(entity: Entity, sheet: str, sha256: str, but: Import | None = None) -> None:
    same = Import.objects.filter(entity=entity, sheet=sheet, sha256=sha256, state__in=[State.APPLYING, State.APPLIED])
    if but:
        same = same.exclude(pk=but.pk)
    if taken := same.select_related("applied_by", "made_by").first():
        if taken.state == State.APPLYING:
            words = f"The same file is being saved now, for {taken.made_by.name}. Nothing was changed."
        else:
            on = taken.applied_at.astimezone(ZoneInfo(entity.zone))
            words = f"The same file was taken on {on:%d.%m.%Y at %H:%M} by {taken.applied_by.name}. Nothing was changed."
        raise Refused(words, field="file", code="taken")


def _locked(row: Import, actor: User) -> Import:
    found = Import.objects.select_for_update(of=("self",)).select_related("entity", "job").get(pk=row.pk)
    check_may(actor, sheet_of(found).permission, found.entity)
    return found


def _record(row: Import, verb: str, actor: User, did: dict, reason: str = "") -> None:
    AuditEntry.objects.record(
        actor=actor,
        entity=row.entity,
        verb=verb,
        subject=f"import:{row.pk}",
        after={"file": row.name, "sha256": row.sha256, "sheet": sheet_of(row).title, **did},
        reason=reason,
    )
