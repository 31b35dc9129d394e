"""Telling whether a server lives, and ending it. No subprocess: these run at the start of every command."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .places import ServerError


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def serves(pid: int, folder: Path) -> bool:
    """Is this the server that works in this folder? A process number alone may be anybody's after a restart."""
    process = Path(f"/proc/{pid}")
    try:
        return os.path.samefile(process / "cwd", folder)
    except PermissionError:  # root in a container may not look into another user's process; its command names our copy
        return os.fsencode(folder.parent) in (process / "cmdline").read_bytes()
    except OSError:
        return False


def connect(path: Path, timeout: float = 5) -> socket.socket | None:
    """A connection to the Unix socket, or None where nobody listens."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        return None
    return client


def launch(command: Sequence[str | Path], log: Path, options: Mapping[str, object]) -> subprocess.Popen:
    """Start a server that outlives us and the terminal. No shell: the paths may hold anything."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
        )


def end(pid: int, alive: Callable[[], object], *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn and give it its seconds, until the process is gone."""
    for number, seconds in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not alive(), seconds):
            return
    raise ServerError(f"Process {pid} does not end.")


def last_line(log: Path) -> str:
    return telling_line(log.read_text(errors="replace")) if log.exists() else "nothing"


def telling_line(output: str) -> str:
    """The last line that speaks of an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["nothing"]
    return next((line for line in reversed(lines) if re.search("fatal|error", line, re.IGNORECASE)), lines[-1])
