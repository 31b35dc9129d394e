"""What goes wrong on demand: for one operation or for all ("*"), so many times or until it is cleared, at once or later."""

import json
from dataclasses import dataclass, field
from threading import Lock

from apps.sandbox import lwa
from apps.sandbox.wire import Answer, Refused, as_json

EVERYTHING = "*"
MODES = ("429", "503-html", "502-empty", "timeout", "revoked", "role-missing", "garbage-200", "missing-key", "reset")
SORRY = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"


@dataclass
class Fault:
    """`spared`: so many calls go well before it."""

    operation: str
    mode: str
    left: int | None
    spared: int = 0


@dataclass
class Faults:
    """The first that fits an operation is used up first."""

    waiting: list[Fault] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, operation: str, mode: str, times: int | None, after: int = 0) -> None:
        with self.lock:
            self.waiting.append(Fault(operation, mode, times, after))

    def take(self, operation: str) -> str:
        """The mode to fail in; empty: nothing is wrong."""
        with self.lock:
            for fault in self.waiting:
                if fault.operation in (operation, EVERYTHING):
                    if fault.spared:
                        fault.spared -= 1
                        continue
                    if fault.left is not None:
                        fault.left -= 1
                        if not fault.left:
                            self.waiting.remove(fault)
                    return fault.mode
            return ""

    def clear(self) -> None:
        with self.lock:
            self.waiting.clear()


def throttled() -> Refused:
    return Refused(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")


def failed(mode: str, operation: str) -> Answer | None:
    """The answer of a fault; None where the right answer is needed first (see `spoiled`)."""
    match mode:
        case "429":
            return as_json(throttled().body, 429)
        case "503-html":
            return Answer(status=503, body=SORRY, content_type="text/html; charset=utf-8")
        case "502-empty":
            return Answer(status=502, content_type="text/plain")
        case "timeout" | "reset":
            return Answer(status=0, instead=mode)
        case "revoked" if operation == "token":
            return lwa.revoked()
        case "revoked":
            return as_json(lwa.denied("The seller has revoked the authorization of this application.").body, 403)
        case "role-missing":
            return as_json(lwa.denied("The application has no role that allows this operation.").body, 403)
    return None


def spoiled(mode: str, answer: Answer, key: str) -> Answer:
    """A 2xx that is cut off, or that lacks the key that its operation must bring. `key` empty: the body is no JSON."""
    if mode == "garbage-200" or not key:
        return Answer(status=200, body=answer.body[: len(answer.body) // 2], content_type=answer.content_type)
    data = json.loads(answer.body)
    data.pop(key, None)
    return as_json(data)
