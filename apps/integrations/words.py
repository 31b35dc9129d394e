"""Instants and spans in the facts of cases, as people read them: in UTC, like the log that they lead to. Pure."""

from datetime import UTC, datetime, timedelta

UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def instant(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y %H:%M:%S}" if moment else ""


def span(length: timedelta) -> str:
    """90 minutes, 2 hours, 1 day: in the largest unit that divides it."""
    for name, unit in UNITS:
        if length and not length % unit:
            number = length // unit
            return f"{number} {name}{'s' * (number != 1)}"
    return f"{length.total_seconds():.0f} seconds"
