"""What a cell may hold: each column reads what a spreadsheet has in it, says what is wrong with it, and writes it back.

Built on django-import-export's fields and widgets. A widget gets what the file has (text, number, date, None) and gives the
value, or raises `Fault` with what was expected. Keys are text: most faults in them are what Excel does to text that looks
like a number.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from import_export.fields import Field
from import_export.resources import Resource
from import_export.widgets import Widget
from rapidfuzz import fuzz, process

from apps.core.money import exponent

FORMULA = ("=", "+", "-", "@", "\t", "\r")
SHORTENED = re.compile(r"\d+([.,]\d+)?E\+\d+", re.IGNORECASE)
EXACT_DIGITS = 15  # Excel keeps no more of a number
ROUND_ZEROS = 5
EXCEL_DAY_ZERO = date(1899, 12, 30)
EXCEL_DAYS = range(20_000, 80_000)  # 1954 to 2119
MOST_EACHES = 2_147_483_647
LONGEST_NUMBER = 20
ALIKE = 60

LOOK_ALIKE = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХаеорсухіјѕ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "ABESIJKMHOPCTYXaeopcyxijs" + "ABEZHIKMNOPTYX",
        strict=True,
    )
)


class Fault(ValueError):
    """A cell cannot be taken. The words say what Excel did or what was expected, as the page shows them below the cell.

    `column`: the name of its column; `place`: where it stands, for a column without a name; -1 is the row as a whole.
    """

    def __init__(self, words: str, column: str = "", place: int = -1):
        super().__init__(words)
        self.words = words
        self.column = column
        self.place = place


def defuse(text: str) -> str:
    """Text that no spreadsheet program runs. `original` takes it back."""
    return f"'{text}" if text.startswith(FORMULA) or _is_quoted(text) else text


def original(text: str) -> str:
    return text[1:] if _is_quoted(text) else text


def _is_quoted(text: str) -> bool:
    return text.startswith("'") and text[1:].startswith((*FORMULA, "'"))


def shown(raw: Any) -> str:
    """What the file has in a cell, as text that a page and the database can hold."""
    if raw is None:
        return ""
    if isinstance(raw, str):
        if raw.isascii() and "\0" not in raw:
            return raw
        return raw.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if isinstance(raw, datetime):
        return raw.date().isoformat() if raw.time() == time() else raw.isoformat(" ", "minutes")
    if isinstance(raw, float):
        return str(int(raw)) if raw.is_integer() and abs(raw) < 10**EXACT_DIGITS else repr(raw)
    return str(raw)


def nearest(text: str, known: Collection[str], shown: Callable[[str], object] = str) -> str:
    """The known name that is most alike, as the end of a sentence's words, or nothing."""
    found = process.extractOne(text, list(known), scorer=fuzz.ratio, score_cutoff=ALIKE)
    return f" Nearest: {shown(found[0])}." if found else ""


class Column(Field):
    """A column of a sheet, called `title` in its first row. `needed`: every file has it. `hint` says what it is for."""

    def __init__(self, title: str, widget: "Cell", *, example: str, hint: str = "", needed: bool = True):
        super().__init__(column_name=title, widget=widget)
        self.example = example
        self.hint = hint
        self.needed = needed


class Columns(Resource):
    """The columns of a sheet, in the order of an export. A record is a mapping with their names."""

    fields: dict[str, Column]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        for name, column in cls.fields.items():
            column.attribute = name


