"""The sandbox's time: the real clock plus what `/control/advance` added, or a clock that stands still between advances."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    def __init__(self, start: datetime, still: bool = False):
        self.start = start
        self.still = still
        self.offset = timedelta()

    def now(self) -> datetime:
        return (self.start if self.still else datetime.now(UTC)) + self.offset

    def elapsed(self) -> float:
        """Seconds since some instant: real ones, also where the clock stands, and those that were advanced."""
        return time.monotonic() + self.offset.total_seconds()

    def advance(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)

    def reset(self) -> None:
        self.offset = timedelta()


def written(moment: datetime) -> str:
    """As Amazon writes an instant: 2026-11-12T09:42:00Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
