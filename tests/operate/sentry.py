"""A server that stands for Sentry: it takes what the SDK posts and keeps the events."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def sentry() -> Iterator[tuple[str, list[dict]]]:
    """(DSN, the events that came so far)"""
    events: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            events.extend(events_of(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://public@127.0.0.1:{server.server_port}/1", events
    finally:
        server.shutdown()
        server.server_close()


def events_of(envelope: bytes) -> Iterator[dict]:
    """An envelope is a line about itself, then for each item a line about it and its bytes."""
    _, _, rest = envelope.partition(b"\n")
    while rest:
        head, _, rest = rest.partition(b"\n")
        about = json.loads(head)
        item, rest = rest[: about["length"]], rest[about["length"] + 1 :]
        if about["type"] == "event":
            yield json.loads(item)
