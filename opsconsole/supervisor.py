"""Keeps a set of programs running in the foreground, starts again what dies, and ends them all together."""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SETTLED = 10.0  # seconds after which a program that dies counts as having worked
LONGEST_PAUSE = 30.0
GRACE = 5.0  # seconds between the request to end and kill -9: leases heal the work that is cut off
TICK = 0.5
STOPPING = [signal.SIGINT, signal.SIGTERM]
if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup
    STOPPING.append(signal.SIGHUP)
PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """One Python program in its own process group."""

    name: str
    arguments: Sequence[str]  # for python -m
    process: subprocess.Popen | None = field(default=None, init=False)
    output: bytes = field(default=b"", init=False)  # of a line that has not ended yet
    failures: int = field(default=0, init=False)
    started: float = field(default=0.0, init=False)
    due: float = field(default=0.0, init=False)

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", *self.arguments],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent,
        )
        os.set_blocking(self.process.stdout.fileno(), False)

    def ended(self) -> None:
        """Clear away what it leaves behind and plan the next start: at once, then with growing pauses."""
        say(f"{self.name} ended ({_cause(self.process.returncode)}). It starts again.")
        self.end_group()  # its children hold the port and the output
        self.relay()
        self.process.stdout.close()
        young = time.monotonic() - self.started < SETTLED
        self.failures = self.failures + 1 if young else 1
        pause = 0.0 if self.failures == 1 else min(LONGEST_PAUSE, 2.0 ** (self.failures - 2))
        self.due = time.monotonic() + pause
        self.process = None

    def end_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def relay(self) -> bool:
        """Print the whole lines that wait in the pipe. False at its end."""
        try:
            while chunk := self.process.stdout.read(65536):
                *lines, self.output = (self.output + chunk).split(b"\n")
                for line in lines:
                    say(f"{self.name:>8} | {line.decode(errors='replace')}")
        except BlockingIOError:
            return True
        return chunk is None  # None: nothing yet; empty: the end


def supervise(programs: Sequence[Program], every_tick: Callable[[], None] = lambda: None) -> None:
    """Run the programs until SIGINT or SIGTERM. For the main thread: they die with the thread that started them."""
    stopping = False

    def stop(*_) -> None:
        nonlocal stopping
        stopping = True

    with on_signals(stop), selectors.DefaultSelector() as outputs:
        try:
            while not stopping:
                every_tick()
                for program in programs:
                    if program.process is None and program.due <= time.monotonic():
                        program.start()
                        outputs.register(program.process.stdout, selectors.EVENT_READ, program)
                for key, _ in outputs.select(TICK):
                    if not key.data.relay():
                        outputs.unregister(key.fileobj)
                for program in programs:
                    if program.process and program.process.poll() is not None:
                        with suppress(KeyError):
                            outputs.unregister(program.process.stdout)
                        program.ended()
        finally:
            _end([program for program in programs if program.process])


def _end(programs: Sequence[Program]) -> None:
    for program in programs:
        program.process.terminate()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(program.process.poll() is None for program in programs):
        for program in programs:
            program.relay()
        time.sleep(0.05)
    for program in programs:
        program.end_group()
        program.process.wait()
        program.relay()
        program.process.stdout.close()


@contextmanager
def on_signals(handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def die_with_parent() -> None:
    """Ask the kernel for kill -9 when the parent goes, so that a killed supervisor leaves nothing running."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def say(words: str) -> None:
    with suppress(OSError):  # the terminal may be closed; what runs is ended all the same
        print(words, flush=True)


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
