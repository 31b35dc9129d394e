"""Page tokens that carry their own query, and pages so small that there are always two."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from apps.sandbox.wire import invalid


def page_size(asked: int, found: int) -> int:
    """Half of what was found where that is less than was asked: Amazon may send fewer than the maximum."""
    return max(1, min(asked, -(-found // 2)))


def token_of(operation: str, data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([operation, data]).encode()).decode()


def read_token(operation: str, text: str) -> dict[str, Any]:
    try:
        of, data = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, TypeError) as error:
        raise invalid("The page token is not valid.") from error
    if of != operation:
        raise invalid("The page token is of another operation.")
    return data


def moment_of(data: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(data["at"])
