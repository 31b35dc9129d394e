"""After any sequence of mapping, changing and undoing, what a listing is on each day is what a plain list of days says."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.catalog.models import SkuMapping
from apps.catalog.operations import change_mapping, map_sku, undo_mapping
from apps.core.errors import Refused
from tests.catalog.mappings import item_of
from tests.factories import ItemFactory, ListingFactory

FIRST = date(2026, 11, 1)
DAYS = 8
CODES = ["A", "B", "C"]


@dataclass
class Stretch:
    """Days in a row with one item. `beneath`: whose whole place it took; `joined`: it was cut from the stretch before it."""

    code: str
    length: int
    joined: bool = False
    beneath: list[str] = field(default_factory=list)


@dataclass
class Model:
    """The days as a row of stretches, "" for days without an item; the last one stands for all later days too."""

    row: list[Stretch] = field(default_factory=lambda: [Stretch("", DAYS)])

    def days(self) -> list[str]:
        return [stretch.code for stretch in self.row for _ in range(stretch.length)]

    def at(self, day: int) -> tuple[int, int]:
        """The place of the stretch with the day, and the day within it."""
        for place, stretch in enumerate(self.row):
            if day < stretch.length:
                return place, day
            day -= stretch.length
        raise AssertionError("no such day")

    def map(self, code: str, day: int) -> bool:
        place, within = self.at(day)
        gap = self.row[place]
        if gap.code:
            return False
        rest = [Stretch("", within)] if within else []
        self.row[place : place + 1] = [*rest, Stretch(code, gap.length - within)]
        return True

    def change(self, code: str, day: int) -> bool:
        place, within = self.at(day)
        old = self.row[place]
        if old.code in ("", code):
            return False
        if within:
            self.row[place + 1 : place + 1] = [Stretch(code, old.length - within, joined=True)]
            old.length = within
        else:
            old.beneath.append(old.code)
            old.code = code
        return True

    def undo(self, day: int) -> bool:
        place, _ = self.at(day)
        gone = self.row[place]
        if not gone.code:
            return False
        if gone.beneath:
            gone.code = gone.beneath.pop()
        elif gone.joined:
            self.row[place - 1].length += gone.length
            del self.row[place]
        else:
            gone.code = ""
            if place + 1 < len(self.row):
                self.row[place + 1].joined = False
            self._join_gaps()
        return True

    def _join_gaps(self) -> None:
        joined: list[Stretch] = []
        for stretch in self.row:
            if joined and not stretch.code and not joined[-1].code:
                joined[-1].length += stretch.length
            else:
                joined.append(stretch)
        self.row = joined


STEPS = st.lists(
    st.tuples(st.sampled_from(["map", "change", "undo"]), st.sampled_from(CODES), st.integers(0, DAYS - 1)), max_size=12
)


@pytest.mark.django_db(transaction=True)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_mappings_are_what_a_row_of_days_says(steps, entity, tom):
    items = {code: _item(entity, code) for code in CODES}
    listing = ListingFactory(connection__entity=entity)
    model = Model()
    for verb, code, day in steps:
        assert getattr(model, verb)(*([day] if verb == "undo" else [code, day])) == _done(
            verb, listing, items[code], FIRST + timedelta(day), tom
        )
        assert _days(listing) == model.days()


def _item(entity, code):
    return entity.items.filter(code=code).first() or ItemFactory(entity=entity, code=code)


def _done(verb, listing, item, since, actor) -> bool:
    said = {"listing": listing, "parts": [(item, 1)], "since": since, "reason": "", "actor": actor}
    try:
        if verb == "map":
            map_sku(**said)
        elif verb == "change":
            change_mapping(**said)
        else:
            mapping = SkuMapping.objects.on(since).filter(listing=listing).first()
            if mapping is None:
                return False
            undo_mapping(mapping=mapping, reason="", actor=actor)
    except Refused:
        return False
    return True


def _days(listing) -> list[str]:
    """Read day by day; that no day has two is what `get` of the rows themselves shows."""
    found = []
    for n in range(DAYS):
        day = FIRST + timedelta(n)
        assert SkuMapping.objects.on(day).filter(listing=listing).count() <= 1
        found.append("".join(item.code for item, _ in item_of(listing, day)))
    return found
