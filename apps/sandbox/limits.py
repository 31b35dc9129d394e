"""Amazon's usage plans: one token bucket for each seller and operation, filled by the sandbox's clock."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from apps.sandbox.faults import throttled
from apps.sandbox.operations import Operation


@dataclass
class Limits:
    on: bool = True
    buckets: dict[tuple[str, str], tuple[float, datetime]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def take(self, seller: str, operation: Operation, now: datetime) -> None:
        """Refuses when the bucket is empty."""
        if not self.on:
            return
        key = (seller, operation.name)
        with self.lock:
            left, then = self.buckets.get(key, (float(operation.burst), now))
            left = min(operation.burst, left + max(0.0, (now - then).total_seconds()) * operation.rate)
            self.buckets[key] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise throttled()

    def reset(self, on: bool) -> None:
        with self.lock:
            self.on = on
            self.buckets.clear()
