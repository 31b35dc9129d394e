import time
from collections.abc import Callable

import pytest


def eventually(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    """Wait for a condition, however long the machine takes; fail in words at the deadline. Returns what made it true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return found
