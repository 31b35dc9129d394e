"""How the console says dates, spans of time and sums (mock of the visual language, section 6), and what people
wrote. Pure."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from apps.core import money
from apps.core.words import counted as counted
from apps.core.words import listed as listed

SOON = timedelta(hours=48)
DIAGNOSES = {
    "structural": "Retrying cannot help. A person must act.",
    "transient": "It may end by itself.",
    "unknown": "We do not know, and say so.",
}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


LINK = re.compile(r"https://[^\s<>\"]*[^\s<>\".,;:!?)]")


def paragraphs(text: str) -> list[list[tuple[str, bool]]]:
    """What people wrote: an empty line ends a paragraph, and each is pieces (words, whether they are an https address)."""
    found = []
    for part in re.split(r"\n\s*\n", text.strip()):
        pieces, at = [], 0
        for link in LINK.finditer(part):
            pieces += [(part[at : link.start()], False), (link[0], True)]
            at = link.end()
        found.append([piece for piece in (*pieces, (part[at:], False)) if piece[0]])
    return found


def day(on: date, today: date) -> str:
    """Fri 13 Nov, with the year when it is not this one."""
    return f"{on:%a} {short_day(on, today)}"


def short_day(on: date, today: date) -> str:
    """13 Nov, with the year when it is not this one."""
    return f"{on.day} {on:%b}" + (f" {on.year}" if on.year != today.year else "")


def instant(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Today 17:00, or Fri 13 Nov 17:00."""
    at, now = at.astimezone(zone), now.astimezone(zone)
    named = {now.date(): "Today", now.date() - DAY: "Yesterday", now.date() + DAY: "Tomorrow"}
    return f"{named.get(at.date()) or day(at.date(), now.date())} {at:%H:%M}"


def pace(rate: float) -> str:
    """How often a call may be made, `rate` in calls per second: 5 a second, one every 45 s, one every 3 min."""
    seconds = round(1 / rate)
    if seconds <= 1:
        return f"{rate:,.0f} a second"
    return f"one every {seconds} s" if seconds < 120 else f"one every {round(seconds / 60)} min"


def utc(at: datetime) -> str:
    """26 Oct 2026 23:14:07, as a settlement file counts."""
    at = at.astimezone(ZoneInfo("UTC"))
    return f"{at.day} {at:%b %Y %H:%M:%S}"


def period(start: date, end: date, today: date) -> str:
    """10–24 Oct, 24 Oct–7 Nov, with the year when it is not this one."""
    if start == end:
        return short_day(start, today)
    if start.year != end.year:
        return f"{start.day} {start:%b %Y}–{end.day} {end:%b %Y}"
    first = str(start.day) if start.month == end.month else f"{start.day} {start:%b}"
    return f"{first}–{short_day(end, today)}"


def span(length: timedelta) -> str:
    """The two largest units: 1 d 7 h, 7 h 18 m, 11 m; from three days on, days alone."""
    if length >= 3 * DAY:
        return f"{length // DAY} d"
    if length >= DAY:
        return _two(length, DAY, "d", HOUR, "h")
    if length >= HOUR:
        return _two(length, HOUR, "h", MINUTE, "m")
    return f"{length // MINUTE} m" if length >= MINUTE else f"{length.seconds} s"


def _two(length: timedelta, unit: timedelta, name: str, part: timedelta, part_name: str) -> str:
    whole, rest = divmod(length, unit)
    return f"{whole} {name}" + (f" {rest // part} {part_name}" if rest >= part else "")


def time_left(due: datetime, now: datetime) -> str:
    """in 1 d 7 h; 27 h late once it has passed."""
    return f"in {span(due - now)}" if due >= now else f"{span(now - due)} late"


def nearness(due: datetime, now: datetime) -> str:
    """over, soon (under 48 hours) or later: the stylesheet gives each a shape."""
    if due < now:
        return "over"
    return "soon" if due - now < SOON else "later"


def sums(amounts: Iterable[tuple[str, Decimal]], joined: str = " + ") -> str:
    """£19,936.24 + €5,794.78: currencies are never added together; the largest first. A dash where there are none."""
    kept = sorted(((amount, currency) for currency, amount in amounts), key=lambda pair: -abs(pair[0]))
    return joined.join(money.words(amount, currency) for amount, currency in kept) or "–"


def figure(amount: Decimal, currency: str) -> str:
    """An amount under a head that names its currency: −1,846.30."""
    return f"{money.MINUS if amount < 0 else ''}{abs(money.round_half_up(amount, currency)):,f}"
