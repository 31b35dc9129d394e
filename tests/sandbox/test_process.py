"""The sandbox as a program: one line, one world for one seed, no longer than its parent, and it knows nobody."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from tests.sandbox.asking import Asker
from tests.sandbox.running import ROOT, Running

START = "2026-11-12T09:00:00+00:00"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "apps.sandbox", "--port", "0", "--orders", "70", "--die-with-parent"],
                         stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().split()[-1], flush=True)
child.wait()
"""


@contextmanager
def running(*arguments: str):
    command = [sys.executable, "-m", "apps.sandbox", "--port", "0", "--start", START, "--die-with-parent", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Running(url=process.stdout.readline().split()[-1])
        finally:
            process.kill()


def everything(sandbox: Running) -> tuple:
    with httpx.Client(base_url=sandbox.url) as client:
        ask = Asker(sandbox, client)
        return ask.orders(), ask.stock(), ask.listings(), ask.reports()


def test_the_same_seed_and_start_make_the_same_world():
    with (
        running("--still", "--seed", "5", "--orders", "80") as one,
        running("--still", "--seed", "5", "--orders", "80") as other,
    ):
        told = everything(one)
        assert everything(other) == told
        assert len(told[0]) == 80
    with running("--still", "--seed", "6", "--orders", "80") as another:
        assert not set(everything(another)[0]) & set(told[0])


def test_its_clock_is_the_real_one_unless_it_stands_still():
    with running() as real, running("--still") as still:
        assert real.world()["now"] != "2026-11-12T09:00:00Z"
        assert still.world()["now"] == "2026-11-12T09:00:00Z"
        still.advance(90)
        assert still.world()["now"] == "2026-11-12T09:01:30Z"


def test_usage_plans_hold_unless_they_are_switched_off():
    def throttled(sandbox: Running) -> bool:
        with httpx.Client(base_url=sandbox.url) as client:
            ask = Asker(sandbox, client)
            return 429 in [ask("/reports/2021-06-30/documents/none").status_code for _ in range(20)]

    with running("--still") as bound, running("--still", "--no-limits") as free:
        assert (throttled(bound), throttled(free)) == (True, False)


@pytest.mark.processes
def test_it_goes_with_its_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        url = parent.stdout.readline().strip()
        assert httpx.get(f"{url}/control/world").status_code == 200
        os.kill(parent.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/control/world")
            except httpx.TransportError:
                return
            time.sleep(0.05)
    pytest.fail("it is still there")


def test_it_listens_to_this_machine_alone(sandbox):
    assert sandbox.url.startswith("http://127.0.0.1:")
