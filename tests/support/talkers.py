"""Servers that do what a test says with each connection: real sockets on loopback, a thread a connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket], None]


class Talker:
    """A server."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._talk(connection)
        self._open.discard(connection)

    def close(self) -> None:
        """End the server and its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def talking(talk: Talk) -> Iterator[Talker]:
    """Run a server for a while."""
    talker = Talker(talk)
    try:
        yield talker
    finally:
        talker.close()


def answering(*octets: bytes, then: Talk | None = None, heard: list[bytes] | None = None) -> Talk:
    """Make a talk that reads once, notes what it read, and sends octets; then it closes or does ``then``."""

    def talk(connection: socket.socket) -> None:
        came = connection.recv(65536)
        if heard is not None:
            heard.append(came)
        for each in octets:
            connection.sendall(each)
        if then is not None:
            then(connection)

    return talk


def reset(connection: socket.socket) -> None:
    """End a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(connection: socket.socket) -> None:
    """Say nothing until the other end goes."""
    while connection.recv(65536):
        pass


def endless(octets: bytes) -> Talk:
    """Send the same octets without end."""

    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(octets)

    return talk


def dripping(octets: bytes, every: float) -> Talk:
    """Send an octet at a time, without end."""

    def talk(connection: socket.socket) -> None:
        pause = threading.Event()
        while True:
            for octet in octets:
                connection.sendall(bytes([octet]))
                pause.wait(every)

    return talk
