"""What an answer of Amazon means: the data that it must hold, or a verdict with its evidence (domain.md 5.3).

Only a 2xx that is JSON and holds what its operation promises is an answer. Everything else is raised: an error page, an
empty body and an empty list of errors are no empty result.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from apps.integrations.contract import ConfigError, ConnectorError, Evidence, PermanentError, TransientError, parsed
from apps.integrations.pauses import asked_pause

LONGEST_QUOTE = 300
LONGEST_NAME = 80
NOT_LET_IN = (401, 403)
ADDRESS = re.compile(r"https?://\S+")
TOKEN = re.compile(r"\b(?:Atz[ar]\||amzn1\.oa2-cs\.)\S+")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One of Amazon's operations. `rate` and `burst` are its published plan: calls per second, and how many at once.

    `holds` is the path to what every good answer has, and `kind` what that is; `role` what an application needs for it.
    `shape` names the parts of a good answer where not all of it is to be taken apart: what is msgspec.Raw there stays as
    it came.
    """

    name: str
    rate: float
    burst: int
    holds: tuple[str, ...]
    kind: type = list
    role: str = ""
    shape: msgspec.json.Decoder | None = None


@dataclass(frozen=True, kw_only=True)
class Said:
    """What Amazon says went wrong, as far as it says that."""

    code: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A good answer: its `body` holds what the operation promises."""

    operation: Operation
    body: dict[str, Any]
    status: int
    request_id: str

    def unusable(self, words: str) -> PermanentError:
        """The verdict on an answer that turns out to lack something else."""
        name = self.operation.name
        words = f"Amazon's answer to {name} {words}."
        return PermanentError(Evidence(operation=name, words=words, status=self.status, request_id=self.request_id))


def read(operation: Operation, response: httpx.Response, secrets: Collection[str]) -> Answer:
    """A good answer. Raises a ConnectorError for every other; `secrets` are never quoted from it."""
    name = operation.name
    if not response.is_success:
        raise verdict(operation, response, secrets)
    body = _body(operation, response)
    if isinstance(body, dict) and body.get("errors"):
        raise PermanentError(evidence(name, response, f"Amazon answered {name} with errors", secrets))
    found: Any = body
    for key in operation.holds:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, operation.kind) or found == "":
        lacks = f"without {operation.holds[-1]}" if isinstance(body, dict) else "with no JSON object"
        raise PermanentError(evidence(name, response, f"Amazon answered {name} {lacks}: that is no answer", secrets))
    return Answer(operation=operation, body=body, status=response.status_code, request_id=request_id(response))


def verdict(operation: Operation, response: httpx.Response, secrets: Collection[str]) -> ConnectorError:
    """What an answer other than 2xx means."""
    status, name, headers = response.status_code, operation.name, response.headers
    if status == 429:
        words = f"Amazon takes no more calls of {name} for now: our allowance is used up"
        return TransientError(evidence(name, response, words, secrets), _pause(headers, operation.rate))
    if status == 408 or status >= 500:
        words = f"Amazon could not answer {name} just now"
        return TransientError(evidence(name, response, words, secrets), asked_pause(headers.get("retry-after", "")))
    if status in NOT_LET_IN:
        words = f"Amazon refuses {name} to this account. Connect the account again"
        if operation.role:
            words += f", or give the application the role “{operation.role}”"
        return ConfigError(evidence(name, response, words, secrets))
    return PermanentError(evidence(name, response, f"Amazon did not accept {name} as we asked for it", secrets))


def evidence(name: str, response: httpx.Response, words: str, secrets: Collection[str]) -> Evidence:
    """What an answer proves: `words`, then Amazon's own."""
    reason = said(response, secrets)
    facts = f"{response.status_code} {reason.code}".strip()
    return Evidence(
        operation=name,
        words=f"{words} ({facts}: {reason.words})." if reason.words else f"{words} ({facts}).",
        status=response.status_code,
        code=reason.code,
        request_id=request_id(response),
    )


def request_id(response: httpx.Response) -> str:
    """Amazon's name of a call, as its support asks for it; its storage has a header of its own."""
    named = response.headers.get("x-amzn-requestid") or response.headers.get("x-amz-request-id") or ""
    return UNPRINTABLE.sub("", named)[:LONGEST_NAME]


def _body(operation: Operation, response: httpx.Response) -> Any:
    """The JSON of a good answer. One that is not of its operation's shape is taken apart whole, to say what it lacks."""
    try:
        return operation.shape.decode(response.content) if operation.shape else parsed(response.content)
    except msgspec.DecodeError:
        return parsed(response.content)


def said(response: httpx.Response, secrets: Collection[str]) -> Said:
    """Amazon's own code and words, from whichever of its envelopes the error came in (amazon-api.md 2.2)."""
    body = parsed(response.content)
    if not isinstance(body, dict):
        return Said()
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else body
    code = first.get("code") or body.get("error")
    texts = (first.get("message"), first.get("details"), body.get("error_description"))
    words = ". ".join(text.strip().rstrip(".") for text in texts if isinstance(text, str) and text.strip())
    name = _quotable(code, secrets)[:LONGEST_NAME] if isinstance(code, str) else ""
    return Said(code=name, words=_quotable(words, secrets))


def no_answer(operation: str, error: httpx.RequestError) -> TransientError:
    """The verdict where nothing came back, or nothing whole."""
    if isinstance(error, httpx.TimeoutException):
        words = f"Amazon did not answer {operation} in time."
    elif isinstance(error, httpx.ConnectError):
        words = f"Amazon could not be reached for {operation}."
    else:
        words = f"The line broke while Amazon answered {operation}."
    return TransientError(Evidence(operation=operation, words=words, code=type(error).__name__))


def named_rate(headers: Mapping[str, str]) -> float | None:
    """The account's own rate of an operation, in calls per second, where Amazon names one."""
    try:
        rate = float(headers.get("x-amzn-ratelimit-limit", ""))
    except ValueError:
        return None
    return rate if 1e-4 < rate < 1e6 else None


def _quotable(text: str, secrets: Collection[str]) -> str:
    """A sentence of Amazon's that may be shown: one line, of a bearable length, without tokens and addresses."""
    for secret in secrets:
        text = text.replace(secret, "…")
    text = UNPRINTABLE.sub(" ", ADDRESS.sub("…", TOKEN.sub("…", text)))
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def _pause(headers: Mapping[str, str], rate: float) -> timedelta:
    """How long until a call is allowed again: as Amazon says, else one call of the rate it names, else of its plan."""
    asked = asked_pause(headers.get("retry-after", ""))
    return timedelta(seconds=1 / (named_rate(headers) or rate)) if asked is None else asked
