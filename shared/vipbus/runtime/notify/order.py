"""Programs of one instance or pool run in the order of its changes, the next when the last have ended.

The programs of one change start together, as keepalived starts them. One that does not end holds the next
change back for `PATIENCE`, no longer: the newest state matters most.
"""

from __future__ import annotations

from collections import deque

import msgspec

from vipbus.contracts import Program

PATIENCE = 60.0
"""Seconds that a change waits for the programs of the one before."""
MOST = 1000
"""Changes of one instance or pool that wait; then the oldest are dropped."""


class Change(msgspec.Struct, frozen=True):
    """One change and the programs that hear of it."""

    state: str
    programs: tuple[Program, ...]


class Order:
    """The changes of one thing that wait, and the programs that run."""

    def __init__(self) -> None:
        self.running: set[int] = set()
        """Runs of the present change that have not ended."""
        self.patient_until = 0.0
        """Seconds of the monotonic clock from which the next change waits no longer."""
        self._waiting: deque[Change] = deque()

    def __len__(self) -> int:
        """Count the changes that wait."""
        return len(self._waiting)

    def add(self, change: Change) -> int:
        """Let a change wait for its turn; give how many were dropped for it."""
        self._waiting.append(change)
        dropped = max(0, len(self._waiting) - MOST)
        for _ in range(dropped):
            self._waiting.popleft()
        return dropped

    def turn(self, now: float) -> Change | None:
        """Give the change whose programs start now; they are to be put in `running`. None: none do."""
        if not self._waiting or (self.running and now < self.patient_until):
            return None
        self.running.clear()  # those that still run are waited for no more
        self.patient_until = now + PATIENCE
        return self._waiting.popleft()
