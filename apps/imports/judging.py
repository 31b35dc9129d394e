"""The verdict on every row of a file against what is there now. It writes nothing: the dry run and the saving both ask it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from openpyxl.utils import get_column_letter

from apps.core.errors import Refused
from apps.core.models import Entity
from apps.imports.columns import Column, Fault, nearest, shown
from apps.imports.importable import Clash, Good, Importable, Record, Values
from apps.imports.models import Outcome
from apps.imports.reading import Row, rows_of

ERROR_COLUMN = "Error"
EXAMPLE = "# Example"
TWO_ANSWERS = "Row {:,} gives another answer for the same key. Keep one."


class _Seen(NamedTuple):
    """The first row with a key."""

    number: int
    values: Values
    outcome: Outcome


class Judged(NamedTuple):
    """A row with its verdict. `faults`: [place of the column or -1, words]; `changes`: {column name: [old, new]} as written."""

    number: int
    outcome: Outcome
    cells: list[str]
    faults: list[list[Any]]
    changes: dict[str, list[Any]]


@dataclass
class Judging:
    """The verdicts of one file, row by row: iterate once, then read what only the whole file shows.

    `columns`: [letter, name] of those in the file; `places`: where each stands. `good`: the rows that can be applied, by
    number. `clashing`: well-formed rows against which the database speaks. `late`: row number -> words of rows that a later
    row spoke against. `digest` is over every verdict.
    """

    sheet: Importable
    entity: Entity
    columns: list[list[str]] = field(default_factory=list)
    good: dict[int, Good] = field(default_factory=dict)
    clashing: list[Good] = field(default_factory=list)
    late: dict[int, str] = field(default_factory=dict)
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    digest: str = ""
    places: dict[str, int] = field(default_factory=dict)
    _width: int = 0
    _unnamed: list[int] = field(default_factory=list)

    def rows(self, file: BinaryIO) -> Iterator[Judged]:
        """Raises Refused where the file as a whole cannot be read."""
        fields = self.sheet.fields()
        rows = rows_of(file, self.sheet.headers)
        places = self.places = self._places(next(rows, None))
        self.columns = [[get_column_letter(place + 1), fields[name].column_name] for name, place in places.items()]
        known = {name: () for name in fields} | self.sheet.known(self.entity)
        there = {tuple(record[name] for name in self.sheet.key): record for record in self.sheet.present(self.entity)}
        for place, name in enumerate(self.sheet.key):
            known[name] = known[name] or {named[place] for named in there}
        check = self.sheet.checks(self.entity)
        seen: dict[tuple, _Seen] = {}
        whole = hashlib.sha256()
        for row in rows:
            if shown(row.cells[0]).startswith(EXAMPLE):
                continue
            values, faults = self._read(row, fields, places, known)
            changes: dict[str, list[Any]] = {}
            named = () if faults else tuple(values[name] for name in self.sheet.key)
            if earlier := seen.get(named):
                outcome, words = self._again(row, values, earlier)
                faults = [Fault(words, self.sheet.key[-1])]
            else:
                record, as_read = there.get(named), dict(values)  # the check may rewrite values
                if not faults:
                    faults = list(check(values, record))
                outcome, changes = self._judge(row, values, record, faults)
                if named:
                    seen[named] = _Seen(row.number, as_read, outcome)
            self.counts[outcome] += 1
            said = [[places.get(fault.column, fault.place), fault.words] for fault in faults]
            judged = Judged(row.number, outcome, [shown(cell) for cell in row.cells], said, changes)
            whole.update(repr((judged.number, outcome.value, changes, said)).encode())
            yield judged
        whole.update(repr(sorted(self.late.items())).encode())
        self.digest = whole.hexdigest()

    def _judge(self, row: Row, values: Values, record: Record | None, faults: list[Fault]) -> tuple[Outcome, dict]:
        """The verdict on a row by itself, and what it changes."""
        if faults:
            if not all(isinstance(fault, Clash) for fault in faults):
                return Outcome.BAD, {}
            self.clashing.append(Good(row.number, values, record))
            return Outcome.CONFLICT, {}
        changes = _changes(self.sheet.fields(), values, record) if record else {}
        if record and not changes:
            return Outcome.SAME, {}
        self.good[row.number] = Good(row.number, values, record)
        return (Outcome.CHANGED if record else Outcome.ADDED), changes

    def _again(self, row: Row, values: Values, earlier: _Seen) -> tuple[Outcome, str]:
        """A key for the second time. Where the rows differ, both need a person: neither is picked."""
        if earlier.values == values:
            return Outcome.SAME, f"Row {earlier.number:,} says the same already."
        if earlier.number not in self.late and earlier.outcome != Outcome.CONFLICT:
            self.good.pop(earlier.number, None)
            self.counts[earlier.outcome] -= 1
            self.counts[Outcome.CONFLICT] += 1
        self.late.setdefault(earlier.number, TWO_ANSWERS.format(row.number))
        return Outcome.CONFLICT, TWO_ANSWERS.format(earlier.number)

    def _read(
        self, row: Row, fields: dict[str, Column], places: dict[str, int], known: dict[str, Any]
    ) -> tuple[Values, list[Fault]]:
        values: Values = {}
        faults: list[Fault] = []
        cells = row.cells
        for name, place in places.items():
            try:
                values[name] = fields[name].widget.clean(cells[place] if place < len(cells) else None, known=known[name])
            except Fault as fault:
                fault.column = name
                faults.append(fault)
        for place in (*self._unnamed, *range(self._width, len(cells))):
            if place < len(cells) and shown(cells[place]).strip():
                faults.append(Fault("This column has no name in the first row. Expected nothing in it.", place=place))
        return values, faults

    def _places(self, header: Row | None) -> dict[str, int]:
        """Column name -> its place in the file. Refuses headers that leave room for doubt, all of it at once."""
        if header is None:
            raise _refused("It is empty. Expected a first row with the names of the columns.")
        fields = self.sheet.fields()
        by_title = {column.column_name.casefold(): name for name, column in fields.items()}
        places: dict[str, int] = {}
        faults = []
        for place, cell in enumerate(header.cells):
            title, letter = " ".join(shown(cell).split()), get_column_letter(place + 1)
            name = by_title.get(title.casefold())
            if not title:
                self._unnamed.append(place)
                continue
            if title.casefold() == ERROR_COLUMN.casefold():
                continue
            if name is None:
                near = nearest(title, self.sheet.headers)
                faults.append(f"Column {letter} “{title[:60]}” is not known.{near}")
            elif name in places:
                faults.append(f"Columns {get_column_letter(places[name] + 1)} and {letter} are both called {title}.")
            else:
                places[name] = place
        missing = [column.column_name for name, column in fields.items() if column.needed and name not in places]
        if missing:
            faults.append(f"Missing: {', '.join(missing)}.")
        if faults:
            raise _refused(" ".join([*faults, f"Expected: {', '.join(self.sheet.headers)}."]))
        self._width = len(header.cells)
        return places


def _changes(fields: dict[str, Column], values: Values, record: Record) -> dict[str, list[Any]]:
    """What the row changes, old and new as the file writes them."""
    found = {}
    for name, new in values.items():
        column = fields[name]
        old = record[name]
        if not column.widget.same(old, new):
            found[name] = [_written(column, old), _written(column, new)]
    return found


def _written(column: Column, value: Any) -> Any:
    return shown(column.widget.render(value))


def _refused(words: str) -> Refused:
    return Refused(words, code="header", field="file")
