"""Wait until a descriptor takes data again, in a `Poller` that waits for readable ones."""

from __future__ import annotations

import select
from collections.abc import Callable

from vipbus.runtime.poller import Poller


class Outlet:
    """An epoll of its own, which is readable when the descriptor is writable (epoll(7): they nest)."""

    def __init__(self, poller: Poller, descriptor: int, ready: Callable[[], None]) -> None:
        self._poller = poller
        self._descriptor = descriptor
        self._epoll = select.epoll()
        self._waiting = False
        poller.add(self._epoll.fileno(), ready)

    def wait(self, *, wanted: bool) -> None:
        """Say whether there is something to write."""
        if wanted != self._waiting:
            self._waiting = wanted
            if wanted:
                self._epoll.register(self._descriptor, select.EPOLLOUT)
            else:
                self._epoll.unregister(self._descriptor)

    def close(self) -> None:
        """Stop waiting; before the descriptor is closed."""
        self._poller.remove(self._epoll.fileno())
        self._epoll.close()
