"""Agents of a pool's members: they say a line to HAProxy each time that it asks."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Sequence


class _Ask(socketserver.StreamRequestHandler):
    timeout = 0.05
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # HAProxy says nothing, or has gone
            self.server.heard = self.rfile.readline().decode()
        with contextlib.suppress(OSError):
            self.wfile.write(self.server.says.encode() + b"\n")
        self.server.asked += 1


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    says = "ready up 100%"
    heard = ""
    asked = 0


class Agents:
    """One on each of some addresses, all on one port; a context."""

    def __init__(self, addresses: Sequence[str], port: int) -> None:
        self._servers = {each: _Server((each, port), _Ask) for each in addresses}

    def __enter__(self) -> Agents:
        for each in self._servers.values():
            threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._servers.values():
            each.shutdown()
            each.server_close()

    def say(self, address: str, line: str) -> None:
        """Let one say this from now on."""
        self._servers[address].says = line

    def asked(self, address: str) -> int:
        """Count how often one was asked."""
        return self._servers[address].asked

    def heard(self, address: str) -> str:
        """Give the line that one was sent last."""
        return self._servers[address].heard
