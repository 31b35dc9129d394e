"""Amazon's usage plans: one token bucket for each seller and operation, filled as time passes and as it is advanced."""

from dataclasses import dataclass, field
from threading import Lock

from apps.sandbox.faults import throttled
from apps.sandbox.operations import Operation

NO_LIMIT = 1000  # calls per second


@dataclass
class Limits:
    on: bool = True
    buckets: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def take(self, seller: str, operation: Operation, now: float) -> None:
        """Refuses when the bucket is empty. `now` in seconds."""
        if not self.on:
            return
        key = (seller, operation.name)
        with self.lock:
            left, then = self.buckets.get(key, (float(operation.burst), now))
            left = min(operation.burst, left + max(0.0, now - then) * operation.rate)
            self.buckets[key] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise throttled()

    def rate_of(self, operation: Operation) -> float:
        """What holds for the operation, as its answers say it."""
        return operation.rate if self.on else NO_LIMIT

    def reset(self, on: bool) -> None:
        with self.lock:
            self.on = on
            self.buckets.clear()
