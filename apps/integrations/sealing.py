"""Secrets at rest: sealed with settings.CREDENTIAL_KEYS, of which the first seals and all open. Never shown, logged or audited.

To change the key, put a new one first, run `manage.py rotate_credentials`, then take the old one away.
"""

from collections.abc import Callable

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from apps.core.errors import Refused

# What seals again all that a table holds, and says how many: each table with secrets adds its own.
ROTATIONS: list[Callable[[], int]] = []


def keys() -> MultiFernet:
    """The keys that are set. A mistyped one is named by its place: a key is never repeated, not even a wrong one."""
    found = []
    for place, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            found.append(Fernet(key.strip()))
        except ValueError:
            raise Refused(
                f"Key {place} of OPSCONSOLE_CREDENTIAL_KEYS is none. Expected 32 bytes in URL-safe base64, "
                "separated by commas.",
                code="credential-key",
            ) from None
    return MultiFernet(found)
