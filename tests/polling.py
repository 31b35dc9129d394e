import time
from collections.abc import Callable

import pytest


def eventually(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    """Wait for a condition and return what made it true; at the deadline fail in words."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return found
