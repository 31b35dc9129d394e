"""A reserve chain and each of its links in words."""

from collections import Counter
from collections.abc import Collection
from datetime import date

from django.utils import timezone

from apps.core.money import words
from apps.settlements.chain_rules import Link, Linked


def link_words(linked: Linked, currency: str) -> str:
    """How a settlement hangs on the one before it, as a sentence without its full stop."""
    given_back, expected = words(linked.payout.given_back, currency), words(linked.expected, currency)
    match linked.link:
        case Link.GAP:
            return f"Waits for a settlement from {days_words(linked.before.end, linked.payout.start)}"
        case Link.OPENING:
            return f"It was given back {given_back}, and no settlement before it is here"
        case Link.BROKEN if linked.before is None:
            return f"It was given back {given_back}, but the chain was opened with {expected}"
        case Link.BROKEN:
            return f"It was given back {given_back}, but {linked.before.id} kept {expected}"
    if linked.before:
        return f"It was given back the {given_back} that {linked.before.id} kept"
    if linked.expected:
        return f"It was given back the {given_back} that the chain was opened with"
    return "It opens the chain, and was given back nothing"


def links_words(links: Collection[Linked]) -> str:
    """4 settlements, 1 broken, 1 after a gap."""
    found = Counter(linked.link for linked in links)
    stopped = [(found[Link.BROKEN], "broken"), (found[Link.GAP], "after a gap")]
    said = [f"{number} {how}" for number, how in stopped if number] or ["none broken"]
    return ", ".join([f"{len(links)} settlement{'' if len(links) == 1 else 's'}", *said])


def days_words(start: date, end: date) -> str:
    """24 Oct to 7 Nov, with the year when it is not this one."""
    return f"{_day(start, end)} to {_day(end, end)}"


def _day(on: date, end: date) -> str:
    same = on.year == end.year == timezone.localdate().year or (on.year == end.year and on != end)
    return f"{on.day} {on:%b}" + ("" if same else f" {on.year}")
