"""Wait for descriptors, and call whoever handles the one that became readable (epoll(7))."""

from __future__ import annotations

import select
from collections.abc import Callable


class Poller:
    """Descriptors and their handlers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call a handler whenever a descriptor is readable."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Forget a descriptor; before it is closed."""
        del self._handlers[descriptor]
        self._epoll.unregister(descriptor)

    def wait(self, timeout: float | None) -> None:
        """Wait for ``timeout`` seconds at most (None: for ever) and call the handlers of what is readable.

        epoll rounds up to whole milliseconds: a deadline is met up to 1 ms late, never early.
        """
        for descriptor, _ in self._epoll.poll(timeout):
            handler = self._handlers.get(descriptor)
            if handler is not None:  # an earlier one may have removed it
                handler()
