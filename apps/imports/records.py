"""Sheets whose rows are records of one table with a code of their own: written and taken back in bulk."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model

from apps.core.models import Entity
from apps.imports.columns import defuse
from apps.imports.importable import Good, Importable, Record, Undoing
from apps.imports.models import Import, ImportRow, Outcome

BATCH = 2000
NAMED = 5

BuiltOn = Iterable[tuple[type[Model], str]]
"""Tables that point at the records of a sheet, and what that makes of a record that they point at."""


def upsert(model: type[Model], entity: Entity, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Insert the rows, or update those whose code is there; their ids, in the same order. All rows name the same fields."""
    rows = list(rows)
    records = [model(entity=entity, **row) for row in rows]
    names = sorted({name for row in rows[:1] for name in row} - {"code"})
    model.objects.bulk_create(
        records, batch_size=BATCH, update_conflicts=True, unique_fields=["entity", "code"], update_fields=names
    )
    return [record.pk for record in records]


def apply(model: type[Model], entity: Entity, good: list[Good], defaults: Mapping[str, Any]) -> dict[int, int]:
    """Row number -> id. What a file does not say stays, and is the default in a new record."""
    rows = [{**defaults, **_known(row.record), **row.values} for row in good]
    return dict(zip((row.number for row in good), upsert(model, entity, rows) if rows else [], strict=True))


def undoing(row: Import, sheet: Importable, model: type[Model], built_on: BuiltOn, noun: str) -> Undoing:
    """Those it added go, those it changed get back what they were: where nothing was built on either since.

    `noun` is what people call a record, and the field of `built_on`'s tables that points at one.
    """
    added, changed = _done(row, Outcome.ADDED), _done(row, Outcome.CHANGED)
    codes = dict(model.objects.filter(pk__in=[*added, *changed]).values_list("pk", "code"))
    why_not = []
    for pk, what in list(_used([pk for pk in added if pk in codes], built_on, noun).items())[:NAMED]:
        why_not.append(f"{codes[pk]}, which it added, {what}.")
    there = {record["id"]: record for record in sheet.present(row.entity)} if changed else {}
    fields = sheet.fields()
    for pk, changes in changed.items():
        record = there.get(pk)
        moved = record is None or any(
            not fields[name].widget.same(record[name], _read(sheet, name, new)) for name, (_, new) in changes.items()
        )
        if moved and len(why_not) < NAMED:
            why_not.append(f"{codes.get(pk, f'A {noun}')} was changed again since.")
    says = []
    if added:
        says.append(f"{len(added):,} {noun}{' that it added goes' if len(added) == 1 else 's that it added go'}.")
    if changed:
        says.append(f"{len(changed):,} {noun}{' gets' if len(changed) == 1 else 's get'} back what was there before.")
    return Undoing(says=says, why_not=why_not)


def undo(row: Import, sheet: Importable, model: type[Model]) -> None:
    added, changed = _done(row, Outcome.ADDED), _done(row, Outcome.CHANGED)
    model.objects.filter(entity=row.entity, pk__in=list(added)).delete()
    if changed:
        there = {record["id"]: record for record in sheet.present(row.entity)}
        upsert(
            model,
            row.entity,
            [
                {**_known(there[pk]), **{name: _read(sheet, name, old) for name, (old, _) in changes.items()}}
                for pk, changes in changed.items()
            ],
        )


def _used(ids: list[int], built_on: BuiltOn, noun: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for model, what in built_on:
        found |= dict.fromkeys(model.objects.filter(**{f"{noun}__in": ids}).values_list(noun, flat=True), what)
    return found


def _done(row: Import, outcome: Outcome) -> dict[int, dict[str, list]]:
    """Id of a record that the import wrote -> what it changed in it."""
    rows = ImportRow.objects.filter(of=row, outcome=outcome).exclude(record=None)
    return dict(rows.values_list("record", "changes"))


def _read(sheet: Importable, name: str, written: str) -> Any:
    """A value as the dry run wrote it down. It was there, so nothing in it is looked at for damage."""
    return sheet.fields()[name].widget.clean(defuse(written), known=(written,))


def _known(record: Record | None) -> dict[str, Any]:
    return {name: value for name, value in (record or {}).items() if name != "id"}

