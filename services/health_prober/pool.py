"""Sockets that go from one attempt to the next, and stay in epoll for it."""

from __future__ import annotations

import _socket
import math
import select
import socket
from collections import deque

from health_prober import connect

_MOST = 256
"""Sockets that are kept of each family at most: as many as begin together at 10,000 checks a second."""
_SHARE = 64
"""One of so many descriptors is kept, where there are few."""


class Pool:
    """Sockets with the same events in epoll.

    A connection stands until its socket is taken for the next one, or until `rest`: its reset is an event for
    epoll too, and a wait that it ends for nothing costs more than the reset itself. Times are seconds on a
    monotonic clock. ``limit`` is how many descriptors attempts may have.
    """

    def __init__(self, epoll: select.epoll, events: int, limit: int) -> None:
        self._epoll = epoll
        self._events = events
        self._most = min(limit // _SHARE, _MOST)
        families = (socket.AF_INET, socket.AF_INET6)
        self._spent: dict[int, deque[tuple[float, _socket.socket]]] = {family: deque() for family in families}
        """Those whose connection stands, since when, the oldest first."""
        self._idle: dict[int, deque[_socket.socket]] = {family: deque() for family in families}

    def take(self, family: int) -> _socket.socket:
        """Take a socket that may connect.

        Raises:
            OSError: this host gave none.
        """
        spent = self._spent[family]
        while spent:
            _, made = spent.popleft()
            if connect.reset(made.fileno()):
                return made
            made.close()
        idle = self._idle[family]
        if idle:
            return idle.popleft()
        made = connect.opened(family)
        try:
            self._epoll.register(made.fileno(), self._events)
        except BaseException:
            made.close()
            raise
        return made

    def give(self, family: int, made: _socket.socket, now: float) -> None:
        """Give a socket back whose connect went well."""
        spent = self._spent[family]
        spent.append((now, made))
        if len(spent) > self._most:
            spent.popleft()[1].close()

    def rest(self, before: float) -> None:
        """Reset the connections that stand since before that time."""
        for family, spent in self._spent.items():
            while spent and spent[0][0] <= before:
                _, made = spent.popleft()
                idle = self._idle[family]
                if len(idle) < self._most and connect.reset(made.fileno()):
                    idle.append(made)
                else:
                    made.close()

    def close(self) -> None:
        """Let go of every socket."""
        self.rest(math.inf)
        for idle in self._idle.values():
            while idle:
                idle.popleft().close()
