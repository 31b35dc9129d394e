"""The supervisor with real processes: what dies comes back, and nothing outlives it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from opsconsole.embedded import PROJECT

pytestmark = pytest.mark.processes

SUPERVISE = """
from opsconsole.supervisor import Program, supervise
supervise([Program("napper", ["tests.setup.napper"])])
"""


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def gone(pid: int) -> bool:
    """Ended, or ended and not yet collected by its parent."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def supervisor() -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process
    process.kill()
    process.communicate()


def napping(supervisor: subprocess.Popen) -> tuple[int, int]:
    """The next napper and its child."""
    found = re.fullmatch(r" *napper \| (\d+) (\d+)\n", supervisor.stdout.readline())
    return int(found[1]), int(found[2])


def test_what_dies_starts_again_with_nothing_left_of_it(supervisor):
    first, child = napping(supervisor)
    os.kill(first, signal.SIGKILL)
    assert supervisor.stdout.readline() == "napper ended (signal 9). It starts again.\n"
    second, _ = napping(supervisor)
    assert second != first
    assert eventually(lambda: gone(child))


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_ends_everything(supervisor, request_to_end):
    napper, child = napping(supervisor)
    supervisor.send_signal(request_to_end)
    assert supervisor.wait(timeout=30) == 0
    assert gone(napper)
    assert eventually(lambda: gone(child))


def test_nothing_outlives_a_killed_supervisor(supervisor):
    napper, _ = napping(supervisor)
    supervisor.kill()
    assert eventually(lambda: gone(napper))
