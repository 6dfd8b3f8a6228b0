"""Whether attempts begin when they should: a prober that is late says so, and never just probes less."""

from __future__ import annotations

from collections.abc import Sequence

from health_prober.metrics import PROBE_LATENESS, ROUNDS_SKIPPED

WINDOW = 5.0
"""Seconds over which lateness is judged."""
_BOUND = 0.1
"""Seconds that an attempt may begin late, or this share of its interval where that is more."""
_SHARE = 0.01
"""Of a window's attempts that may be later than that."""


def bound_of(interval: float) -> float:
    """Say from how many seconds on an attempt is late."""
    return max(_BOUND, _BOUND * interval)


class Punctuality:
    """Counts what began, and what began late; seconds on a monotonic clock."""

    def __init__(self, now: float) -> None:
        self.ends = now + WINDOW
        """When the present window does."""
        self.trouble = ""
        """What is wrong, by the last window that ended."""
        self._began = 0
        self._late = 0
        self._skipped = 0
        self._worst = 0.0

    def began(self, lateness: Sequence[float]) -> None:
        """Count attempts that have begun, by how late they were."""
        PROBE_LATENESS.observe_all(lateness)
        self._began += len(lateness)

    def late(self, lateness: float, interval: float) -> None:
        """Count an attempt that was later than its bound, and the rounds that it took the place of."""
        self._late += 1
        self._worst = max(self._worst, lateness)
        if lateness >= interval:
            skipped = int(lateness / interval)
            self._skipped += skipped
            ROUNDS_SKIPPED.add(skipped)

    def turn(self, now: float, waiting: float) -> None:
        """End the window if it is time; ``waiting`` is how late the oldest is that has yet to begin."""
        if now < self.ends:
            return
        late = self._late + (waiting > 0)
        self.trouble = ""
        if late and late > _SHARE * self._began:
            skipped = f", {self._skipped} rounds were left out" if self._skipped else ""
            self.trouble = (
                f"{late} of {self._began + (waiting > 0)} attempts began up to "
                f"{max(self._worst, waiting):.1f} s late{skipped}: "
                "give the prober more processor time or descriptors, or start more replicas"
            )
        self.ends = now + WINDOW
        self._began = self._late = self._skipped = 0
        self._worst = 0.0
