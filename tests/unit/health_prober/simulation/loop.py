"""An asyncio event loop whose clock jumps to what is to happen next, and processes that stand still.

Everything that a process schedules is known by its context, so all of it can be kept back until it goes on.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any


class Process:
    """What belongs together and stands still together (SIGSTOP)."""

    def __init__(self) -> None:
        self.stopped = False
        self.waiting: deque[tuple[asyncio.Handle, Context, Callable[..., object], tuple[Any, ...]]] = deque()


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Jumps(selectors.SelectSelector):
    """Waits for nothing: what would be a wait moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self.now += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`time` is simulated seconds, from 0."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now

    def go_on(self, process: Process) -> None:
        """Let a process go on: all that was to happen meanwhile happens now, in order."""
        process.stopped = False
        waiting, process.waiting = process.waiting, deque()
        for handle, context, callback, arguments in waiting:
            if not handle.cancelled():
                self.call_soon(_unless_cancelled, handle, callback, arguments, context=context)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        gate = _Gate(callback)
        gate.handle = super().call_soon(gate, *args, context=context)
        return gate.handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        gate = _Gate(callback)
        gate.handle = timer = super().call_at(when, gate, *args, context=context)
        return timer


class _Gate:
    """Lets a callback through unless its process stands still."""

    __slots__ = ("_callback", "handle")

    def __init__(self, callback: Callable[..., object]) -> None:
        self._callback = callback
        self.handle: asyncio.Handle

    def __call__(self, *arguments: Any) -> None:
        process = PROCESS.get()
        if process is None or not process.stopped:
            self._callback(*arguments)
        else:
            process.waiting.append((self.handle, copy_context(), self._callback, arguments))


def _unless_cancelled(
    handle: asyncio.Handle, callback: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    if not handle.cancelled():
        callback(*arguments)
