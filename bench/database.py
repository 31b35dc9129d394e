"""A database of its own on the server that the console uses, migrated and thrown away."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from opsconsole import embedded

NAME = "opsconsole_bench"
MUST_BE_ON = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def fresh() -> Iterator[Mapping[str, str]]:
    """The environment of a child that works on the empty database, with a folder of its own for files."""
    given = embedded.urls(os.environ)
    owner = given["DATABASE_OWNER_URL"]
    _require_durability(owner)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME))
    urls = {
        name: urlsplit(given[name])._replace(path=f"/{NAME}").geturl()
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL")
    }
    with psycopg.connect(owner, autocommit=True) as server, tempfile.TemporaryDirectory(prefix="bench-files-") as files:
        server.execute(drop)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        try:
            environment = {
                **os.environ,
                **given,
                **urls,
                "FILES_ROOT": files,
                "DJANGO_SETTINGS_MODULE": "opsconsole.settings",
            }
            subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=environment, check=True)
            yield environment
        finally:
            _wait_for_the_others(server)
            server.execute(drop)


def _wait_for_the_others(server: psycopg.Connection) -> None:
    """The server needs a moment to see that the measured processes are gone, and their sessions are not ours to end."""
    for _ in range(100):
        found = server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'", [NAME]
        )
        if found.fetchone() == (0,):
            return
        time.sleep(0.1)
    raise SystemExit("A measured process still has the database open after 10 s.")


def _require_durability(url: str) -> None:
    with psycopg.connect(url) as server:
        for setting in MUST_BE_ON:
            (value,) = server.execute("SELECT current_setting(%s)", [setting]).fetchone()
            if value != "on":
                raise SystemExit(
                    f"{setting} is {value}: the figures would not be those of a server that keeps its promises."
                )
