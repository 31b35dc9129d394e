"""An Amazon that answers just what a test says, for what the sandbox does not do."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from uuid import uuid4

from apps.core.models import Entity
from apps.integrations.credentials import seal
from apps.integrations.models import Connection
from tests.factories import ConnectionFactory


@dataclass
class Scripted:
    """`answers[path]`: what comes, one after the other, each (status, headers, body); the last one stays. `{url}` in a body
    is the server's own address. A path without answers has an access token."""

    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    credentials: dict[str, str] = field(
        default_factory=lambda: {
            "refresh_token": f"Atzr|{uuid4()}",
            "client_id": "made-up-app",
            "client_secret": "made-up-secret",
        }
    )

    def __enter__(self) -> "Scripted":
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
                path, _, query = self.path.partition("?")
                script.asked.append((path, parse_qs(query), dict(self.headers)))
                waiting = script.answers.get(path, [(200, {}, b'{"access_token": "Atza|made-up", "expires_in": 3600}')])
                status, headers, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                body = body.replace(b"{url}", script.url.encode())
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def connection(self, entity: Entity, **values) -> Connection:
        connection = ConnectionFactory(
            entity=entity,
            kind=Connection.Kind.AMAZON,
            account="A1MADEUP",
            endpoint=self.url,
            token_url=f"{self.url}/auth/o2/token",
            **{"marketplaces": ["A1F83G8C2ARO7P"]} | values,
        )
        seal(connection, self.credentials, None)
        return connection

    def says(self, path: str, *answers: object) -> None:
        """Each answer is a body for a 200, or a status with a body. What is no bytes is JSON."""
        self.answers[path] = [
            (status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
            for status, body in (answer if isinstance(answer, tuple) else (200, answer) for answer in answers)
        ]

    def asked_for(self, path: str) -> list[dict[str, list[str]]]:
        """The parameters of each request for a path."""
        return [parameters for asked, parameters, _ in self.asked if asked == path]
