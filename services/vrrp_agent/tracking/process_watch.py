"""Tracked processes: counted once in /proc, then kept by the kernel's own word about them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from vipbus.contracts import TrackProcess
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.poller import Poller
from vrrp_agent.tracking import processes, proctable
from vrrp_agent.tracking.processes import Counted
from vrrp_agent.tracking.procevents import Process, ProcessEvents, UnavailableError
from vrrp_agent.tracking.sources import SourceSeen

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between looks at /proc where the kernel does not tell."""
_LOOK_ANYWAY = 60.0
"""The same where it does: before Linux 6.6 any listener that leaves twice silences it for all (cn_proc.c)."""


class ProcessWatch:
    """Counts what runs; for one thread."""

    def __init__(self, poller: Poller, alarms: Alarms, *, seen: Callable[[SourceSeen], None]) -> None:
        self._poller = poller
        self._alarms = alarms
        self._seen = seen
        self._processes: dict[str, TrackProcess] = {}
        self._states: dict[str, Counted] = {}
        self._matched: dict[int, frozenset[str]] = {}
        """Names of the tracked processes that a running one is one of."""
        self._counts: Counter[str] = Counter()
        self._events: ProcessEvents | None = None
        self._unavailable = False
        """True: it was said that the kernel does not tell."""

    def configure(self, tracked: Iterable[TrackProcess]) -> None:
        """Count exactly these; those that stay keep their state."""
        new = {process.name: process for process in tracked}
        if new == self._processes:
            return
        for name in self._processes.keys() - new.keys():
            self._states.pop(name, None)
            self._alarms.clear(f"track process {name}")
        self._processes = new
        if not new:
            self.close()
            return
        if self._events is None:
            self._subscribe()
        self._scan()

    def close(self) -> None:
        """Count nothing any more."""
        self._processes = {}
        self._matched.clear()
        self._counts.clear()
        self._alarms.clear("track processes")
        if self._events is not None:
            self._poller.remove(self._events.fileno())
            self._events.close()
            self._events = None

    def _subscribe(self) -> None:
        """Listen before looking, so that nothing falls between."""
        try:
            self._events = ProcessEvents()
        except UnavailableError as error:
            if not self._unavailable:
                log.warning("tracked processes are looked for each second: %s", error)
            self._unavailable = True
            return
        self._poller.add(self._events.fileno(), self._happened)

    def _scan(self) -> None:
        """Look at every process there is."""
        wanted = self._command_wanted()
        self._matched = {}
        for pid in proctable.pids():
            if names := self._names(pid, wanted=wanted):
                self._matched[pid] = names
        self._counts = Counter(name for names in self._matched.values() for name in names)
        for name in self._processes:
            self._count(name)
        wait = _LOOK if self._events is None else _LOOK_ANYWAY
        self._alarms.set("track processes", time.monotonic() + wait, self._scan)

    def _command_wanted(self) -> bool:
        return any(processes.needs_command(each) for each in self._processes.values())

    def _names(self, pid: int, *, wanted: bool) -> frozenset[str]:
        """Look at one process and give the tracked ones that it is."""
        name = proctable.name(pid)
        if name is None:
            return frozenset()
        command = proctable.command(pid) if wanted else ()
        return frozenset(
            key for key, each in self._processes.items() if processes.matches(each, name, command)
        )

    # ---- what happens

    def _happened(self) -> None:
        assert self._events is not None  # noqa: S101  # its descriptor was readable
        try:
            events = self._events.read()
        except OSError:
            log.warning("the kernel told of more processes than could be heard; looking at all of them again")
            self._events.forget()
            self._scan()
            return
        changed: dict[str, None] = {}
        for event in events:
            for name in self._take(event):
                changed[name] = None
        for name in changed:
            self._count(name)

    def _take(self, event: Process) -> frozenset[str]:
        """Take one event; give the tracked processes whose number it may have changed."""
        before = self._matched.get(event.pid, frozenset())
        if event.what == "fork":
            # a copy until it becomes another program; one that a look has found already is told of late
            after = before or self._matched.get(event.parent, frozenset())
        elif event.what == "exit":
            after = frozenset()
        else:
            after = self._names(event.pid, wanted=self._command_wanted())
        if after:
            self._matched[event.pid] = after
        else:
            self._matched.pop(event.pid, None)
        self._counts.subtract(before)
        self._counts.update(after)
        return before ^ after

    def _count(self, name: str) -> None:
        self._become(
            name,
            processes.counted(
                self._processes[name], self._states.get(name), self._counts[name], time.monotonic()
            ),
        )

    def _become(self, name: str, state: Counted) -> None:
        before = self._states.get(name)
        self._states[name] = state
        alarm = f"track process {name}"
        if state.turns_at is None:
            self._alarms.clear(alarm)
        else:
            self._alarms.set(alarm, state.turns_at, lambda: self._turn(name))
        if before is None or before.up != state.up:
            cause = processes.cause(self._processes[name], state.count)
            self._seen(SourceSeen(kind="process", name=name, up=state.up, cause=cause))

    def _turn(self, name: str) -> None:
        self._become(name, processes.due(self._states[name], time.monotonic()))
