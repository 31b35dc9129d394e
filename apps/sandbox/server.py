"""The sockets: HTTP/1.1 with kept connections, one thread each, on 127.0.0.1 alone."""

import select
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apps.sandbox.amazon import Amazon
from apps.sandbox.control import controlled
from apps.sandbox.platform import PREFIX, Platform
from apps.sandbox.wire import Answer, parsed

PATIENCE = 60  # seconds that a timeout holds a client that does not give up


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    server: "Server"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = parsed(self.command, self.path, self.headers, body)
        amazon = self.server.amazon
        if request.path.startswith(PREFIX):
            answer = self.server.platform.answer(request)
        elif request.path.startswith("/control/"):
            answer = controlled(amazon, request)
        else:
            answer = amazon.answer(request)
        if answer.instead:
            self._break_off(answer.instead)
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _break_off(self, how: str) -> None:
        self.close_connection = True
        if how == "timeout":
            select.select([self.connection], [], [], PATIENCE)  # readable when the client has gone
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """/control/log has it."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, amazon: Amazon):
        super().__init__(("127.0.0.1", port), Handler)
        self.amazon = amazon
        self.platform = Platform()
        amazon.reports.address = self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no news; anything else is a bug of the sandbox's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
