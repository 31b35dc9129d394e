"""Dry run of a spreadsheet of 50,000 rows against reading it with its own library, and saving it against the dry run."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

ROWS = 50_000


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    """Each round brings another file of new items, in a process of its own."""
    rounds = []
    for number in range(ROUNDS):
        command = [sys.executable, "-m", "bench.import_once", str(number), str(ROWS)]
        said = subprocess.run(command, env=environment, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
        rounds.append(json.loads(said.splitlines()[-1]))
    if any(each["added"] != ROWS for each in rounds):
        raise SystemExit(f"{[each['added'] for each in rounds]} rows were added; expected {ROWS} a round.")
    read, dry, saved = ([each[name] for each in rounds] for name in ("read", "dry", "saved"))
    memory = max(each["memory"] for each in rounds)
    yield Row(
        name="import", limit=3.0, unit="s", ours=dry, theirs=read,
        note=f"dry run of {ROWS:,} rows of items against openpyxl reading them; at most {memory} MB",
    )  # fmt: skip
    yield Row(
        name="apply", limit=2.0, unit="s", ours=saved, theirs=dry, note="saving them against the dry run"
    )  # fmt: skip
