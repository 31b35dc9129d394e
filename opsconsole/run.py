"""`make run`: checks first, then servers, tables, demo data, and web, workers and beat under the supervisor."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from threading import Thread

from opsconsole import embedded
from opsconsole.embedded import ServerError
from opsconsole.embedded.processes import wait_until
from opsconsole.supervisor import Program, on_signals, say, supervise

SCHEDULER = "opsconsole.operate.heartbeats:Clock"
LAST_PORT = 65534
HOST = "127.0.0.1"  # the demo's logins are no secret, so it answers to this machine alone


def command(arguments: list[str]) -> int:
    if arguments:
        raise ServerError("Usage: manage.py run. WEB_PORT moves the web server.")
    port = _port()
    with _alone(f"http://{HOST}:{port}"):
        _check_free(port)
        _check_free(port + 1)
        os.environ["OPSCONSOLE_DEMO"] = "1"
        os.environ["OPSCONSOLE_SANDBOX_URL"] = f"http://{HOST}:{port + 1}"
        try:
            with on_signals(signal.default_int_handler):
                _bring_up(port)
        except KeyboardInterrupt:
            pass
        finally:
            with on_signals(signal.SIG_IGN):  # a second Ctrl-C does not leave half of it running
                embedded.stop()
            say("Stopped. The data stays.")
    return 0


def _bring_up(port: int) -> None:
    say("Starting PostgreSQL and Valkey")
    embedded.urls(os.environ)
    say("Bringing the tables up to date")
    _manage("migrate", "--verbosity=0")
    say("Loading the demo data")
    logins = _manage("load_demo")
    say("Starting web, workers, beat and the stand-in for Amazon")
    Thread(target=_announce, args=(port, logins), daemon=True).start()
    supervise([sandbox(port + 1), web(port), *background()], every_tick=_heal_servers)


def web(port: int) -> Program:
    return Program(
        "web",
        ["gunicorn", "opsconsole.wsgi", f"--bind={HOST}:{port}"],
    )


def sandbox(port: int) -> Program:
    """Its world is made around the first start, so that it is the same one at the next."""
    began = embedded.secret_file(embedded.made_data_folder() / "sandbox-began", lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return Program("sandbox", ["apps.sandbox", f"--port={port}", f"--start={began}"])


def background() -> list[Program]:
    """Two workers, so that a file of 500 MB never delays a message with a deadline, and the clock."""
    return [
        _worker("files", "files,bulk"),
        _worker("quick", "sync,outbox,sweep"),
        _celery("beat", "beat", f"--scheduler={SCHEDULER}", "--pidfile="),
    ]


def _worker(name: str, queues: str) -> Program:
    return _celery(
        name,
        *("worker", f"--queues={queues}", "--concurrency=1", f"--hostname={name}@%h"),
        *("--without-gossip", "--without-mingle"),
    )


def _celery(name: str, *arguments: str) -> Program:
    return Program(name, ["celery", "--app=opsconsole", "--quiet", *arguments, "--loglevel=warning"])


def _manage(*arguments: str) -> str:
    """What the command prints; its errors go to the terminal."""
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=embedded.PROJECT, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise ServerError(f"`manage.py {arguments[0]}` failed, so the console does not start.")
    return done.stdout.decode()


def _heal_servers() -> None:
    try:
        embedded.urls(os.environ)
    except ServerError as error:
        say(str(error))


def _announce(port: int, logins: str) -> None:
    while True:
        try:
            connection = HTTPConnection(HOST, port, timeout=30)
            connection.request("GET", "/")
            connection.getresponse()
            break
        except (OSError, HTTPException):
            time.sleep(0.2)
    say(f"\nThe console is at http://{HOST}:{port}\n\n{logins}\nCtrl-C stops everything and keeps the data.\n")


def _port() -> int:
    given = os.environ.get("WEB_PORT") or "8000"
    if not (given.isdecimal() and 0 < int(given) <= LAST_PORT):
        raise ServerError(
            f"WEB_PORT is {given}. Expected a number from 1 to {LAST_PORT}: the stand-in for Amazon takes the port after it."
        )
    return int(given)


def _check_free(port: int) -> None:
    if not wait_until(lambda: _free(port), 3):  # what a kill -9 left takes a moment to let go
        raise ServerError(f"Port {port} is taken. Choose another: make run WEB_PORT={port + 1}")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """One console a project: a second one would stop the first one's servers when it ends."""
    with open(embedded.made_data_folder() / "running", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServerError(f"The console already runs at {lock.read()}. Ctrl-C there ends it.") from None
        lock.truncate(0)
        lock.write(address)
        lock.flush()
        yield
