"""50,000 orders from Amazon's stand-in, new and then unchanged, against a bare httpx loop over the same pages.

The stand-in has every page ready before the first round, and its usage plans are off.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import psycopg

from bench.figures import ROUNDS, Row
from opsconsole.embedded import PROJECT

ORDERS = 50_000
SANDBOX = ("--port", "0", "--orders", str(ORDERS), "--still", "--no-limits", "--die-with-parent")


def measure(environment: Mapping[str, str]) -> Iterator[Row]:
    """Each round fills a company of its own, then pulls the same pages into it again."""
    pipes = {"env": environment, "cwd": PROJECT, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    sandbox = [sys.executable, "-u", "-m", "apps.sandbox", *SANDBOX]
    pulls = [sys.executable, "-m", "bench.orders_pulls"]
    with ExitStack() as stack:
        amazon = stack.enter_context(subprocess.Popen(sandbox, **pipes))
        worker = stack.enter_context(subprocess.Popen(pulls, stdin=subprocess.PIPE, **pipes))

        def ask(**question) -> dict:
            worker.stdin.write(json.dumps(question) + "\n")
            if answer := worker.stdout.readline():
                return json.loads(answer)
            raise SystemExit("The measured process ended before its work did.")

        stack.callback(amazon.terminate)
        found = ask(do="meet", url=amazon.stdout.readline().split()[-1])["orders"]
        rounds = []
        for number in range(ROUNDS):
            ask(do="open_company", number=number)
            plain, first = ask(do="read_alone")["seconds"], ask(do="pull")
            with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as server:
                server.execute("VACUUM ANALYZE")  # as autovacuum does in the minute after such a load
            again = ask(do="pull")
            left = (first["added"] + first["unreadable"], again["unchanged"] + again["unreadable"])
            if left != (found, found) or again["written"]:
                raise SystemExit(f"Of {found:,} orders the pulls left {first} and {again}; the second may write none.")
            rounds.append((plain, first["seconds"], again["seconds"]))
        worker.stdin.close()
    plain, first, again = (list(each) for each in zip(*rounds, strict=True))
    against = "against httpx and json.loads over the same pages"
    yield Row(
        name="orders", limit=2.0, unit="s", ours=first, theirs=plain,
        note=f"{found:,} orders fetched, stored, routed and swept, {against}",
    )  # fmt: skip
    yield Row(
        name="replay", limit=1.3, unit="s", ours=again, theirs=plain,
        note=f"the same orders unchanged, no row of theirs written, {against}",
    )  # fmt: skip
