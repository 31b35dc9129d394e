"""python -m apps.sandbox --port 8123: prints one line when it listens."""

import argparse
import ctypes
import signal
from datetime import UTC, datetime

from apps.sandbox.amazon import Amazon
from apps.sandbox.clock import Clock
from apps.sandbox.server import Server
from apps.sandbox.world import World

PR_SET_PDEATHSIG = 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m apps.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one, which the line names")
    parser.add_argument("--orders", type=int, default=300, help="how many exist at the start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start", type=datetime.fromisoformat, help="the instant its world is made around; now if left out"
    )
    parser.add_argument(
        "--still", action="store_true", help="the clock stands at the start and moves by /control/advance alone"
    )
    parser.add_argument("--no-limits", action="store_true", help="no usage plans")
    parser.add_argument("--die-with-parent", action="store_true")
    given = parser.parse_args()
    if given.die_with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    start = (given.start or datetime.now(UTC)).replace(microsecond=0)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    world = World(seed=given.seed, start=start, size=given.orders)
    with Server(given.port, Amazon(world, Clock(start, still=given.still), limits=not given.no_limits)) as server:
        print(f"Listening on {server.url}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
