"""Many new connections a second, each written down.

``python connect.py ADDRESS PORT EVERY COUNT OUTPUT`` begins a connection each ``EVERY`` seconds, ``COUNT`` in
all. A line of the output is one connection: when it was begun, when it was made and when it was answered, in
nanoseconds since 1970, or 0 for what did not happen within `TIMEOUT`; and the error number, 0 for none.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 0.9
"""Seconds: before the kernel would send a lost SYN again, so that a lost one is a failed connection."""
PRIORITY = 10


@dataclass
class Connection:
    """One connection."""

    begun: int
    socket: socket.socket
    made: int = 0
    answered: int = 0
    error: int = 0
    over: bool = False

    def line(self) -> str:
        """Write it down."""
        return f"{self.begun} {self.made} {self.answered} {self.error}\n"


class Client:
    """Begins connections and sees each to its end, without waiting for any."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._epoll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._oldest: deque[Connection] = deque()

    @property
    def idle(self) -> bool:
        """True once every connection is over."""
        return not self._open

    def begin(self) -> Connection:
        """Begin one."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection = Connection(time.time_ns(), made)
        error = made.connect_ex(self._address)
        if error not in (0, errno.EINPROGRESS):
            connection.error, connection.over = error, True
            made.close()
            return connection
        self._open[made.fileno()] = connection
        self._oldest.append(connection)
        self._epoll.register(made.fileno(), select.EPOLLOUT)
        return connection

    def work(self, seconds: float) -> None:
        """See to what happens within a time."""
        for descriptor, events in self._epoll.poll(0):
            self._happened(self._open[descriptor], events)
        limit = time.time_ns() - int(TIMEOUT * 1e9)
        while self._oldest and (self._oldest[0].over or self._oldest[0].begun < limit):
            connection = self._oldest.popleft()
            if not connection.over:
                self._end(connection, errno.ETIMEDOUT)
        if seconds > 0:
            select.select((self._epoll.fileno(),), (), (), seconds)

    def _happened(self, connection: Connection, events: int) -> None:
        if not connection.made:
            error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._end(connection, error)
                return
            if events & select.EPOLLOUT:
                connection.made = time.time_ns()
                self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)
            return
        try:
            if connection.socket.recv(16):
                connection.answered = time.time_ns()
            self._end(connection, 0 if connection.answered else errno.ECONNRESET)
        except OSError as error:
            self._end(connection, error.errno or errno.EIO)

    def _end(self, connection: Connection, error: int) -> None:
        connection.error, connection.over = error, True
        del self._open[connection.socket.fileno()]
        connection.socket.close()


def main(address: str, port: int, every: float, count: int, output: Path) -> None:
    """Begin every connection, see the last one to its end, then write."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    gc.disable()
    client = Client((address, port))
    begun = []
    print("connecting", flush=True)
    start = time.monotonic()
    while len(begun) < count or not client.idle:
        if len(begun) < count and time.monotonic() >= start + len(begun) * every:
            begun.append(client.begin())
        due = start + len(begun) * every if len(begun) < count else time.monotonic() + every
        client.work(due - time.monotonic())
    output.write_text("".join(connection.line() for connection in begun))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
