"""Amazon's pages, one after the other, to the last one."""

from collections.abc import Iterable, Iterator
from typing import Any

from apps.integrations.connectors.amazon.answers import Answer, Operation
from apps.integrations.connectors.amazon.clients import Session
from apps.integrations.contract import NotYet, PermanentError, Record

RESTARTS = 2


class FirstPageNotYet(NotYet):
    """The token is one that Amazon does not know any more, and the turn of the first page, in its place, comes later."""


def pages(
    session: Session,
    operation: Operation,
    *,
    token_name: str,
    token: str | None = None,
    token_alone: bool = False,
    **parameters,
) -> Iterator[tuple[Answer, str | None]]:
    """Each page with the token of the next one, which is None after the last.

    Begins at the page of `token`. A token that Amazon does not know any more begins again with the first page, so a page
    may come twice. `token_alone`: the token stands for all other parameters.
    """
    seen: set[str] = set()
    restarts = 0
    while True:
        asked = {} if token and token_alone else parameters
        try:
            answer = session.ask(operation, **asked, **({token_name: token} if token else {}))
        except PermanentError as error:
            if not token or error.evidence.status != 400 or restarts == RESTARTS:
                raise
            token, restarts = None, restarts + 1
            seen.clear()
            continue
        except NotYet as pause:
            if restarts and token is None:
                raise FirstPageNotYet(pause.words, pause.after) from None
            raise
        token = _next(answer)
        if token in seen:
            raise answer.unusable("named the same next page twice")
        yield answer, token
        if token is None:
            return
        seen.add(token)


def _next(answer: Answer) -> str | None:
    """A token that cannot be read is an error: to take it for none would lose all that follows."""
    pagination = answer.body.get("pagination") or {}
    if isinstance(pagination, dict):
        token = pagination.get("nextToken") or answer.body.get("nextToken") or None
        if token is None or isinstance(token, str):
            return token
    raise answer.unusable("did not say what the next page is")


def records(items: Iterable[Any], key: str, marketplace: str = "") -> list[Record]:
    """The records of a page. In a marketplace their keys begin with it, and what Amazon sent carries it."""
    return [
        Record.of(
            "/".join(filter(None, (marketplace, _own_key(item, key) or f"#{place}"))),
            {**item, "marketplace": marketplace} if marketplace and isinstance(item, dict) else item,
        )
        for place, item in enumerate(items)
    ]


def _own_key(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""
