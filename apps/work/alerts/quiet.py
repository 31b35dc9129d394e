"""Hours in which what can wait does not leave. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Hours of the day in the company's zone, also over midnight."""

    begins: time
    ends: time
    zone: ZoneInfo

    def over_at(self, now: datetime) -> datetime | None:
        """When they end, where they are on."""
        here = now.astimezone(self.zone)
        clock = here.time().replace(tzinfo=None)
        after, before = clock >= self.begins, clock < self.ends
        if not ((after and before) if self.begins <= self.ends else (after or before)):
            return None
        day = here.date() if clock < self.ends else here.date() + timedelta(days=1)
        return datetime.combine(day, self.ends, self.zone)


def leaves_at(now: datetime, quiet: Quiet | None, due_ats: Sequence[datetime]) -> datetime:
    """When a message leaves: after the quiet hours, unless a deadline of it falls before their end, or has fallen."""
    over = quiet.over_at(now) if quiet else None
    if over is None or any(due_at <= over for due_at in due_ats):
        return now
    return over
