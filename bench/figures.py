"""Rounds, medians and the table."""

from dataclasses import dataclass
from statistics import median

ROUNDS = 3


class Skipped(Exception):
    """A measurement that cannot be made here, and why."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """`ours` and `theirs` are the raw figures, one a round; the ratio is that of their medians."""

    name: str
    limit: float
    unit: str
    ours: list[float]
    theirs: list[float]
    note: str = ""

    @property
    def ratio(self) -> float:
        return median(self.ours) / median(self.theirs)


def table(rows: list[Row]) -> str:
    lines = [f"{'row':<18} {'ratio':>7} {'limit':>6}  raw figures"]
    for row in rows:
        ours, theirs = (", ".join(f"{figure:.3f}" for figure in figures) for figures in (row.ours, row.theirs))
        lines.append(f"{row.name:<18} {row.ratio:>7.3f} {row.limit:>6.1f}  {ours} / {theirs} {row.unit}. {row.note}")
    return "\n".join(lines)
