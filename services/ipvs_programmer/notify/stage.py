"""Descriptors and alarms that are waited for by asyncio, beside everything else that its loop does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from vipbus.runtime.alarms import Alarms
from vipbus.runtime.poller import Poller

log = logging.getLogger(__name__)

_LOOK = 0.05
"""Seconds between two looks at what makes no event."""
_AFTER_FAULT = 1.0
"""Seconds until work goes on after a fault of our own."""


class Stage:
    """A poller and alarms of the running loop; what they call may wait for nothing."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.alarms = _LoopAlarms(self._step)
        self._loop = asyncio.get_running_loop()
        self._stepped = asyncio.Event()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        if not self._closed:
            self._loop.add_reader(self.poller.fileno(), self._step)

    def _step(self) -> None:
        try:
            self.poller.handle()
            self.alarms.ring(time.monotonic())
        except Exception:  # a fault of our own must not take the table from anybody
            log.exception("a fault in what notifies")
            self._loop.remove_reader(self.poller.fileno())
            self._loop.call_later(_AFTER_FAULT, self._begin)
        self._stepped.set()

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until a condition holds, ``within`` so many seconds; say whether it does."""
        end = time.monotonic() + within
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._stepped.clear()
            try:
                # a pipe that is read is no event here
                async with asyncio.timeout(min(left, _LOOK)):
                    await self._stepped.wait()
            except TimeoutError:
                pass
        return True

    def close(self) -> None:
        """Wait for nothing any more."""
        self._closed = True
        self._loop.remove_reader(self.poller.fileno())
        self.alarms.clear_all()


class _LoopAlarms(Alarms):
    """Alarms that ring by themselves."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._at = float("inf")

    def set(self, name: str, at: float, call: Callable[[], None]) -> None:
        super().set(name, at, call)
        self._plan()

    def ring(self, now: float) -> None:
        super().ring(now)
        self._at = float("inf")
        self._plan()

    def clear_all(self) -> None:
        """Ring no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _plan(self) -> None:
        at = self.next()
        if at is None or at >= self._at:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._at = at
        # the loop's clock is the alarms' (asyncio's time() is time.monotonic())
        self._handle = asyncio.get_running_loop().call_at(at, self._ring)
