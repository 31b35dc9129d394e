"""Which request, task and job this thread works for: every line of the log and every report of an error carries it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default={})  # noqa: B039  replaced, never changed


def ids() -> dict[str, str]:
    """{"request_id": …, "task_id": …, "job_id": …}, those that there are."""
    return dict(_ids.get())


def begin(**now: str) -> None:
    """From here on this thread works for these alone."""
    _ids.set(now)


@contextmanager
def within(**more: str) -> Iterator[None]:
    """The block works for these too."""
    token = _ids.set({**_ids.get(), **more})
    try:
        yield
    finally:
        _ids.reset(token)
