"""Mapping a SKU that 5,000 orders wait for against one that 10 wait for, and releasing the 5,000 against plain SQL.

Both are among 100,000 held orders on 500 SKUs that nobody has mapped: 500 cases.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

ORDERS, SKUS = 100_000, 500
MANY, FEW = 5_000, 10


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    """Each round maps two SKUs that no round before has touched."""
    command = [sys.executable, "-m", "bench.quarantine_pages"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as pages:

        def ask(**question) -> dict:
            pages.stdin.write(json.dumps(question) + "\n")
            if answer := pages.stdout.readline():
                return json.loads(answer)
            raise SystemExit("The measured process ended before its work did.")

        opened = ask(do="hold", orders=ORDERS, skus=SKUS, many=MANY, few=FEW, rounds=ROUNDS)
        if opened != {"cases": SKUS}:
            raise SystemExit(f"The sweep left {opened}; expected {SKUS} cases.")
        with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a load
        few, many, released, plain = [], [], [], []
        for number in range(ROUNDS):
            small, large = ask(do="map_sku", sku=f"FEW-{number}"), ask(do="map_sku", sku=f"MANY-{number}")
            if (small["commands"], large["commands"]) != (FEW, MANY):
                raise SystemExit(f"Mapping left {small} and {large}; expected {FEW} and {MANY} commands.")
            few.append(small["seconds"])
            many.append(large["seconds"])
            released.append(large["releasing"])
            plain.append(large["writing"])
        pages.stdin.close()
    yield Row(
        name="quarantine", limit=2.0, unit="s", ours=many, theirs=few,
        note=f"{MANY:,} waiting orders against {FEW}, among {ORDERS:,} on {SKUS} SKUs; preview and commit, over HTTP",
    )  # fmt: skip
    yield Row(
        name="waiting", limit=3.0, unit="s", ours=released, theirs=plain,
        note=f"from the commit to {large['said']!r}, against one INSERT ... SELECT of the same {MANY:,} commands",
    )  # fmt: skip
