import time
from collections.abc import Callable

import pytest
from django.db import connection


def eventually(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    """Wait for a condition and return what made it true; at the deadline fail in words."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return found


def somebody_waits_for_us() -> bool:
    """Whether another connection waits for a lock of this one's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))")
        return cursor.fetchone()[0]
