"""A thread with an event loop for the checks whose protocol a library speaks.

It knows no schedule: it is handed attempts, each with a number, and hands back how each ended.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from health_prober.attempt import Steps, kind_of
from health_prober.check import Event, Unproven
from health_prober.trying import tried
from vipbus.contracts import Check
from vipbus.telemetry.logs import plain

log = logging.getLogger(__name__)

_LAST = 1.0
"""Seconds that attempts have to let go of what they hold when the thread is to end."""
_WORDS = 200
"""Characters of an exception's text that are told."""


class Side:
    """The thread; every method is for the one thread that made it.

    ``on_ended`` is called from this thread when `ended` has something new, and ``on_crash`` with what ended
    the thread if it was not `stop`.
    """

    def __init__(self, *, on_ended: Callable[[], None], on_crash: Callable[[BaseException], None]) -> None:
        self._on_ended = on_ended
        self._on_crash = on_crash
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[Event]] = {}
        self._ended: deque[tuple[int, Event]] = deque()
        self._telling = False
        self._crashed: set[str] = set()
        self._thread = threading.Thread(target=self._live, name="checks", daemon=True)
        self._thread.start()

    # ---- from the thread that made it

    def begin(self, attempts: Sequence[tuple[int, Check]]) -> None:
        """Begin attempts, each with its number."""
        self._loop.call_soon_threadsafe(self._begin, attempts)

    def cancel(self, numbers: Sequence[int]) -> None:
        """Break attempts off; nothing more is heard of them."""
        self._loop.call_soon_threadsafe(self._cancel, numbers)

    def ended(self) -> list[tuple[int, Event]]:
        """Take what has ended since the last call."""
        taken = []
        while self._ended:
            taken.append(self._ended.popleft())
        return taken

    def stop(self) -> None:
        """Break everything off and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    # ---- the thread

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._until_stopped())
        except BaseException as error:  # whatever it is, somebody must know that nothing is probed
            self._on_crash(error)
        finally:
            # imported by a check that runs a program, and only then
            if (programs := sys.modules.get("health_prober.programs")) is not None:
                programs.let_go(self._loop)
            self._loop.close()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        tasks = list(self._tasks.values())
        self._cancel(list(self._tasks))
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST)
        await self._loop.shutdown_asyncgens()

    def _begin(self, attempts: Sequence[tuple[int, Check]]) -> None:
        for number, check in attempts:
            task = self._tasks[number] = self._loop.create_task(self._try(check))
            task.add_done_callback(lambda done, number=number: self._done(number, done))  # type: ignore[misc]  # bound early

    def _cancel(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if (task := self._tasks.pop(number, None)) is not None:
                task.cancel()

    async def _try(self, check: Check) -> Event:
        began = time.monotonic()
        try:
            return await tried(check, Steps())
        except Exception as error:
            return self._failed_inside(kind_of(check), began, error)

    def _failed_inside(self, kind: str, began: float, error: Exception) -> Unproven:
        if kind not in self._crashed:
            self._crashed.add(kind)
            log.error("a check of kind %s failed inside vipbus", kind, exc_info=error)
        text = plain(f"{type(error).__name__}: {error}"[:_WORDS])
        return Unproven(began, f"the check failed inside vipbus: {text}")

    def _done(self, number: int, task: asyncio.Task[Event]) -> None:
        if self._tasks.pop(number, None) is None:
            return  # broken off
        if task.cancelled():
            event: Event = Unproven(time.monotonic(), "the check failed inside vipbus: it cancelled itself")
        else:
            event = task.result()
        self._ended.append((number, event))
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        self._on_ended()
