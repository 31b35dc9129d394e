"""What is still to be booked where journals have left already: only the difference (architecture.md section 7). Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from apps.ledger.rules import EARLIER_BALANCES, RESERVE, ZERO, Books, Draft, Line, Part, in_order, month_end

Place = tuple[int | None, int | None, str]
"""Where money is booked: account, tax code, and what else keeps lines apart."""
Origin = tuple[Place, int, str, bool]
"""A place and what is booked there: cause, leg, whether the leg is the default."""


@dataclass
class Booked:
    """What the exported journals of one month of a payout book in sum. `journals` are their ids, the newest last, `number` is

    that one's, `posted` the latest month that one of them is posted in.
    """

    number: int
    journals: list[int]
    posted: date = date.min
    default_leg_lines: int = 0
    default_leg_amount: Decimal = ZERO
    amounts: dict[Place, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    labels: dict[Place, str] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return self.journals[-1]


def place_of(account: int, tax_code: int | None, label: str, books: Books) -> Place:
    """Of a booked line. An account's name may change, so it keeps no lines apart; the sides of reserve and clearing do."""
    return account, tax_code, label if books.has_role(account, RESERVE) or label == EARLIER_BALANCES else ""


def _place(line: Line, books: Books) -> Place:
    """What has no account yet has not left: two fees that people call the same stay two."""
    if line.account is None:
        return None, None, f"{line.label} {line.missing_tax} {line.parts[0].cause if line.parts else ''}"
    return place_of(line.account, line.tax_code, line.label, books)


def difference(month: date, wanted: Draft | None, booked: Booked, books: Books) -> Draft:
    """What makes the booked journals say what they should. `wanted` None: nothing of the month is left.

    Without lines where the money agrees. Its lines have the parts that should be there; `without` takes off what was.
    """
    lines = {_place(line, books): line for line in (wanted.lines if wanted else ())}
    found = []
    for place in lines.keys() | booked.amounts.keys():
        line = lines.get(place)
        amount = (line.amount if line else ZERO) - booked.amounts.get(place, ZERO)
        if amount:
            account, tax_code, _ = place
            label = line.label if line else booked.labels[place]
            parts, missing = (line.parts, line.missing_tax) if line else ([], "")
            found.append(Line(account, label, tax_code, missing_tax=missing, amount=amount, parts=parts))
    return Draft(
        period=month,
        dated=wanted.dated if wanted else month_end(month),
        lines=in_order(found, books),
        default_leg_lines=max((wanted.default_leg_lines if wanted else 0) - booked.default_leg_lines, 0),
        default_leg_amount=max((wanted.default_leg_amount if wanted else ZERO) - booked.default_leg_amount, ZERO),
    )


def without(place: Place, wanted: Iterable[Part], booked: Mapping[Origin, tuple[int, Decimal]]) -> list[Part]:
    """The parts of a correction's line: lines and money that left the place count below zero."""
    now = {(place, part.cause, part.leg, part.default_leg): part for part in wanted}
    found = []
    for origin in sorted(now.keys() | {origin for origin in booked if origin[0] == place}, key=lambda each: each[1:]):
        had_lines, had_amount = booked.get(origin, (0, ZERO))
        part = now.get(origin, Part(*origin[1:]))
        if (part.lines, part.amount) != (had_lines, had_amount):
            found.append(replace(part, lines=part.lines - had_lines, amount=part.amount - had_amount))
    return found
