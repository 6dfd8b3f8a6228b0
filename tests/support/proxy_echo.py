"""Servers that tell what they were asked, behind a proxy."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """A request as a server had it."""

    port: int
    method: str = ""
    path: str = ""
    headers: dict[str, str] = {}
    first: str = ""
    """A line of the PROXY protocol before it."""
    status: int = 200
    answer: dict[str, str] = {}
    """The headers that the client had back, in small letters."""


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    first = ""
    server: _Listener

    def parse_request(self) -> bool:
        if self.raw_requestline[:1] == b"\x03":  # a remote desktop's client
            self.wfile.write(str(self.server.server_port).encode())
            self.close_connection = True
            return False
        if self.raw_requestline.startswith(b"PROXY "):
            self.first = self.raw_requestline.decode().strip()
            self.raw_requestline = self.rfile.readline()
        elif self.raw_requestline == b"\r\n":  # proxy-protocol.txt, 2.2
            header = self.rfile.read(14)
            body = self.rfile.read(int.from_bytes(header[12:14], "big"))
            self.first = f"PROXY v2 {'.'.join(map(str, body[:4]))}"
            self.raw_requestline = self.rfile.readline()
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path.startswith("/hold"):
            self.server.held.set()
            self.server.go.wait(10)
        seen = Seen(
            port=self.server.server_port,
            method=self.command,
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            first=self.first,
        )
        body = msgspec.json.encode(seen)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server-Secret", "1")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # haproxy closes what it kept
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.go = threading.Event()
        self.held = threading.Event()

    def get_request(self) -> tuple[Any, Any]:
        accepted, address = super().get_request()
        if self.context is not None:
            accepted = self.context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        return accepted, address


class Echo:
    """A server that tells what it was asked; ``/hold`` it answers when it is let go."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._server = _Listener()
        self._server.context = context
        self.go = self._server.go
        self.held = self._server.held
        self.port: int = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def echoes(number: int, context: ssl.SSLContext | None = None) -> Iterator[list[Echo]]:
    """So many of them, closed at the end."""
    made = [Echo(context) for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            each.close()
