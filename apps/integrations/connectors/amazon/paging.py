"""Amazon's pages, one after the other, to the last one."""

from collections.abc import Iterable, Iterator
from typing import Any

from apps.integrations.connectors.amazon.answers import Operation
from apps.integrations.connectors.amazon.clients import Session
from apps.integrations.contract import Evidence, PermanentError, Record

RESTARTS = 2


def pages(
    session: Session,
    operation: Operation,
    *,
    token_name: str,
    token: str | None = None,
    token_alone: bool = False,
    **parameters,
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each page's body with the token of the next one, which is None after the last.

    Begins at the page of `token`. A token that Amazon does not know any more begins again with the first page, so a page
    may come twice. `token_alone`: the token stands for all other parameters.
    """
    seen: set[str] = set()
    restarts = 0
    while True:
        asked = {} if token and token_alone else parameters
        try:
            body = session.ask(operation, **asked, **({token_name: token} if token else {}))
        except PermanentError as error:
            if not token or error.evidence.status != 400 or restarts == RESTARTS:
                raise
            token, restarts = None, restarts + 1
            seen.clear()
            continue
        token = _next(operation, body)
        if token in seen:
            raise _no_end(operation, "named the same next page twice")
        yield body, token
        if token is None:
            return
        seen.add(token)


def _next(operation: Operation, body: dict[str, Any]) -> str | None:
    """A token that cannot be read is an error: to take it for none would lose all that follows."""
    pagination = body.get("pagination")
    if pagination is not None and not isinstance(pagination, dict):
        raise _no_end(operation, "did not say what the next page is")
    token = (pagination or {}).get("nextToken") or body.get("nextToken") or None
    if token is not None and not isinstance(token, str):
        raise _no_end(operation, "did not say what the next page is")
    return token


def _no_end(operation: Operation, words: str) -> PermanentError:
    return PermanentError(Evidence(operation=operation.name, words=f"Amazon's answer to {operation.name} {words}."))


def records(items: Iterable[Any], key: str, marketplace: str = "") -> list[Record]:
    """The records of a page. In a marketplace their keys begin with it, and what Amazon sent carries it."""
    return [
        Record(
            key="/".join(filter(None, (marketplace, _own_key(item, key) or f"#{place}"))),
            data={**item, "marketplace": marketplace} if marketplace and isinstance(item, dict) else item,
        )
        for place, item in enumerate(items)
    ]


def _own_key(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""
