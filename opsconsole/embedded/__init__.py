"""The servers that come with the project: PostgreSQL and Valkey, found or started for every command that needs them.

They outlive the process that started them, so that several commands share them; `manage.py services stop` ends them.
Environment variables with URLs take their place: see `urls`.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from . import postgres, valkey
from .places import PROJECT, Places, ServerError, data_folder, own_folder, secret_file

__all__ = ["PROJECT", "ServerError", "command", "data_folder", "ensure", "own_folder", "secret_file", "stop", "urls"]

SERVERS = {"PostgreSQL 18": postgres, "Valkey 9": valkey}
USAGE = "Usage: manage.py services status|stop"


def urls(environment: Mapping[str, str]) -> dict[str, str]:
    """DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL: as given, else those of the embedded servers."""
    given = {name: value for name, value in environment.items() if name in URLS and value}
    if "DATABASE_OWNER_URL" in given and "DATABASE_URL" not in given:
        raise ServerError("DATABASE_OWNER_URL is set and DATABASE_URL is not. Set both, or neither.")
    wanted = [server for server, names in PROVIDES.items() if not set(names) & given.keys()]
    return _started(*wanted) | given


def ensure() -> dict[str, str]:
    """Find or start both servers; safe to call from many processes at once, and a few milliseconds when they run."""
    return _started(postgres, valkey)


def stop() -> list[str]:
    """End both servers and name those that ran."""
    places = Places.of(data_folder())
    if not places.home.exists():
        return []
    with _alone(places):
        return [name for name, server in SERVERS.items() if server.stop(places)]


def command(arguments: list[str]) -> int:
    """`manage.py services`: never starts anything."""
    if arguments == ["status"]:
        places = Places.of(data_folder())
        for name, server in SERVERS.items():
            print(f"{name} {'runs' if server.ready(places) else 'does not run'}.")
        print(f"Data: {places.home}")
    elif arguments == ["stop"]:
        ended = stop()
        print(f"Stopped {' and '.join(ended)}." if ended else "Nothing runs.")
    else:
        raise ServerError(USAGE)
    return 0


def _started(*servers) -> dict[str, str]:
    if not servers:
        return {}
    places = Places.of(data_folder())
    try:
        if not all(server.ready(places) for server in servers):
            with _alone(places):
                for server in servers:
                    if not server.ready(places):
                        server.start(places)
        return {name: url(places) for server in servers for name, url in PROVIDES[server].items()}
    except PermissionError as error:
        raise ServerError(f"{error.filename} cannot be used by this user ({error.strerror}).") from error
    except OSError as error:
        raise ServerError(f"The embedded servers cannot start: {error}.") from error


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """One process at a time starts or stops servers; the others wait, and find the work done."""
    places.create()
    with open(places.home / "lock", "w") as lock:
        os.set_inheritable(lock.fileno(), False)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


PROVIDES = {
    postgres: {
        "DATABASE_URL": lambda places: postgres.url(places, postgres.APPLICATION_ROLE),
        "DATABASE_OWNER_URL": lambda places: postgres.url(places, postgres.OWNER_ROLE),
    },
    valkey: {"REDIS_URL": valkey.url},
}
URLS = {name for names in PROVIDES.values() for name in names}
