"""Servers that behave as badly as a script says: a thread for each connection, on loopback."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hyperframe.frame import Frame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""Of a client (RFC 9113, section 3.4)."""
Script = Callable[[socket.socket], None]
"""What is done with a connection; when it returns or the other end is gone, the connection is closed."""


class RawServer:
    """A context; with a certificate the scripts talk by TLS."""

    def __init__(self, script: Script, certificate: Path | None = None) -> None:
        self._script = script
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
            self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> RawServer:
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(10)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    @property
    def busy(self) -> int:
        """Connections that are open here."""
        return len(self._open)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            self._threads = [each for each in self._threads if each.is_alive()]
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        talking = connection
        try:
            with suppress(OSError):
                if self._context is not None:
                    talking = self._context.wrap_socket(connection, server_side=True)
                    self._open.discard(connection)
                    self._open.add(talking)
                self._script(talking)
        finally:
            self._open.discard(connection)
            self._open.discard(talking)
            talking.close()
            connection.close()


def until_gone(connection: socket.socket) -> None:
    """Take whatever comes until the other end is gone."""
    while connection.recv(65536):
        pass


def asked(connection: socket.socket) -> None:
    """Wait until a request has come, of HTTP/2 a whole one if its preface came, else whatever did."""
    octets = b""
    while piece := connection.recv(65536):
        octets += piece
        if not octets.startswith(PREFACE[: len(octets)]) or _holds_request(octets):
            return


def _holds_request(octets: bytes) -> bool:
    at = len(PREFACE)
    while len(octets) >= at + 9:
        kind, flags = octets[at + 3], octets[at + 4]
        if kind in (0, 1) and flags & 1:  # DATA or HEADERS with END_STREAM
            return True
        at += 9 + int.from_bytes(octets[at : at + 3])
    return False


def sending(*pieces: bytes, then: Script = until_gone) -> Script:
    """Send each piece, after a request came."""

    def script(connection: socket.socket) -> None:
        asked(connection)
        for piece in pieces:
            connection.sendall(piece)
        then(connection)

    return script


def endless(piece: bytes, *first: bytes) -> Script:
    """Send something, then the same piece for ever, reading nothing."""
    many = piece * max(1, 65536 // len(piece))

    def script(connection: socket.socket) -> None:
        asked(connection)
        for each in first:
            connection.sendall(each)
        while True:
            connection.sendall(many)

    return script


def slowly(octets: bytes, every: float = 0.05) -> Script:
    """Send an octet at a time."""

    def script(connection: socket.socket) -> None:
        asked(connection)
        for at in range(len(octets)):
            connection.sendall(octets[at : at + 1])
            time.sleep(every)
        until_gone(connection)

    return script


def resetting(connection: socket.socket) -> None:
    """End with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def closing(connection: socket.socket) -> None:
    """End in good order."""
    connection.shutdown(socket.SHUT_RDWR)


def half_closing(connection: socket.socket) -> None:
    """Say no more, but listen."""
    connection.shutdown(socket.SHUT_WR)
    until_gone(connection)


def frames(*each: Frame) -> bytes:
    """Octets of HTTP/2 frames after the server's preface."""
    return b"".join(frame.serialize() for frame in (SettingsFrame(0), *each))
