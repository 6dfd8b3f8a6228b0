"""Follows an engine in a thread of its own: list first, then events since.

When the engine is lost, what was known stays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from config_service.docker_labels.view import Members, View

log = logging.getLogger(__name__)

WINDOW: Final = 30.0
"""Seconds of events between two lists: whatever was missed is found then, and a connection that is dead
without a word is noticed."""
_REPLAY: Final = timedelta(minutes=10)
"""The first list cannot show who was told to stop and still runs; the engine's memory of events does, as far
as it goes (its last 256)."""
_EARLY: Final = 2.0
"""Seconds before its end at which a stream that ends has been cut off."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
"""Seconds between attempts; each is twice the one before."""


class Watcher:
    """Tells what Docker says now, at each change; the callbacks are called in the thread."""

    def __init__(
        self,
        host: str,
        *,
        on_members: Callable[[Members], None],
        on_lost: Callable[[str], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._host = host
        self._on_members = on_members
        self._on_lost = on_lost
        self._on_fault = on_fault
        self._view = View()
        self._told: Members | None = None
        """What was told last; None: nothing since the engine was lost."""
        self._stopping = threading.Event()
        self._close: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="docker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the thread may take a moment longer."""
        self._stopping.set()
        self._close()

    def _run(self) -> None:
        try:
            self._follow()
        except BaseException as fault:  # a thread that ends silently would follow nothing
            if not self._stopping.is_set():
                self._on_fault(fault)

    def _follow(self) -> None:
        # the SDK takes a while to import, and only whoever uses it pays for that
        from config_service.docker_labels.engine import Engine, EngineError  # noqa: PLC0415

        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                with Engine(self._host) as engine:
                    self._close = engine.close_stream
                    since = engine.now() - _REPLAY
                    while not self._stopping.is_set():
                        now = engine.now()
                        until = now + timedelta(seconds=WINDOW)
                        began = time.monotonic()
                        self._view.listed(engine.containers())
                        self._tell()
                        for event in engine.events(since, until):
                            if self._view.heard(event) and event.at >= now:
                                self._view.seen(event.container, engine.container(event.container))
                            self._tell()
                        if time.monotonic() - began < WINDOW - _EARLY:
                            raise EngineError(f"the Docker engine at {self._host} ended the stream of events")
                        pause, since = _FIRST_PAUSE, until
            except EngineError as error:
                if self._stopping.is_set():
                    return
                self._told = None
                self._on_lost(str(error))
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _tell(self) -> None:
        members = self._view.members
        if members != self._told:
            self._told = members
            self._on_members(members)
