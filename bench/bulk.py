"""A bulk action on 50,000 cases against the cheapest single SQL statement that makes the same change."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

CASES = 50_000


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    command = [sys.executable, "-m", "bench.bulk_once"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    ours, theirs, parts = [], [], []
    with (
        subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as process,
        psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server,
    ):

        def ask(**question) -> dict:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a change
            process.stdin.write(json.dumps(question) + "\n")
            return json.loads(process.stdout.readline())

        ask(do="prepare", company="Bench", cases=CASES)
        for _ in range(ROUNDS):
            plain, bulk = ask(do="plain", company="Bench"), ask(do="bulk", company="Bench")
            if (plain["done"], bulk["done"], bulk["state"]) != (CASES, CASES, "done"):
                raise SystemExit(f"The statement left {plain}, the bulk action {bulk}; expected {CASES:,} done by each.")
            theirs.append(plain["seconds"])
            parts.append([bulk[name] for name in ("freezing", "checking", "doing")])
            ours.append(sum(parts[-1]))
        process.stdin.close()
    freezing, checking, doing = (", ".join(f"{each:.2f}" for each in part) for part in zip(*parts, strict=True))
    yield Row(
        name="bulk", limit=3.0, unit="s", ours=ours, theirs=theirs,
        note=f"{CASES:,} cases assigned, of which freezing {freezing}, dry run {checking}, doing {doing}",
    )  # fmt: skip
