"""The checks that a thread beside the engine's makes: who waits for it, and who is in its hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import count
from typing import TYPE_CHECKING, Final

from health_prober.check import Event, Unproven

if TYPE_CHECKING:
    from health_prober.probe import Probe
    from health_prober.side import Side

DESCRIPTORS: Final = 3
"""Descriptors that one attempt may need: a script has two pipes and a handle."""
_MOST = 1000
"""Attempts in flight at once."""
_OVERDUE = 5.0
"""Seconds beyond its timeout after which an attempt is given up: its library hangs."""
_LOOK = 1.0
"""Seconds between two looks for those."""


class Aside:
    """Of the engine's thread. ``ring`` is called from the other one when something has ended."""

    def __init__(self, *, ring: Callable[[], None], on_crash: Callable[[BaseException], None]) -> None:
        self._ring = ring
        self._on_crash = on_crash
        self._side: Side | None = None
        self._tickets = count(1)
        self._look_at = 0.0
        self.due: deque[Probe] = deque()
        """Whose time has come, the oldest first."""
        self.flying: dict[int, Probe] = {}

    def room(self, descriptors: int) -> int:
        """Say how many more may begin when so many descriptors are free."""
        return max(min(_MOST - len(self.flying), descriptors // DESCRIPTORS), 0)

    @property
    def next(self) -> float | None:
        """When somebody must look for what hangs; None: nothing is in flight."""
        return self._look_at if self.flying else None

    def begin_due(self, now: float, descriptors: int) -> list[Probe]:
        """Begin attempts at those whose time has come, as many as there is room for; return them."""
        probes = [self.due.popleft() for _ in range(min(len(self.due), self.room(descriptors)))]
        if probes:
            self._begin(probes, now)
        return probes

    def _begin(self, probes: Iterable[Probe], now: float) -> None:
        attempts = []
        for probe in probes:
            probe.began = now
            probe.ticket = next(self._tickets)
            self.flying[probe.ticket] = probe
            attempts.append((probe.ticket, probe.check))
        if self._side is None:
            from health_prober.side import Side  # noqa: PLC0415  # most probers need no second thread

            self._side = Side(on_ended=self._ring, on_crash=self._on_crash)
        self._side.begin(attempts)

    def drop(self, probe: Probe) -> None:
        """Break a probe's attempt off, if there is one."""
        if self.flying.pop(probe.ticket, None) is not None and self._side is not None:
            self._side.cancel([probe.ticket])

    def sweep(self, dropped: Collection[Probe]) -> None:
        """Let those go that are due and have been dropped."""
        self.due = deque(probe for probe in self.due if probe not in dropped)

    def ended(self) -> list[tuple[Probe, Event]]:
        """Take what has ended since the last call."""
        if self._side is None:
            return []
        taken = []
        for ticket, event in self._side.ended():
            if (probe := self.flying.pop(ticket, None)) is not None:
                taken.append((probe, event))
        return taken

    def hanging(self, now: float) -> list[tuple[Probe, Event]]:
        """Give up what should have ended long ago: every attempt is to end, whatever its library does."""
        if now < self._look_at:
            return []
        self._look_at = now + _LOOK
        late = [probe for probe in self.flying.values() if now > probe.began + probe.rules.timeout + _OVERDUE]
        for probe in late:
            self.drop(probe)
        text = "the check failed inside vipbus: it did not end in time"
        return [(probe, Unproven(probe.began, text)) for probe in late]

    def stop(self) -> None:
        """Break everything off and end the thread."""
        if self._side is not None:
            self._side.stop()
