"""How long an answer asks to wait: Retry-After, in seconds or as a date (RFC 9110)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = timedelta(days=1)


def asked_pause(text: str) -> timedelta | None:
    """What the header's text asks for; None where it is none."""
    asked = text.strip()
    if asked.isascii() and asked.isdigit():
        return min(timedelta(seconds=int(asked[:9])), LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    pause = until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)
    return min(max(pause, timedelta(0)), LONGEST_PAUSE)
