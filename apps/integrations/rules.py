"""What a failed call means, and when it is tried again. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

MOST_TRIES = 8
FIRST_WAIT = timedelta(seconds=20)
LONGEST_WAIT = timedelta(hours=1)
JITTER = 0.25  # of the wait, added at most
NEAR = timedelta(minutes=1)

THROTTLED = 429
SAYS = {
    "transient": "It may end by itself, so it is tried again.",
    "structural": "Asking again cannot help: a person mends it.",
    "unknown": "The evidence contradicts itself, so we do not say which it is.",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed call and what else was seen then.

    `kind` is the connector's own verdict ("transient", "permanent", "config"), or "refused" where the domain could not take
    what came, or "internal" for a fault of ours. `attempts` counts the run's tries that failed in a row, this one
    included; `beside` counts other calls of the connection that failed in the minute before it, `elsewhere` those of other
    connections to the same operation that ended alike; `worked_at` is when another run of the same source last worked.
    """

    kind: Literal["transient", "permanent", "config", "refused", "internal"]
    words: str
    at: datetime
    operation: str = ""
    status: int | None = None
    code: str = ""
    request_id: str = ""
    attempts: int = 1
    beside: int = 0
    elsewhere: int = 0
    worked_at: datetime | None = None

    @property
    def exhausted(self) -> bool:
        return self.kind == "transient" and self.attempts >= MOST_TRIES

    @property
    def throttled(self) -> bool:
        return self.kind == "transient" and self.status == THROTTLED

    @property
    def worked_near(self) -> bool:
        return self.worked_at is not None and abs(self.worked_at - self.at) <= NEAR

    def as_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "at": self.at.isoformat(),
            "worked_at": self.worked_at.isoformat() if self.worked_at else None,
        }

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> "Failure":
        worked_at = kept["worked_at"]
        at = {"at": datetime.fromisoformat(kept["at"])}
        return cls(**kept | at | {"worked_at": datetime.fromisoformat(worked_at) if worked_at else None})


@dataclass(frozen=True)
class Reason:
    """A piece of evidence in words, for the verdict or against it."""

    words: str
    supports: bool = True


def verdict(failure: Failure) -> Literal["transient", "structural", "unknown"]:
    """Transient stays transient, also when its tries are used up. A refusal that Amazon gives to one call and not to the
    same call within that minute, or gives to other accounts too, is no proof that anything of ours is wrong.
    """
    match failure.kind:
        case "transient":
            return "transient"
        case "internal":
            return "unknown"
        case "refused":
            return "structural"
    return "unknown" if failure.worked_near or failure.elsewhere else "structural"


def reasons(failure: Failure) -> list[Reason]:
    """The evidence as a person reads it, in the order of its weight; instants in UTC."""
    judged = verdict(failure)
    told = [Reason(_answer(failure))]
    if failure.kind == "transient":
        told.append(Reason(f"It failed {_times(failure.attempts)} in a row; {MOST_TRIES} tries are made."))
    if failure.worked_at:
        clashes = failure.worked_near and failure.kind in ("permanent", "config")
        said = "The same call worked within that minute" if failure.worked_near else "The same call last worked"
        told.append(Reason(f"{said}, at {_clock(failure.worked_at)}.", supports=not clashes))
    if failure.beside:
        told.append(Reason(f"{_calls(failure.beside)} of this connection failed in the minute before it."))
    if failure.elsewhere:
        said = f"{_calls(failure.elsewhere)} to it, of other connections, failed alike in the minute before it."
        told.append(Reason(said, supports=judged == "transient"))
    elif failure.kind == "transient" and not failure.beside:
        told.append(Reason("No other call failed in the minute before it.", supports=False))
    return told


def wait(tries: int, retry_after: timedelta | None, jitter: float) -> timedelta:
    """How long until the next try, after so many failed ones (from 1). Doubles; `jitter` (0 to 1) spreads the askers;
    never sooner than the source asked for.
    """
    doubled = min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
    return max(doubled * (1 + JITTER * jitter), retry_after or timedelta())


def _answer(failure: Failure) -> str:
    if failure.kind == "internal":
        return "The fault is in this program, not in your data or at the source. The log names it."
    if failure.kind == "refused" or not failure.operation:
        return failure.words
    answered = f"answered {failure.status}" if failure.status else "gave no answer"
    code = f" {failure.code}" if failure.code else ""
    request_id = f", request id {failure.request_id}" if failure.request_id else ""
    return f"{failure.operation} {answered}{code} at {_clock(failure.at)}{request_id}: {failure.words}"


def _calls(number: int) -> str:
    return "1 other call" if number == 1 else f"{number:,} other calls"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %b %H:%M:%S} UTC"
