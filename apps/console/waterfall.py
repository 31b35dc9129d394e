"""From sales to payout as bars that stand on each other, in the units of an SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

WIDTH, HEIGHT = 980, 262
LEFT, FLOOR, CEILING = 4, 214, 34
BARS = 10  # that fit with their figures; the smallest beyond share one
LABEL = 12  # characters a line of a bar's name
OTHERS = "Other accounts"


@dataclass(frozen=True)
class Bar:
    """`kind` is up, down or sum, a colour; the figure's sign says it too. The next bar begins at `level`."""

    label: tuple[str, ...]
    amount: Decimal
    kind: str
    x: float
    y: float
    width: float
    height: float
    level: float
    next_x: float

    @property
    def right(self) -> float:
        return round(self.x + self.width, 1)

    @property
    def figure_y(self) -> float:
        return round(self.y - 7, 1)

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True)
class Chart:
    bars: Sequence[Bar]
    zero: float


@dataclass(frozen=True)
class Fall:
    """Steps in their order and what they lead to, as a picture and as rows: (name, amount, what is left after it)."""

    currency: str
    steps: Sequence[tuple[str, Decimal]]
    total_name: str

    @property
    def chart(self) -> Chart:
        return chart(self.steps, self.total_name)

    @property
    def total(self) -> Decimal:
        return sum((amount for _, amount in self.steps), Decimal(0))

    @property
    def rows(self) -> list[tuple[str, Decimal, Decimal]]:
        left = accumulate(amount for _, amount in self.steps)
        return [(name, amount, after) for (name, amount), after in zip(self.steps, left, strict=True)]

    @property
    def shares_a_bar(self) -> bool:
        return sum(bool(amount) for _, amount in self.steps) > BARS


def chart(steps: Sequence[tuple[str, Decimal]], total_name: str) -> Chart:
    """Bars of the steps in their order and one of their sum."""
    kept = _at_most(steps)
    total = sum((amount for _, amount in kept), Decimal(0))
    levels = [Decimal(0)]
    for _, amount in kept:
        levels.append(levels[-1] + amount)
    high, low = max(levels), min(levels)
    scale = float(FLOOR - CEILING) / float(high - low or 1)

    def y_of(level: Decimal) -> float:
        return round(CEILING + float(high - level) * scale, 1)

    step = (WIDTH - 2 * LEFT) / (len(kept) + 1)
    width = round(step * 0.66, 1)
    bars = []
    for place, (name, amount) in enumerate([*kept, (total_name, total)]):
        is_sum = place == len(kept)
        before = Decimal(0) if is_sum else levels[place]
        after = before + amount
        top = y_of(max(before, after))
        bars.append(
            Bar(
                label=_lines(name),
                amount=amount,
                kind="sum" if is_sum else "up" if amount >= 0 else "down",
                x=round(LEFT + step * place + (step - width) / 2, 1),
                y=top,
                width=width,
                height=max(round(y_of(min(before, after)) - top, 1), 1.5),
                level=y_of(after),
                next_x=round(LEFT + step * (place + 1) + (step - width) / 2, 1),
            )
        )
    return Chart(bars, y_of(Decimal(0)))


def _at_most(steps: Sequence[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    steps = [step for step in steps if step[1]]
    if len(steps) <= BARS:
        return steps
    by_size = sorted(range(len(steps)), key=lambda place: -abs(steps[place][1]))
    large, small = sorted(by_size[: BARS - 1]), by_size[BARS - 1 :]
    rest = sum((steps[place][1] for place in small), Decimal(0))
    return [*(steps[place] for place in large), (OTHERS, rest)]


def _lines(name: str) -> tuple[str, ...]:
    """A bar's name on at most two lines."""
    first, second = "", ""
    for word in name.split():
        if not second and len(f"{first} {word}".strip()) <= LABEL:
            first = f"{first} {word}".strip()
        else:
            second = f"{second} {word}".strip()
    if len(second) > LABEL:
        second = f"{second[: LABEL - 1]}…"
    return (first, second) if first and second else (first or second,)
