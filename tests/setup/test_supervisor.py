"""The supervisor with real processes: what dies comes back, and nothing outlives it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from opsconsole.embedded import PROJECT
from tests.polling import eventually

pytestmark = pytest.mark.processes

SUPERVISE = """
from opsconsole.supervisor import Program, supervise
supervise([Program("napper", ["tests.setup.napper"])])
"""


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
    process.terminate()
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
    eventually(lambda: gone(child), "its child to end")


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_ends_everything(supervisor, request_to_end):
    napper, child = napping(supervisor)
    supervisor.send_signal(request_to_end)
    assert supervisor.wait(timeout=30) == 0
    assert gone(napper)
    eventually(lambda: gone(child), "its child to end")


def test_nothing_outlives_a_killed_supervisor(supervisor):
    napper, child = napping(supervisor)
    supervisor.kill()
    eventually(lambda: gone(napper), "the program to end")
    os.kill(child, signal.SIGKILL)  # of a program that does not look after its own; ours do, see opsconsole.celery
