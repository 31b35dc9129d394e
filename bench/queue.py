"""The queue page with 100,000 open cases and 5 million settlement lines, against the same page with 50 cases."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

MANY, FEW = 100_000, 50
LINES_MANY, LINES_FEW = 5_000_000, 2_500
Ask = Callable[..., dict]


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    with filled(environment, {"Few": (FEW, LINES_FEW), "Many": (MANY, LINES_MANY)}) as ask:
        ours, theirs, queries = compared(ask)
    yield Row(
        name="queue",
        limit=2.0,
        unit="s",
        ours=ours,
        theirs=theirs,
        note=f"{MANY:,} cases against {FEW}, {queries} queries each",
    )


@contextmanager
def filled(environment: Mapping[str, str], companies: Mapping[str, tuple[int, int]]) -> Iterator[Ask]:
    """A process with companies of so many cases and settlement lines, to be asked for its pages."""
    command = [sys.executable, "-m", "bench.queue_page"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as pages:

        def ask(**question) -> dict:
            pages.stdin.write(json.dumps(question) + "\n")
            return json.loads(pages.stdout.readline())

        for company, (cases, lines) in companies.items():
            made = ask(do="prepare", company=company, cases=cases, lines=lines)
            if made != {"opened": cases, "changed_by_a_second_sweep": 0}:
                raise SystemExit(f"The sweeps of {company} left {made}; expected {cases} cases and none changed.")
        with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a load
        yield ask
        pages.stdin.close()


def compared(ask: Ask, asked: str = "") -> tuple[list[float], list[float], int]:
    """Seconds of the page of Many and of Few, round by round, and how many queries each takes."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        both = ask(do="pages", companies=["Few", "Many"], asked=asked)
        few, many = both["Few"], both["Many"]
        if few["queries"] != many["queries"]:
            raise SystemExit(f"Few cases take {few['queries']} queries, many take {many['queries']}.")
        theirs.append(few["seconds"])
        ours.append(many["seconds"])
    return ours, theirs, many["queries"]
