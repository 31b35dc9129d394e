"""Mapping a fee with 1,000,000 lines against one with 1,000, and the corrections that follow, against plain SQL.

Both fees are spread over the same 24 settlements of one chain, 12 of them exported.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import psycopg

from bench.figures import ROUNDS, Row, Skipped
from bench.settlement import GENERATOR
from opsconsole.embedded import PROJECT

SETTLEMENTS, EXPORTED = 24, 12
FIRST, DAYS = date(2025, 12, 1), 14
FILE = ("--orders", "41667", "--unmapped", "20", "--locale", "uk")


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    if not GENERATOR.exists():
        raise Skipped("mapping, because ../shared/tools/make_settlement.py is missing.")
    command = [sys.executable, "-m", "bench.mapping_pages"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as pages:

        def ask(**question) -> dict:
            pages.stdin.write(json.dumps(question) + "\n")
            return json.loads(pages.stdout.readline())

        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            ask(do="open_books", exported_until=(FIRST + timedelta(days=DAYS * EXPORTED + 1)).isoformat())
            for file in _files(Path(folder)):
                ask(do="take", file=str(file))
                file.unlink()
        ready = ask(do="export")
        if ready["exported"] != EXPORTED:
            raise SystemExit(f"{ready} settlements are exported; expected {EXPORTED}.")
        with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a load
        many, few, corrections, plain = [], [], [], []
        for _ in range(ROUNDS):
            small, large = ask(do="map_fee", fee="few"), ask(do="map_fee", fee="many")
            if (small["cases"], large["cases"], small["corrected"], large["corrected"]) != (1, 1, EXPORTED, EXPORTED):
                raise SystemExit(f"Mapping left {small} and {large}; each should close a case and correct {EXPORTED}.")
            few.append(small["seconds"])
            many.append(large["seconds"])
            corrections.append(large["correcting"])
            plain.append(large["summing"])
        pages.stdin.close()
    against = f"over {SETTLEMENTS} settlements, {EXPORTED} of them exported"
    yield Row(
        name="mapping", limit=1.5, unit="s", ours=many, theirs=few,
        note=f"{large['lines']:,} lines against {small['lines']:,} {against}; preview and apply, over HTTP",
    )  # fmt: skip
    yield Row(
        name="correction", limit=3.0, unit="s", ours=corrections, theirs=plain,
        note=f"{large['journals']} corrections of {EXPORTED} settlements, against SQL that sums their roll-ups and writes them",
    )  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    """One after the other: each opens with the reserve that the one before closed with."""
    reserve = "412.35"
    for number in range(SETTLEMENTS):
        file = folder / f"{number}.txt"
        start = (FIRST + timedelta(days=DAYS * number)).isoformat()
        seeded = ("--seed", str(101 + number), "--start", start, "--previous-reserve", reserve)
        said = subprocess.run(
            [sys.executable, GENERATOR, *FILE, *seeded, "--out", file], check=True, capture_output=True, text=True
        ).stdout
        reserve = said.rsplit(" ", 1)[-1].strip()
        yield file
