"""The key by which a platform posts to us. It opens the intake of its one connection and nothing else.

A header that never changes is what every platform can send; a signature over each body takes a script in most. Nothing is
lost by it: the same report sent twice changes nothing, and the key reads nothing.
"""

import hashlib
import secrets

from apps.core.tokens import PREFIX, RANDOM_BYTES
from apps.platforms.models import Platform

MARK = "ocp_"


def made() -> tuple[str, dict[str, str]]:
    """A new key in the clear, and what a Platform keeps of it."""
    clear = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    return clear, {"digest": _digest(clear), "prefix": clear[: PREFIX + 1]}


def holder_of(clear: str) -> Platform | None:
    return Platform.objects.filter(digest=_digest(clear)).select_related("connection__entity").first()


def _digest(clear: str) -> str:
    """Plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(clear.encode()).hexdigest()
