"""A settlement of 939,604 lines from file to draft journals, against a plain COPY of the same file into one text table."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import psycopg

from bench.figures import ROUNDS, Row, Skipped
from opsconsole.embedded import PROJECT

GENERATOR = PROJECT.parent / "shared" / "tools" / "make_settlement.py"
FILE = ("--orders", "160000", "--unmapped", "20", "--locale", "uk", "--seed", "11")
LINES, UNMAPPED, COLUMNS = 939_604, 20, 24
COPY_BLOCK = 256 << 10
MEMORY_LIMIT_MB = 400
LOOK_EVERY = 0.01  # seconds between looks at the memory


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    if not GENERATOR.exists():
        raise Skipped("settlement, because ../shared/tools/make_settlement.py is missing.")
    ours, theirs, memory = [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "settlement.txt"
        subprocess.run([sys.executable, GENERATOR, *FILE, "--out", file], check=True, stdout=subprocess.DEVNULL)
        for _ in range(ROUNDS):
            theirs.append(_plain_copy(environment["DATABASE_OWNER_URL"], file))
            seconds, megabytes = _ingest(environment, file)
            ours.append(seconds)
            memory.append(megabytes)
    note = f"{LINES:,} lines to journals and cases, against COPY into {COLUMNS} text columns"
    yield Row(name="settlement", limit=4.0, unit="s", ours=ours, theirs=theirs, note=note)
    peak = [max(memory)]
    yield Row(
        name="settlement-memory",
        limit=1.0,
        unit="MB",
        ours=peak,
        theirs=[MEMORY_LIMIT_MB],
        note="Peak RSS of the ingest",
    )


def _plain_copy(url: str, file: Path) -> float:
    with psycopg.connect(url) as server:
        server.execute("DROP TABLE IF EXISTS plain")
        server.execute(f"CREATE TABLE plain ({', '.join(f'c{number} text' for number in range(COLUMNS))})")
        server.commit()
        begun = time.perf_counter()
        with file.open("rb") as source, server.cursor().copy("COPY plain FROM STDIN") as copy:
            while block := source.read(COPY_BLOCK):
                copy.write(block)
        server.commit()
        took = time.perf_counter() - begun
        server.execute("DROP TABLE plain")
    return took


def _ingest(environment: Mapping[str, str], file: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a process that takes the file; what it left is checked before the figures count."""
    command = [sys.executable, "-m", "bench.ingest_once", str(file)]
    with subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(LOOK_EVERY)
        result = json.loads(process.stdout.read().splitlines()[-1])
    expected = {"lines": LINES, "cases": UNMAPPED, "status": "taken", "journals": 2}
    found = {key: result[key] for key in expected}
    if found != expected:
        raise SystemExit(f"The ingest left {found}; expected {expected}.")
    return result["seconds"], peak / 1e6


def _resident(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(member.memory_info().rss for member in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0
