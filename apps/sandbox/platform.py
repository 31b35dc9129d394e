"""A stand-in for an integration platform: its hook takes a retry, runs the record, and reports what became of it.

The hook's address says where it reports, and with which key: /platform/retry?report=http://…&key=ocp_…. A record whose id ends
with a 7 fails once more at its first retry; all others succeed.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from apps.sandbox.wire import Answer, Request, as_json

PREFIX = "/platform/"
RUNS_FOR = 1.0  # seconds
STUBBORN = "7"


class Platform:
    """Takes each key once, however often it comes."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        if request.method != "POST" or request.path != f"{PREFIX}retry":
            return as_json({"error": "there is no such hook"}, 404)
        asked = json.loads(request.body)
        with self.lock:
            again = asked["key"] in self.taken
            self.taken.add(asked["key"])
        if not again:
            threading.Thread(target=_run, args=[request.one("report"), request.one("key"), asked], daemon=True).start()
        return as_json({"queued": asked["id"]}, 202)


def _run(report: str, key: str, asked: dict[str, Any]) -> None:
    time.sleep(RUNS_FOR)
    told = {"id": asked["id"], "at": datetime.now(UTC).isoformat(), "status": "succeeded"}
    if asked["id"].endswith(STUBBORN) and asked["attempt"] == 1:
        words = "The item has no tax group"
        told |= {"status": "failed", "flow": asked["flow"], "about": f"record {asked['id']}", "code": "TAX_GROUP", "text": words}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    call = urllib.request.Request(report, data=json.dumps({"records": [told]}).encode(), headers=headers)
    try:
        with urllib.request.urlopen(call, timeout=30):
            pass
    except urllib.error.URLError as error:  # nobody listens: a platform would try again, this one says so
        print(f"The platform could not report to {report.partition('?')[0]}: {error.reason}", flush=True)
