"""A database of its own beside the test's, and what is in one."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections
from psycopg import sql


@contextmanager
def another_database(suffix: str) -> Iterator[str]:
    """The name of an empty database of the owner's."""
    owner = connections["owner"]
    name = f"{owner.settings_dict['NAME']}_{suffix}"
    with psycopg.connect(**address("owner"), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def connect(alias: str, database: str) -> psycopg.Connection:
    """As the role of the alias."""
    return psycopg.connect(**{**address(alias), "dbname": database})


def address(alias: str) -> dict:
    given = connections[alias].settings_dict
    return {"host": given["HOST"], "user": given["USER"], "password": given["PASSWORD"], "dbname": given["NAME"]}


def counts(database: str) -> dict[str, int]:
    """{table: rows}"""
    with connect("owner", database) as found:
        tables = [name for (name,) in found.execute("SELECT relname FROM pg_stat_user_tables ORDER BY 1").fetchall()]
        count = "SELECT count(*) FROM {}"
        return {name: found.execute(sql.SQL(count).format(sql.Identifier(name))).fetchone()[0] for name in tables}
