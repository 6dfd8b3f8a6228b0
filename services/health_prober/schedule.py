"""When each check's next attempt begins: a wheel to wait in, and a line for those whose time has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from health_prober.check import calm, round_begins, round_of
from health_prober.probe import Probe
from health_prober.wheel import NOWHERE, Wheel

_TICK: Final = 0.00025
"""Seconds, of the wheel."""


class Schedule:
    """Of the engine's thread; times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._wheel: Wheel[Probe] = Wheel(_TICK)
        self.due: deque[Probe] = deque()
        """Whose time has come and who has yet to begin, the oldest first; of those made here."""

    @property
    def next(self) -> float | None:
        """When somebody's time comes; None: never."""
        return self._wheel.next

    @staticmethod
    def settle(probe: Probe) -> None:
        """Bring a state up to date in which nothing but the time has changed."""
        if probe.state.due != probe.due:
            probe.state = msgspec.structs.replace(probe.state, due=probe.due)

    def put(self, probe: Probe) -> None:
        """Let a probe wait until its state says."""
        probe.due = probe.state.due
        probe.round = round_of(probe.rules, probe.due)
        probe.calm = calm(probe.state)
        self._wheel.add(probe.due, probe)

    def again(self, probes: Sequence[Probe], now: float) -> list[Probe]:
        """Let probes of which only the time has changed wait for their next round; give those that changed.

        It is what `health_prober.check.decide` would say of them, at a fraction of the price.
        """
        add = self._wheel.add
        changed = []
        for probe in probes:
            if not probe.calm:
                changed.append(probe)
                continue
            number = probe.round + 1
            due = round_begins(probe.rules, number)
            if due < now:  # this round took longer: the next begins at once, and is back on the grid
                due = now
                number = round_of(probe.rules, now)
            probe.round = number
            probe.due = due
            add(due, probe)
        return changed

    def hasten(self, probe: Probe, now: float) -> None:
        """Let a probe that waits begin at once; one that does not is left as it is."""
        if probe.tick != NOWHERE:
            self.settle(probe)
            probe.state = msgspec.structs.replace(probe.state, due=now)
            self.put(probe)

    def take(self, now: float, aside: Callable[[Probe], object]) -> None:
        """Put whose time has come in line, or hand it over where another thread makes it."""
        put = self.due.append
        for probe in self._wheel.take(now):
            (put if probe.lean else aside)(probe)

    def remove(self, probe: Probe) -> None:
        """Take a probe out of the wheel."""
        self._wheel.remove(probe)

    def sweep(self, dropped: Collection[Probe]) -> None:
        """Forget probes that were taken out."""
        self._wheel.sweep()
        self.due = deque(probe for probe in self.due if probe not in dropped)
