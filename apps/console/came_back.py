"""A case that came back: how it ended before, and what is different now, in people's words whatever its type."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.console import words
from apps.core import money
from apps.core.models import AuditEntry
from apps.core.words import counted
from apps.exceptions.models import Case, State

NAMED = 4  # members of a list that are named
LONGEST = 160  # letters of a text
# Facts whose name says little. What is not here is called by its name.
LABELS = {
    "blocked": "Payouts blocked",
    "first": "First seen",
    "last": "Last seen",
    "oldest": "Oldest",
    "proven": "Proven",
    "said": "What was said",
    "words": "What was said",
    "sum": "Sum of the lines",
    "total": "Payout",
}
OURS = {"digest", "key", "listing", "order", "job", "pk", "raw", "run", "request_id", "sha256", "size", "source", "sources"}
NAMES = ("settlement_id", "sku", "name", "label", "order_id", "number", "words")
AMOUNT = re.compile(r"-?\d+\.\d{2,4}")
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Difference:
    label: str
    then: str
    now: str


@dataclass(frozen=True, kw_only=True)
class Return:
    """`after` is how long it was gone. `who` is empty where the system cleared it; `action` is what that person chose, if it
    was an action on this case that ended it.
    """

    earlier: Case
    after: str
    who: str
    action: str
    said: str
    differences: list[Difference]


def came_back(case: Case) -> Return | None:
    """Nothing for a case that is here for the first time."""
    if (earlier := case.earlier) is None:
        return None
    action = ""
    if earlier.state == State.RESOLVED:
        chosen = AuditEntry.objects.about(earlier.audit_subject).filter(after__has_key="action").order_by("-id").first()
        action = chosen.after["action"] if chosen else ""
    return Return(
        earlier=earlier,
        after=words.span(case.opened_at - earlier.ended_at),
        who=earlier.ended_by.name if earlier.ended_by else "",
        action=action,
        said=earlier.ending.get("words", ""),
        differences=list(differences(earlier, case)),
    )


def differences(then: Case, now: Case) -> Iterator[Difference]:
    """What the two do not have in common: weight first, then the facts in the order of the newer one."""
    pairs = [
        ("At stake", *(money.words(case.stake, case.currency) for case in (then, now))),
        ("Behind it", *(counted(case.lines, case.kind.counts) for case in (then, now))),
        ("Why it stopped", then.get_diagnosis_display(), now.get_diagnosis_display()),
    ]
    for key in [*now.facts, *(key for key in then.facts if key not in now.facts)]:
        values = then.facts.get(key), now.facts.get(key)
        if values[0] != values[1] and not _is_ours(key, values):
            pairs.append((_label(key), _said(values[0], then.currency), _said(values[1], now.currency)))
    return (Difference(*pair) for pair in pairs if pair[1] != pair[2])


def _is_ours(key: str, values: tuple[Any, Any]) -> bool:
    """Numbers and keys that only programs read."""
    return key in OURS or (key.endswith("_id") and not any(isinstance(value, str) for value in values))


def _label(key: str) -> str:
    return LABELS.get(key) or key.removesuffix("_id").replace("_", " ").capitalize()


def _said(value: Any, currency: str) -> str:
    if value in (None, "", [], {}):
        return "–"
    match value:
        case bool():
            return "Yes" if value else "No"
        case int():
            return f"{value:,}"
        case str():
            return _text(value, currency)
        case list():
            named = [_name(each, currency) for each in value[:NAMED]]
            return ", ".join(named) + (f" and {len(value) - NAMED:,} more" if len(value) > NAMED else "")
        case dict() if all(CURRENCY.fullmatch(key) for key in value):
            return words.sums((key, Decimal(amount)) for key, amount in value.items())
        case dict():
            return ", ".join(f"{_label(key)}: {_said(each, currency)}" for key, each in value.items() if key not in OURS)
    return str(value)


def _name(member: Any, currency: str) -> str:
    """A member of a list by its name, where it has one."""
    if isinstance(member, dict):
        return next((str(member[name]) for name in NAMES if member.get(name)), _said(member, currency))
    return _said(member, currency)


def _text(text: str, currency: str) -> str:
    """Money and dates are stored as text too."""
    if AMOUNT.fullmatch(text):
        return money.words(Decimal(text), currency)
    try:
        if len(text) == len("2026-11-13"):
            return words.day(date.fromisoformat(text), timezone.localdate())
        at = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        at = None
    if at and at.tzinfo:
        return words.instant(at, timezone.now(), timezone.get_current_timezone())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
