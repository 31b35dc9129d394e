"""What comes in and what goes out, before anybody knows which operation it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

ADDED_BY_THE_LIBRARY = ("MarketplaceId", "MarketplaceIds", "marketplace_ids", "marketplaceIds")
"""python-amazon-sp-api puts these four beside the parameters that it was given (amazon-api.md 1.7)."""


class Refused(Exception):
    """An answer in Amazon's error envelope."""

    def __init__(self, status: int, code: str, message: str, details: str = ""):
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"code": code, "message": message, "details": details}]}


def invalid(details: str) -> Refused:
    return Refused(400, "InvalidInput", "Invalid Input", details)


@dataclass(frozen=True)
class Request:
    """`path` is as it came, still percent-encoded."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    def one(self, name: str) -> str:
        return self.query.get(name, [""])[0]

    def need(self, name: str) -> str:
        if value := self.one(name):
            return value
        raise invalid(f"Missing required parameter '{name}'.")

    def many(self, name: str, among: frozenset[str] | None = None, most: int | None = None) -> tuple[str, ...]:
        """Comma-separated, as the models say."""
        values = tuple(value for text in self.query.get(name, []) for value in text.split(",") if value)
        if among is not None and (unknown := set(values) - among):
            raise invalid(f"'{sorted(unknown)[0]}' is not a valid value for '{name}'.")
        if most is not None and len(values) > most:
            raise invalid(f"'{name}' takes at most {most} values.")
        return values

    def moment(self, name: str) -> datetime | None:
        text = self.one(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise invalid(f"'{name}' is not an ISO 8601 date-time.") from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def count(self, name: str, most: int, default: int) -> int:
        text = self.one(name) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise invalid(f"'{name}' must be between 1 and {most}.")
        return int(text)

    @property
    def beside(self) -> set[str]:
        """The names that came, without the four that the library adds by itself."""
        added = ADDED_BY_THE_LIBRARY if set(ADDED_BY_THE_LIBRARY) <= set(self.query) else ()
        return set(self.query) - set(added)


def parsed(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    path, _, query = target.partition("?")
    return Request(method=method, path=path, query=parse_qs(query), headers=headers, body=body)


def segment(text: str) -> str:
    """A part of the path, decoded after the split: a SKU may hold a slash."""
    return unquote(text)


@dataclass
class Answer:
    """`instead`: done with the connection in place of an answer (a timeout, a reset)."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    instead: str = ""


def as_json(data: object, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(data).encode())
