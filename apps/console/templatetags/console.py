"""The words of words.py as template filters, in the zone that the request is shown in, and the frame around a page."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.console import frame, words
from apps.core import money
from apps.core.models import User
from apps.core.words import counted
from apps.exceptions.models import Case
from apps.integrations import words as spans

register = template.Library()
register.simple_tag(frame.frame, takes_context=True, name="frame")

MARKS = {
    "taken": "ok",
    "known": "ok",
    "held": "late",
    "changed": "late",
    "refused": "bad",
    "superseded": "wait",
    "waiting": "wait",
    "running": "work",
    "checking": "work",
    "ready": "wait",
    "done": "ok",
    "failed": "bad",
    "stuck": "late",
    "stopped": "wait",
    "sent": "ok",
    "silenced": "wait",
    "lost": "late",
    "put-off": "wait",
    "structural": "structural",
    "transient": "transient",
    "unknown": "unknown",
}
CHIPS = {
    "incomplete": "danger",
    "draft": "accent",
    "approved": "ok",
    "exported": "ok",
    "open": "",
    "claimed": "accent",
    "snoozed": "",
    "resolved": "ok",
    "cleared": "ok",
    "dismissed": "",
}


@register.filter
def money_words(amount: Decimal | str, currency: str) -> str:
    return money.words(Decimal(amount), currency)


@register.filter
def figure(amount: Decimal | str, currency: str) -> str:
    return words.figure(Decimal(amount), currency)


@register.filter
def sums(amounts: Any) -> SafeString:
    """Pairs (currency, amount) or a mapping: the largest as the figure, the others smaller behind it."""
    pairs = list(amounts.items() if hasattr(amounts, "items") else amounts)
    first, *others = words.sums([(currency, Decimal(amount)) for currency, amount in pairs], "\n").split("\n")
    return format_html("{}" + ' <span class="plus">+ {}</span>' * len(others), first, *others)


@register.filter
def sums_and(amounts: Any) -> str:
    pairs = amounts.items() if hasattr(amounts, "items") else amounts
    return words.sums([(currency, Decimal(amount)) for currency, amount in pairs], " and ")


register.filter("paragraphs", words.paragraphs)


@register.filter
def day(at: date | datetime) -> str:
    return words.day(_local(at), timezone.localdate())


@register.filter
def instant(at: datetime) -> SafeString:
    text = words.instant(at, timezone.now(), timezone.get_current_timezone())
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), text)


@register.filter
def pace(rate: float) -> str:
    return words.pace(rate)


@register.filter
def utc(at: datetime) -> str:
    return words.utc(at)


@register.filter
def until(end: date | datetime, start: date | datetime) -> str:
    """{{ end|until:start }}: the period between them."""
    return words.period(_local(start), _local(end), timezone.localdate())


@register.filter
def month(on: date) -> str:
    return f"{on:%B %Y}"


@register.filter
def age(at: datetime) -> str:
    return words.span(timezone.now() - at)


@register.filter
def time_left(due: datetime) -> str:
    return words.time_left(due, timezone.now())


@register.filter
def nearness(due: datetime) -> str:
    return words.nearness(due, timezone.now())


@register.filter
def span(length: timedelta) -> str:
    return spans.span(length)


@register.filter
def commas(number: int) -> str:
    return f"{number:,}".replace("-", money.MINUS)


@register.filter
def size(number: int) -> str:
    """2.9 MB, as file managers count."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number:,} bytes"


@register.filter
def mark(state: str) -> str:
    """The class of the shape that stands before a state's word."""
    return MARKS[state]


@register.filter
def chip(state: str) -> str:
    return CHIPS[state]


@register.filter
def person(who: User | None, me: User) -> SafeString:
    if who is None:
        return SafeString('<span class="muted">Nobody</span>')
    if who == me:
        return format_html('<span class="person me" data-i="{}">You</span>', who.initials)
    return format_html('<span class="person" data-i="{}">{}</span>', who.initials, who.name)


@register.filter
def headline(case: Case) -> str:
    return case.kind.headline(case)


@register.filter
def asleep(case: Case) -> SafeString:
    """What a snoozed case waits for."""
    if case.snoozed_above is not None:
        limit = money.words(case.snoozed_above, case.currency)
        return format_html("Sleeps until more than {} is at stake, or until its deadline", limit)
    if case.snoozed_for_run:
        return SafeString("Sleeps until the next run of its feed, or until its deadline")
    return format_html("Sleeps until {}", instant(case.snoozed_until))


@register.filter
def behind_it(case: Case) -> str:
    """418 lines, 37 orders; a dash where nothing is counted."""
    return counted(case.lines, case.kind.counts) if case.lines else "–"


@register.filter
def blocked(case: Case) -> list[tuple[str, str]]:
    """Payouts that the case keeps out of the books, as (currency, amount), if its facts name any."""
    return list(case.facts.get("blocked", {}).items())


@register.filter
def absolute(amount: Decimal) -> Decimal:
    return abs(amount)


def _local(at: date | datetime) -> date:
    return timezone.localtime(at).date() if isinstance(at, datetime) else at
