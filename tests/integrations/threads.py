from collections.abc import Callable
from threading import Thread

from django.db import connections


def in_thread(work: Callable[[], object]) -> Thread:
    """Work beside the test, with database connections of its own, which it closes."""

    def closing() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = Thread(target=closing, daemon=True)
    thread.start()
    return thread
