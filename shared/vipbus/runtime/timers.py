"""When each of many is to be looked at next: a heap whose outdated entries are passed over."""

from __future__ import annotations

import heapq


class Timers:
    """One deadline a name; setting it again replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._deadlines: dict[str, float] = {}

    def set(self, name: str, deadline: float | None) -> None:
        """Set a name's deadline; None: it has none."""
        if self._deadlines.get(name) == deadline:
            return
        if deadline is None:
            del self._deadlines[name]
            return
        self._deadlines[name] = deadline
        heapq.heappush(self._heap, (deadline, name))

    def next(self) -> float | None:
        """Give the earliest deadline; None when there is none."""
        while self._heap:
            deadline, name = self._heap[0]
            if self._deadlines.get(name) == deadline:
                return deadline
            heapq.heappop(self._heap)
        return None

    def expired(self, now: float) -> list[str]:
        """Take the names whose deadline has passed, the earliest first; each must be set again."""
        names = []
        while (deadline := self.next()) is not None and deadline <= now:
            _, name = heapq.heappop(self._heap)
            del self._deadlines[name]
            names.append(name)
        return names
