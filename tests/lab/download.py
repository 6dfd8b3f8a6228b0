"""Long downloads: connections that carry something all the time, until the client ends them.

What comes while nobody reads waits in the client's kernel, and the two kernels go on talking: so a download
is as much in the middle of something as a browser's, and needs no thread here.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
from collections.abc import Iterator

from tests.lab.namespace import Namespace
from tests.lab.web import LINE
from tests.support.waiting import eventually

_REQUEST = b"GET /drip HTTP/1.0\r\n\r\n"
_CHECKSUM = hashlib.sha256().digest_size * 2
_PATIENCE = 30.0
"""Seconds that a slow machine may take for what is under way."""


class Download:
    """One connection through a virtual server, and what came of it so far."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._over = False

    def begin(self) -> None:
        """Ask for it and wait for the first line."""
        self._connection.sendall(_REQUEST)
        self._connection.setblocking(False)
        eventually(lambda: self.lines > 0, "a download begins", within=_PATIENCE)

    @property
    def lines(self) -> int:
        """How many lines have come."""
        with contextlib.suppress(BlockingIOError):
            while piece := self._connection.recv(65536):
                self._received += piece
            self._over = True
        return len(self._body) // LINE

    @property
    def server(self) -> str:
        """The real server that sends it."""
        return self._body.split(maxsplit=1)[0].decode()

    @property
    def over(self) -> bool:
        """Whether the other end has closed it."""
        return self.lines >= 0 and self._over

    @property
    def _body(self) -> bytes:
        return self._received.partition(b"\r\n\r\n")[2]

    def goes_on(self, lines: int = 10) -> None:
        """Wait for more lines than there are by now, what lay in the kernel not counted."""
        wanted = self.lines + lines
        eventually(lambda: self.lines >= wanted, f"the download from {self.server} goes on", within=_PATIENCE)

    def finish(self) -> int:
        """End it; return its whole length in octets once the checksum at its end fits."""
        self._connection.setblocking(True)
        self._connection.sendall(b"\r\n")
        self._connection.setblocking(False)
        eventually(lambda: self.over, f"the download from {self.server} ends", within=_PATIENCE)
        sent, checksum = self._body[:-_CHECKSUM], self._body[-_CHECKSUM:].decode()
        assert hashlib.sha256(sent).hexdigest() == checksum, f"{len(sent)} octets, not as they were sent"
        return len(sent)


@contextlib.contextmanager
def downloads(client: Namespace, address: str, port: int, count: int) -> Iterator[list[Download]]:
    """Begin downloads from a virtual server; those that are not finished are dropped at the end."""
    with contextlib.ExitStack() as opened:
        with client.entered():
            begun = [
                Download(opened.enter_context(socket.create_connection((address, port), timeout=5)))
                for _ in range(count)
            ]
        for each in begun:
            each.begin()
        yield begun
