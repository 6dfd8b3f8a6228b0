"""Wait for descriptors, and call whoever handles the one that became readable (epoll(7))."""

from __future__ import annotations

import select
from collections.abc import Callable


class Poller:
    """Descriptors and their handlers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._itself = (self._epoll.fileno(),)
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

        Never early, and late by what the system takes to wake a thread: epoll counts whole milliseconds and
        met a deadline 0.75 ms late in the middle, so select(2) waits for it, which counts microseconds. That
        takes no descriptor from 1024 on, so whoever makes this makes it early.
        """
        if select.select(self._itself, (), (), timeout)[0]:
            self.handle()

    def fileno(self) -> int:
        """Give the descriptor that is readable when one of these is (epoll(7): they nest)."""
        return self._itself[0]

    def handle(self) -> None:
        """Call the handlers of what is readable now, without waiting."""
        for descriptor, _ in self._epoll.poll(0):
            handler = self._handlers.get(descriptor)
            if handler is not None:  # an earlier one may have removed it
                handler()
