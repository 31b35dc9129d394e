"""The queue page with 100,000 open cases and 5 million settlement lines, against the same page with 50 cases."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

MANY, FEW = 100_000, 50
LINES_MANY, LINES_FEW = 5_000_000, 2_500


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    command = [sys.executable, "-m", "bench.queue_page"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as pages:

        def ask(**question) -> dict:
            pages.stdin.write(json.dumps(question) + "\n")
            return json.loads(pages.stdout.readline())

        for company, cases, lines in (("Few", FEW, LINES_FEW), ("Many", MANY, LINES_MANY)):
            made = ask(do="prepare", company=company, cases=cases, lines=lines)
            if made != {"opened": cases, "changed_by_a_second_sweep": 0}:
                raise SystemExit(f"The sweeps of {company} left {made}; expected {cases} cases and none changed.")
        with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a load
        ours, theirs = [], []
        for _ in range(ROUNDS):
            both = ask(do="pages", companies=["Few", "Many"])
            few, many = both["Few"], both["Many"]
            if few["queries"] != many["queries"]:
                raise SystemExit(f"{FEW} cases take {few['queries']} queries, {MANY:,} take {many['queries']}.")
            theirs.append(few["seconds"])
            ours.append(many["seconds"])
        pages.stdin.close()
    yield Row(
        name="queue",
        limit=2.0,
        unit="s",
        ours=ours,
        theirs=theirs,
        note=f"{MANY:,} cases against {FEW}, {many['queries']} queries each",
    )
