"""Instants as Amazon writes and reads them."""

from datetime import UTC, datetime
from typing import Any

from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.contract import Evidence, PermanentError


def now() -> datetime:
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: Any) -> datetime | None:
    """None where it is no instant. One without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def told(operation: Operation, body: dict[str, Any], field: str) -> datetime | None:
    """An instant of an answer, None where it has none. Raises PermanentError where that cannot be read."""
    if body.get(field) is None:
        return None
    moment = read(body[field])
    if moment is None:
        words = f"Amazon answered {operation.name} with a {field} that is no instant."
        raise PermanentError(Evidence(operation=operation.name, words=words))
    return moment
