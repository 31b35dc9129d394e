"""Statements that run page after page and find their rows by keys: soon planned once for each connection, not once a page."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


class PreparedCursor(psycopg.Cursor):
    """Parameters go to the server beside the statement, so it must name the type of each that it cannot infer."""

    def execute(self, query, params=None):
        if connection.queries_logged:
            connection.queries_log.append({"sql": query, "time": "0"})
        return super().execute(query, params, prepare=True)


@contextmanager
def prepared() -> Iterator[PreparedCursor]:
    """A cursor, for callers in a transaction.

    After some runs the server keeps a plan however the tables grow, and a plan for an empty table would read it whole: so
    it uses indexes from the beginning.
    """
    connection.ensure_connection()
    server = connection.connection
    server.prepare_threshold = 0  # for these alone: the driver would count, and so remember, all others too
    try:
        with connection.wrap_database_errors, server.pipeline(), PreparedCursor(server) as cursor:
            server.execute("SET LOCAL enable_seqscan = off", prepare=False)
            yield cursor
            server.execute("SET LOCAL enable_seqscan = on", prepare=False)
    finally:
        server.prepare_threshold = None
