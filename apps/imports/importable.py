"""What a domain declares importable, each kind whole in one module of apps.imports.sheets."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from apps.core.models import Entity, User
from apps.core.permissions import Permission
from apps.exceptions.types import Weight
from apps.imports.columns import Column, Columns, Fault
from apps.imports.models import Import

Record = Mapping[str, Any]
"""A record that is there now, as the columns read it. `id` is its primary key where it has one."""

Values = dict[str, Any]
"""What a row says: column name -> value, of the columns that its file has."""


class Clash(Fault):
    """The row is well-formed, but it and what is there give two answers for one key."""


@dataclass(frozen=True, slots=True)
class Good:
    """A row that can be applied. `record`: what is there under its key, None for a new one."""

    number: int
    values: Values
    record: Record | None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What good rows do to open work. `says` goes on "Saving the 109 good rows …"; `lines` are [what, figure, money words].

    `weight` is what may take a second person; an order that is released counts as a line.
    """

    says: str = ""
    closes: int = 0
    lines: list[list[str]] = field(default_factory=list)
    weight: Weight = field(default_factory=Weight)

    def as_json(self) -> dict[str, Any]:
        money = {currency: str(amount) for currency, amount in self.weight.money.items()}
        weight = {"lines": self.weight.lines, "money": money}
        return {"says": self.says, "closes": self.closes, "lines": self.lines, "weight": weight}


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """What undoing an import does, as sentences, or why it cannot be done."""

    weight: Weight = field(default_factory=Weight)
    says: list[str] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)


def weight_shown(row: Import) -> Weight:
    """That of the effect as the dry run kept it."""
    kept = row.effect.get("weight", {})
    money = {currency: Decimal(amount) for currency, amount in kept.get("money", {}).items()}
    return Weight(lines=kept.get("lines", 0), money=money)


Check = Callable[[Values, Record | None], Iterator[Fault]]
"""Faults of a row that single cells do not show. It may bring a value into the form that the record has."""


@dataclass(frozen=True, kw_only=True)
class Importable:
    """A kind of sheet.

    `key` are the columns that name a row. `present(entity)` gives the records that are there, in few queries and in the order
    of an export. `known(entity)`: column name -> texts that are right as they are. `checks(entity)` reads what it needs once
    and returns the check of a row. `effect(entity, good)` says what good rows do to open work. `apply(import, good, actor)`
    writes them inside the caller's transaction, in bulk, and returns {row number: id of the record}. `undoing(import)` is the
    preview of `undo(import, actor)`. `keep_conflicts(import, clashing, actor)` hands clashes to a person; None where
    nobody can keep one. `clears` names the exception types that are swept at once.
    """

    name: str
    title: str
    says: str
    permission: Permission
    columns: type[Columns]
    key: tuple[str, ...]
    present: Callable[[Entity], Iterable[Record]]
    known: Callable[[Entity], dict[str, Collection[str]]] = lambda entity: {}
    checks: Callable[[Entity], Check] = lambda entity: lambda values, record: iter(())
    effect: Callable[[Entity, list[Good]], Effect] = lambda entity, good: Effect()
    apply: Callable[[Import, list[Good], User], dict[int, int]]
    undoing: Callable[[Import], Undoing]
    undo: Callable[[Import, User], None]
    keep_conflicts: Callable[[Import, list[Good], User], None] | None = None
    clears: tuple[str, ...] = ()

    def fields(self) -> dict[str, Column]:
        """Its columns by name, in the order of an export."""
        return self.columns.fields

    @property
    def headers(self) -> list[str]:
        return [column.column_name for column in self.fields().values()]


SHEETS: dict[str, Importable] = {}


def register_sheet(sheet: Importable) -> Importable:
    """Add a kind. A name declared twice is a mistake of ours and stops the start."""
    if sheet.name in SHEETS:
        raise ValueError(f"the sheet {sheet.name} is declared twice")
    SHEETS[sheet.name] = sheet
    return sheet


def sheet_of(row: Import) -> Importable:
    return SHEETS[row.sheet]