class Cell(Widget):
    """`clean(raw, known=...)` gives the value, None where the cell is empty and may be. `known`: texts that are right as they
    are, because records with them exist.
    """

    is_text = True

    def __init__(self, *, required: bool = False, longest: int = 250):
        super().__init__()
        self.required = required
        self.longest = longest

    def clean(self, value: Any, row: Any = None, known: Collection[str] = (), **kwargs: Any) -> Any:
        if value is None or value == "" or (isinstance(value, str) and not value.strip()):
            if self.required:
                raise Fault("Empty. Expected a value.")
            return self.empty()
        if isinstance(value, str):
            if value.startswith("="):
                raise Fault("A formula. Expected its value: copy it and paste it as a value.")
            if "\0" in value:
                raise Fault("It holds a NUL character. Expected text.")
            value = original(value)
        elif not isinstance(value, int | float | date | time | timedelta):
            raise Fault("A formula. Expected its value: copy it and paste it as a value.")
        return self.read(value, known)

    def empty(self) -> Any:
        return None

    def read(self, value: Any, known: Collection[str]) -> Any:
        raise NotImplementedError

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else str(value)

    def same(self, old: Any, new: Any) -> bool:
        return old == new


class Text(Cell):
    """Words for people. Blanks around them do not count."""

    def same(self, old: str, new: str) -> bool:
        return old.strip() == new

    def empty(self) -> str:
        return ""

    def read(self, value: Any, known: Collection[str]) -> str:
        text = shown(value).strip()
        if len(text) > self.longest:
            raise Fault(f"{len(text):,} characters. Expected {self.longest:,} at most.")
        return text


class Key(Cell):
    """A code that other systems compare letter by letter. What is known is right; all else is looked at for damage."""

    def empty(self) -> str:
        return ""

    def read(self, value: Any, known: Collection[str]) -> str:
        if isinstance(value, bool | datetime | date | time | timedelta):
            raise Fault("Excel made a date or a truth value of it. Expected text: format the column as text first.")
        text = shown(value)
        if text in known:
            return text
        if isinstance(value, int | float):
            _check_number(value, text)
        self._check(text)
        if padded := _zeros_lost(text, known):
            raise Fault(f"Excel dropped the zeros in front: {padded} is there. Expected it kept as text.")
        return text

    def _check(self, text: str) -> None:
        if SHORTENED.fullmatch(text.strip()):
            raise Fault("Excel shortened it. Expected all its characters, kept as text.")
        if text.startswith("#") and text.endswith(("!", "?", "/A")):
            raise Fault("Excel's own error. Expected a value.")
        check_letters(text)
        if len(text) > self.longest:
            raise Fault(f"{len(text):,} characters. Expected {self.longest} at most.")


class Digits(Key):
    """A key of digits alone, of certain lengths: an EAN."""

    def __init__(self, *lengths: int, required: bool = False):
        super().__init__(required=required, longest=max(lengths))
        self.lengths = lengths

    def _check(self, text: str) -> None:
        expected = f"{' or '.join(map(str, self.lengths))} digits, kept as text"
        if SHORTENED.fullmatch(text.strip()):
            raise Fault(f"Excel shortened it. Expected {expected}.")
        check_letters(text)
        if not (text.isascii() and text.isdigit()):
            raise Fault(f"Expected {expected}.")
        if len(text) not in self.lengths:
            lost = " Excel drops zeros in front." if len(text) < max(self.lengths) else ""
            raise Fault(f"{len(text)} digits. Expected {expected}.{lost}")


class Whole(Cell):
    """A whole number, 1 or more unless `least` says otherwise."""

    is_text = False

    def __init__(self, *, of: str = "", least: int = 1, required: bool = True):
        super().__init__(required=required)
        self.of = f" of {of}" if of else ""
        self.least = least

    def read(self, value: Any, known: Collection[str]) -> int:
        text = shown(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,20}", text):
            raise Fault(f"Expected a whole number{self.of}, as 12.")
        number = int(text)
        if not self.least <= number <= MOST_EACHES:
            raise Fault(f"Expected a whole number{self.of}, {self.least:,} to {MOST_EACHES:,}.")
        return number

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else value


class Money(Cell):
    """A plain amount, as 12.50; its currency stands in another column."""

    is_text = False

    def read(self, value: Any, known: Collection[str]) -> Decimal:
        text = shown(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]+)?", text):
            raise Fault("Expected an amount with a point and nothing else, as 1234.50.")
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise Fault("Expected an amount, as 1234.50.") from error

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else value.normalize() + Decimal(0)


