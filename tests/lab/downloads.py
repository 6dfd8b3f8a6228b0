"""Long downloads, counted: which go on and which broke."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.lab.namespace import Namespace

_SILENCE = 60.0
"""Seconds without a byte that count as broken: a router that was cut off is replaced sooner."""


class Download:
    """One connection that is read until it ends or is closed."""

    def __init__(self, client: Namespace, address: str, port: int = 80) -> None:
        self.received = 0
        """Bytes."""
        self.error = ""
        """Why it broke; empty: it goes on."""
        with client.entered():
            self._socket = socket.create_connection((address, port), timeout=10)
        self._socket.settimeout(_SILENCE)
        self._socket.sendall(b"download")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while piece := self._socket.recv(65536):
                self.received += len(piece)
            self.error = "closed"
        except OSError as error:
            self.error = str(error)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):  # it broke before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()
