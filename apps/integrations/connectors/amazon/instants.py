"""Instants as Amazon writes and reads them."""

from datetime import UTC, datetime
from typing import Any

from apps.integrations.connectors.amazon.answers import Answer


def now() -> datetime:
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: Any) -> datetime | None:
    """In UTC; None where it is no instant. One without a zone is UTC already."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def told(answer: Answer, field: str) -> datetime | None:
    """An instant of an answer, None where it has none. Raises PermanentError where that cannot be read."""
    if answer.body.get(field) is None:
        return None
    moment = read(answer.body[field])
    if moment is None:
        raise answer.unusable(f"has a {field} that is no instant")
    return moment
