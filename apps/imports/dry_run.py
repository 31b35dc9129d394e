"""What a file would do, found and kept row by row. Changes nothing but the import's own rows."""

import json
from collections.abc import Callable

from django.db import connection

from apps.exceptions.types import digest
from apps.imports.importable import sheet_of
from apps.imports.judging import Judged, Judging
from apps.imports.models import Import, ImportRow, Outcome
from apps.imports.reading import format_of
from apps.integrations.files import open_raw

BATCH = 2000
COPY = "COPY imports_importrow (of_id, number, outcome, cells, faults, changes) FROM STDIN"
SPOKEN_AGAINST = """
UPDATE imports_importrow SET outcome = 'conflict', changes = '{}', faults = jsonb_build_array(jsonb_build_array(%s, late.words))
FROM unnest(%s::int[], %s::text[]) AS late(number, words)
WHERE imports_importrow.of_id = %s AND imports_importrow.number = late.number
"""
Say = Callable[[str, int], None]


def dry_run(row: Import, say: Say) -> Import:
    """Write what each row of the file would do now, in place of an earlier dry run. Raises Refused for a file as a whole.

    Call it in a transaction.
    """
    ImportRow.objects.filter(of=row).delete()
    judging = Judging(sheet_of(row), row.entity)
    with open_raw(row) as file:
        row.format = format_of(file)
        batch: list[Judged] = []
        read = 0
        for read, judged in enumerate(judging.rows(file), start=1):
            batch.append(judged)
            if len(batch) == BATCH:
                say("Checking rows", read)
                _write(row, batch)
        _write(row, batch)
    say("Looking at open work", read)
    _correct(row, judging)
    row.columns = judging.columns
    for outcome in Outcome:
        setattr(row, outcome.value, judging.counts[outcome])
    row.effect = judging.sheet.effect(row.entity, list(judging.good.values())).as_json()
    row.digest = digest_of(row, judging)
    row.state = Import.State.READY
    row.save()
    return row


def judge_again(row: Import, say: Say) -> Judging:
    """The verdicts as they are now, without writing them."""
    judging = Judging(sheet_of(row), row.entity)
    with open_raw(row) as file:
        for read, _ in enumerate(judging.rows(file), start=1):
            if read % BATCH == 0:
                say("Checking that nothing changed meanwhile", read)
    return judging


def digest_of(row: Import, judging: Judging) -> str:
    """Over every verdict, and over the effect that was shown with them."""
    return digest(judging.digest, json.dumps(row.effect, sort_keys=True))


def _write(row: Import, batch: list[Judged]) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for judged in batch:
            copy.write_row((row.pk, judged.number, judged.outcome.value, *map(_json, judged[2:])))
    batch.clear()


def _correct(row: Import, judging: Judging) -> None:
    """The rows that a later one spoke against: they were written before that was known."""
    if judging.late:
        with connection.cursor() as cursor:
            place = judging.places[judging.sheet.key[-1]]
            cursor.execute(SPOKEN_AGAINST, [place, list(judging.late), list(judging.late.values()), row.pk])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
