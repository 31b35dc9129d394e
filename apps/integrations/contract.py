"""What a connector to an outside system is. Pure: a connector never touches our tables, a domain never sees HTTP.

Its only verdicts are `TransientError`, `PermanentError` and `ConfigError`, and `NotYet` in place of a call; anything else that
it raises is a bug of ours.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Protocol

Cursor = Mapping[str, Any]
"""Where a feed goes on: JSON that only its connector reads. Empty: from the beginning."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the outside system said when a call failed. `status` None: no answer came. `words` hold no secret."""

    operation: str
    words: str
    status: int | None = None
    code: str = ""
    request_id: str = ""


class ConnectorError(Exception):
    """A call that failed, with what says so."""

    def __init__(self, evidence: Evidence):
        super().__init__(evidence.words)
        self.evidence = evidence


class TransientError(ConnectorError):
    """It may work later without anybody doing anything: throttled, unavailable, no answer."""

    def __init__(self, evidence: Evidence, retry_after: timedelta | None = None):
        super().__init__(evidence)
        self.retry_after = retry_after


class PermanentError(ConnectorError):
    """Asking again cannot help: the request or the data is wrong, the answer is none that we can read, or this one operation
    is refused to an account that is let in.
    """


class ConfigError(ConnectorError):
    """The connection itself: consent revoked, or credentials wrong. A person mends it, and until then nothing is asked."""


class NotYet(Exception):
    """The next call was not made, and nothing failed by that: by our own count of what the source allows, its turn comes
    `after` that. Calls before it were made, and may have failed.
    """

    def __init__(self, words: str, after: timedelta):
        super().__init__(words)
        self.words = words
        self.after = after


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What a source allows of an operation: the part of a burst that is `left` (0 to 1), and the `rate` in calls per second."""

    operation: str
    left: float
    rate: float

    @property
    def used_percent(self) -> int:
        return round(100 * (1 - self.left))


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record as the source sent it: `raw` is its JSON, so that who knows it already need not take it apart.

    `key` is its natural key in the feed; where it has none, its place in the page.
    """

    key: str
    raw: bytes

    @classmethod
    def of(cls, key: str, data: Any) -> "Record":
        return cls(key=key, raw=json.dumps(data).encode())

    @cached_property
    def data(self) -> Any:
        """What the JSON says, None where it is none. A number with a point stays text, for money is never a float."""
        return parsed(self.raw)


def parsed(raw: bytes) -> Any:
    """What JSON says, None where it is none. A number with a point stays text, for money is never a float."""
    try:
        return json.loads(raw, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is no JSON")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole file of the source, on disk at `path` as its bytes came, decompressed. Removed when its page was stored."""

    key: str
    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one call brought. After it is stored, the feed goes on at `cursor`.

    `asked_at` is the instant up to which the source has now told us everything, where it says so.
    """

    records: list[Record]
    cursor: Cursor
    asked_at: datetime | None = None
    documents: list[Document] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A connection that answers. `words` say what it is; `marketplaces` are the source's own ids."""

    words: str
    marketplaces: tuple[str, ...] = ()


class Connector(Protocol):
    def check(self) -> Checked:
        """Ask the source who we are. Raises a ConnectorError, or NotYet."""

    def pull(self, feed: str, cursor: Cursor) -> Generator[Page]:
        """The pages of a feed from the cursor on, to the end of what there is now. Raises a ConnectorError, or NotYet."""

    def moved(self, feed: str, cursor: Cursor, *, added: bool) -> Cursor | None:
        """Where a feed goes on once the marketplaces of the connection have changed, with some `added` or only fewer. None:
        it does not go by them.
        """
