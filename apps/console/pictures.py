"""Lines over time as the geometry of an SVG: series in, points out. Pure; templates/parts/picture.html draws it.

A picture never stands alone: the table with its figures is beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

WIDTH, HEIGHT = 980, 260
LEFT, RIGHT, CEILING, FLOOR = 92, 950, 16, 220
SPARK = (160, 28)
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
    *,
    title: str,
    says: str,
    labels: Sequence[str],
    series: Sequence[Series],
    figure: Callable[[Decimal], str] = "{:,.0f}".format,
    top: Decimal | None = None,
) -> Picture:
    """Lines over `labels`, from zero to `top` or an even figure that none exceeds; `figure` says the scale in words.

    ValueError where a series has another length.
    """
    if any(len(each.values) != len(labels) for each in series):
        raise ValueError("each series has one value for each label")
    known = [value for each in series for value in each.values if value is not None]
    if any(value < 0 for value in known):
        raise ValueError("a figure below zero has no place in it")
    most = top or _even(max(known, default=Decimal(0)))
    step = max(1, -(-len(labels) // TICKS))
    return Picture(
        title=title,
        says=says,
        lines=[_line(each, number, len(labels), most) for number, each in enumerate(series, start=1)],
        across=[
            Tick(at=_y(most * part / GRID, most), label=figure(most * part / GRID)) for part in range(GRID + 1)
        ],
        below=[Tick(at=_x(place, len(labels)), label=labels[place]) for place in range(0, len(labels), step)],
    )


def sparks(series: Sequence[Sequence[int]]) -> list[str]:
    """Lines of the same length as points in a box of SPARK, on one scale from zero, for a picture within a sentence."""
    width, height = SPARK
    most = max(1, *(max(each) for each in series))
    return [
        " ".join(
            f"{round(width * place / (len(each) - 1), 1)},{round(height - height * value / most, 1)}"
            for place, value in enumerate(each)
        )
        for each in series
    ]


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


def _even(greatest: Decimal) -> Decimal:
    """The least that the grid cuts into steps of 1, 2 or 5 and noughts."""
    step = max(greatest / GRID, Decimal(1))
    nought = Decimal(1).scaleb(step.adjusted())
    return next(nought * part * GRID for part in (1, 2, 5, 10) if nought * part >= step)


def _x(place: int, count: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * (place / (count - 1) if count > 1 else 0.5), 1)


def _y(value: Decimal, most: Decimal) -> float:
    return round(FLOOR - (FLOOR - CEILING) * float(value / most), 1)
