"""What both sides of ``make bench-proxy`` have: a pool of two members that answer, and one of a thousand."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

MANY = 1000
"""Members of the large pool; nobody listens there, nobody asks it."""
_WITHIN = 30.0


@dataclass
class Shape:
    """Ports, and what members are now."""

    port: int
    """The proxy's."""
    members: tuple[int, int]
    """Ports of the two that answer; they answer with it."""
    up: list[bool] = field(default_factory=lambda: [True, True])
    weights: list[int] = field(default_factory=lambda: [1] * MANY)
    retries: int = 3
    """A part of the structure."""


def address(number: int) -> str:
    """Give the address of a member of the large pool."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def ask(port: int) -> str:
    """Ask once over a new connection; the body, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b""
            while more := client.recv(4096):
                said += more
    except OSError:
        return ""
    return said.rpartition(b"\r\n\r\n")[2].decode()


def obeyed(shape: Shape) -> int:
    """Ask until the answers are by who is up; give when the first of them came (ns of the monotonic clock).

    Raises:
        AssertionError: they never are.
    """
    first, second = map(str, shape.members)
    limit = time.monotonic() + _WITHIN
    since = 0
    row = 0
    while time.monotonic() < limit:
        said, now = ask(shape.port), time.monotonic_ns()
        if all(shape.up):
            if said == first:
                return now
            continue
        # two in a row: they take turns, so one of them would have been the other's
        row = row + 1 if said == second else 0
        since = now if row == 1 else since
        if row == 2:
            return since
    raise AssertionError("no answer by who is up")


def worker(said: str) -> int:
    """Read the process id from an answer to ``show info``; 0: there is none."""
    return int(said.partition("\nPid: ")[2].partition("\n")[0] or 0)
