"""Waiting for others, by name."""

from django.db import connection


def wait_for(*names: str) -> None:
    """Wait until nobody else holds these names, one after the other, and hold them to the end of the transaction."""
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def try_for(name: str) -> bool:
    """Hold this name to the end of the transaction, if nobody else holds it now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        (taken,) = cursor.fetchone()
    return taken