def check_decimals(amount: Decimal, currency: str, column: str) -> Iterator[Fault]:
    """No more decimals than the currency has."""
    if amount != round(amount, exponent(currency)):
        yield Fault(f"More decimals than {currency} has. Expected {exponent(currency)}.", column)


class Day(Cell):
    """A date. A slash is read as day/month/year."""

    def read(self, value: Any, known: Collection[str]) -> date:
        if isinstance(value, datetime):
            if value.time() != time():
                raise Fault("A time of day. Expected a date alone, as 2026-11-01.")
            return value.date()
        if isinstance(value, date):
            return value
        text = shown(value).strip()
        if re.fullmatch(r"[0-9]{5}(\.[0-9]+)?", text) and int(float(text)) in EXCEL_DAYS:
            meant = EXCEL_DAY_ZERO + timedelta(days=int(float(text)))
            raise Fault(f"Excel turned a date into a number: {meant.isoformat()}? Expected a date, as 2026-11-01.")
        if found := re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", text, re.ASCII):
            return _day(*map(int, found.groups()))
        if found := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", text, re.ASCII):
            return _day(*map(int, reversed(found.groups())))
        raise Fault("Expected a date, as 2026-11-01.")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat() if value else ""


class Choice(Cell):
    """One of some words. `words`: the word in the file -> the value."""

    def __init__(self, words: Mapping[str, Any], *, required: bool = True, empty: Any = ""):
        super().__init__(required=required)
        self.words = dict(words)
        self.values = {value: word for word, value in self.words.items()}
        self.when_empty = empty

    def empty(self) -> Any:
        return self.when_empty

    def read(self, value: Any, known: Collection[str]) -> Any:
        text = " ".join(shown(value).split())
        for word, chosen in self.words.items():
            if word.casefold() == text.casefold():
                return chosen
        raise Fault(f"Expected {' or '.join(self.words)}.{nearest(text, self.words)}")

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return self.values.get(value, "")


def check_letters(text: str) -> None:
    """Blanks around it, characters that nobody sees, and letters of another alphabet that look like ours."""
    if text.isascii() and text.isprintable() and text == text.strip():
        return
    for place, sign in enumerate(text, start=1):
        if sign == "\N{NO-BREAK SPACE}":
            raise Fault(f"Character {place} is a non-breaking space. Expected a plain one, or none.")
        if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp"):
            raise Fault(f"Character {place} cannot be seen ({unicodedata.name(sign, 'a control character').lower()}).")
    if text != text.strip():
        raise Fault(f"A space at the {'end' if text == text.lstrip() else 'beginning'}. Expected none.")
    letters = [sign for sign in text if sign.isalpha()]
    if any(sign.isascii() for sign in letters) or all(sign in LOOK_ALIKE for sign in letters):
        for place, sign in enumerate(text, start=1):
            if sign in LOOK_ALIKE:
                alphabet = unicodedata.name(sign).split()[0].capitalize()
                raise Fault(f"Character {place} is a {alphabet} {sign}. Expected a Latin {LOOK_ALIKE[sign]}.")


def _check_number(value: float, text: str) -> None:
    if abs(value) >= 10**EXACT_DIGITS or text.endswith("0" * ROUND_ZEROS):
        raise Fault("Excel may have shortened it: it keeps 15 digits of a number. Expected it kept as text.")
    if not text.lstrip("-").isdigit():
        raise Fault("A number with decimals. Expected text: format the column as text first.")


def _zeros_lost(text: str, known: Collection[str]) -> str:
    """The known key that is this one with zeros in front."""
    if not text.isdigit() or text.startswith("0"):
        return ""
    padded = (text.zfill(length) for length in range(len(text) + 1, LONGEST_NUMBER))
    return next((key for key in padded if key in known), "")


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise Fault("No such day.") from error
