"""A bulk action on 50,000 cases against the cheapest single SQL statement that makes the same change; and the queue page,
asked over HTTP of a real web server, while it runs in its own process.
"""

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT
from opsconsole.run import HOST, web

CASES = 50_000
REQUESTS = 25


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    command = [sys.executable, "-m", "bench.bulk_once"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    ours, theirs, parts, busy, idle, asked = [], [], [], [], [], []
    with (
        subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as process,
        psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server,
        _web_server(environment) as port,
    ):

        def begin(**question) -> None:
            server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a change
            process.stdin.write(json.dumps(question) + "\n")

        def answer() -> dict:
            return json.loads(process.stdout.readline())

        begin(do="prepare", company="Bench", cases=CASES)
        answer()
        begin(do="session", company="Bench")
        page = _page(port, answer()["cookie"])
        page()  # the first request of a process reads the templates
        for _ in range(ROUNDS):
            begin(do="plain", company="Bench")
            plain = answer()
            begin(do="bulk", company="Bench", to="Ben")
            alone = answer()
            idle.append(median(page() for _ in range(REQUESTS)))
            begin(do="bulk", company="Bench", to="Ada")
            while_it_runs = []
            while not select.select([process.stdout], [], [], 0)[0]:
                while_it_runs.append(page())
            beside = answer()
            if (plain["done"], alone["done"], beside["done"], beside["state"]) != (CASES, CASES, CASES, "done"):
                raise SystemExit(f"The statement left {plain}, the bulks {alone} and {beside}; not {CASES:,} done by each.")
            theirs.append(plain["seconds"])
            parts.append([alone[name] for name in ("freezing", "checking", "doing")])
            ours.append(sum(parts[-1]))
            busy.append(median(while_it_runs))
            asked.append(len(while_it_runs))
        process.stdin.close()
    freezing, checking, doing = (", ".join(f"{each:.2f}" for each in part) for part in zip(*parts, strict=True))
    yield Row(
        name="bulk", limit=3.0, unit="s", ours=ours, theirs=theirs,
        note=f"{CASES:,} cases assigned, of which freezing {freezing}, dry run {checking}, doing {doing}",
    )  # fmt: skip
    yield Row(
        name="bulk-queue", limit=1.5, unit="s", ours=busy, theirs=idle,
        note=f"the queue page over HTTP, {', '.join(map(str, asked))} times while it runs against {REQUESTS} times idle",
    )  # fmt: skip


@contextmanager
def _web_server(environment: Mapping[str, str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", *web(port).arguments], env=environment, cwd=PROJECT) as server:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex((HOST, port)) == 0:
                        break
                time.sleep(0.1)
            yield port
        finally:
            server.terminate()


def _page(port: int, cookie: str) -> Callable[[], float]:
    """Asks for the queue page and gives the seconds that it took."""

    def ask() -> float:
        begun = time.perf_counter()
        connection = HTTPConnection(HOST, port, timeout=60)
        connection.request("GET", "/queue/finance/", headers={"Cookie": f"sessionid={cookie}"})
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status != 200:
            raise SystemExit(f"The queue page answered {response.status}.")
        return time.perf_counter() - begun

    return ask
