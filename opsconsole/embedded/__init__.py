"""The servers that come with the project: PostgreSQL and Valkey, found or started for every command that needs them.

They outlive the process that started them, so that several commands share them; `manage.py services stop` ends them.
Environment variables with URLs take their place: see `urls`.
"""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType

from . import postgres, valkey
from .places import PROJECT, Places, ServerError, data_folder, made_data_folder, secret_file

__all__ = ["PROJECT", "ServerError", "command", "ensure", "made_data_folder", "secret_file", "stop", "urls"]

SERVERS = (postgres, valkey)


def urls(environment: Mapping[str, str]) -> dict[str, str]:
    """DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL: as given, else those of the embedded servers."""
    given = {name: environment[name] for server in SERVERS for name in server.URLS if environment.get(name)}
    if "DATABASE_OWNER_URL" in given and "DATABASE_URL" not in given:
        raise ServerError("DATABASE_OWNER_URL is set and DATABASE_URL is not. Set both, or neither.")
    return _found_or_started([server for server in SERVERS if not given.keys() & set(server.URLS)]) | given


def ensure() -> dict[str, str]:
    """Find or start both servers; safe to call from many processes at once, and a few milliseconds when they run."""
    return _found_or_started(SERVERS)


def stop() -> list[str]:
    """End both servers and name those that ran."""
    places = Places.of(data_folder())
    if not places.home.exists():
        return []
    with _in_words(), _alone(places):
        ended = [server.NAME for server in SERVERS if server.stop(places)]
        with suppress(OSError):
            places.sockets.rmdir()  # leave nothing in /tmp
        return ended


def command(arguments: list[str]) -> int:
    """`manage.py services`: never starts anything."""
    if arguments == ["status"]:
        places = Places.of(data_folder())
        for server in SERVERS:
            print(f"{server.NAME} {'runs' if server.ready(places) else 'does not run'}.")
        print(f"Data: {places.home}")
    elif arguments == ["stop"]:
        ended = stop()
        print(f"Stopped {' and '.join(ended)}." if ended else "Nothing runs.")
    else:
        raise ServerError("Usage: manage.py services status|stop")
    return 0


def _found_or_started(servers: Sequence[ModuleType]) -> dict[str, str]:
    places = Places.of(data_folder())
    with _in_words():
        if not all(server.ready(places) for server in servers):
            with _alone(places):
                for server in servers:
                    if not server.ready(places):
                        server.start(places)
        return {name: url for server in servers for name, url in server.urls(places).items()}


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """One process at a time starts or stops servers; the others wait, and find the work done."""
    places.make_home()
    with open(places.home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        places.make_folders()
        yield


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServerError(f"The embedded servers cannot be used: {error.filename}: {error.strerror}.") from error
