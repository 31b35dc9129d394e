"""Lines over time as the geometry of an SVG: series in, points out. Pure; templates/parts/picture.html draws it.

A picture never stands alone: the table with its figures is beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

WIDTH, HEIGHT = 980, 260
LEFT, RIGHT, CEILING, FLOOR = 52, 950, 16, 220
GRID = 4  # lines above the floor
TICKS = 8  # labels below it, at most


@dataclass(frozen=True, kw_only=True)
class Series:
    """`values` has one figure for each label, None where nothing is known: the line breaks there."""

    name: str
    values: Sequence[Decimal | None]


@dataclass(frozen=True, kw_only=True)
class Line:
    """`number` chooses colour and dash (classes l1 to l6). `points` are whole stretches; `dots` single figures."""

    name: str
    number: int
    stretches: list[str]
    dots: list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`says` is what the picture shows, in a sentence, for whoever does not see it."""

    title: str
    says: str
    lines: list[Line]
    across: list[Tick]
    below: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    floor: int = FLOOR


def picture(
    *, title: str, says: str, labels: Sequence[str], series: Sequence[Series], top: Decimal | None = None, unit: str = ""
) -> Picture:
    """Lines over `labels`, from zero to `top` or to the greatest figure. ValueError where a series has another length."""
    if any(len(each.values) != len(labels) for each in series):
        raise ValueError("each series has one value for each label")
    known = [value for each in series for value in each.values if value is not None]
    if any(value < 0 for value in known):
        raise ValueError("a figure below zero has no place in it")
    most = top or max(known, default=Decimal(0)) or Decimal(1)
    step = max(1, -(-len(labels) // TICKS))
    return Picture(
        title=title,
        says=says,
        lines=[_line(each, number, len(labels), most) for number, each in enumerate(series, start=1)],
        across=[
            Tick(at=_y(most * part / GRID, most), label=f"{most * part / GRID:,.0f}{unit}") for part in range(GRID + 1)
        ],
        below=[Tick(at=_x(place, len(labels)), label=labels[place]) for place in range(0, len(labels), step)],
    )


def _line(series: Series, number: int, count: int, most: Decimal) -> Line:
    placed = [
        None if value is None else (_x(place, count), _y(value, most)) for place, value in enumerate(series.values)
    ]
    stretches = [list(group) for known, group in groupby(placed, key=lambda point: point is not None) if known]
    return Line(
        name=series.name,
        number=(number - 1) % 6 + 1,
        stretches=[" ".join(f"{x},{y}" for x, y in each) for each in stretches if len(each) > 1],
        dots=[each[0] for each in stretches if len(each) == 1],
    )


def _x(place: int, count: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * (place / (count - 1) if count > 1 else 0.5), 1)


def _y(value: Decimal, most: Decimal) -> float:
    return round(FLOOR - (FLOOR - CEILING) * float(value / most), 1)
