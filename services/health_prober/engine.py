"""Runs many checks from one thread: it keeps their schedule, begins their attempts and judges how they end.

Nothing here waits for the bus, and nothing of asyncio is in the way of a probe: plain connects and plain
HTTP are made here (`health_prober.lean`), every other kind in a thread beside this one
(`health_prober.side`). The thread is given the whole set of checks to run (`Engine.assign`) and hands
decisions back; between the two it needs nobody.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from health_prober.aside import DESCRIPTORS, Aside
from health_prober.attempt import Passed
from health_prober.check import Event, Succeeded, Unproven, decide
from health_prober.endings import Endings
from health_prober.lean import Ending, Lean, TooSlow
from health_prober.metrics import PROBES_IN_FLIGHT
from health_prober.orders import Orders, Outcome
from health_prober.probe import Probe
from health_prober.punctual import Punctuality
from health_prober.roster import Roster
from health_prober.schedule import Schedule
from health_prober.sockets import raise_descriptor_limit
from health_prober.troubles import Troubles
from vipbus.contracts import Check

__all__ = ["Engine", "Orders", "Outcome", "raise_descriptor_limit"]

_STARTS_A_TURN = 16
"""Attempts begun before answers are looked at again, so that an answer's time is not that of other starts."""
_STARTS_OF_MANY = 64
"""The same where that many are due: each look has its price, which those that wait would pay in time."""
_LONGEST_WAIT = 3600.0
"""Seconds; an interval may be longer than the kernel counts."""
_SWITCH_INTERVAL = 0.0002
"""Seconds that a thread may compute while another wants to (Python's default: 25 times as long). A decision
goes from this thread to the bus's: either waits for the other, and a verdict has 5 ms for all of its way."""


class Engine:
    """The thread and what others may ask of it.

    ``on_outcomes`` and ``on_trouble`` are called from the thread: the first with decisions, the second with
    why probes cannot be made here or begin late, empty once all is well. ``on_crash`` is told what ended the
    thread if it was not `stop`.
    """

    def __init__(
        self,
        *,
        limit: int,
        on_outcomes: Callable[[list[Outcome]], None],
        on_trouble: Callable[[str], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._limit = limit
        self._on_outcomes = on_outcomes
        self._on_trouble = on_trouble
        self._on_crash = on_crash
        self._orders: deque[Orders] = deque()
        self._hastened: deque[Check] = deque()
        self._taken = 0
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lean = Lean(self._wake, limit)
        self._aside = Aside(ring=self._ring, on_crash=on_crash)
        self._schedule = Schedule()
        self._endings = Endings()
        self._punctuality = Punctuality(time.monotonic())
        self._troubles = Troubles()
        self._roster = Roster(self._lean, self._aside, self._schedule, self._troubles)
        self._decided: list[Outcome] = []
        self._thread = threading.Thread(target=self._live, name="probes", daemon=True)

    # ---- from other threads

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def assign(self, orders: Orders) -> None:
        """Run these checks and no others."""
        self._orders.append(orders)
        self._ring()

    def hasten(self, checks: Iterable[Check]) -> None:
        """Begin the next attempt at these now; those in flight are left as they are."""
        self._hastened.extend(checks)
        self._ring()

    def stop(self) -> None:
        """End the thread; attempts in flight are dropped."""
        self._stopping = True
        self._ring()
        self._thread.join()
        os.close(self._wake)

    def _ring(self) -> None:
        os.eventfd_write(self._wake, 1)

    # ---- the thread

    def _live(self) -> None:
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))
        try:
            while not self._stopping:
                self._turn()
        except BaseException as error:  # whatever it is, somebody must know that nothing is probed
            self._on_crash(error)
        finally:
            self._lean.close()
            self._aside.stop()

    def _turn(self) -> None:
        now = time.monotonic()
        woken = self._hear(now, self._patience(now))
        now = time.monotonic()
        for probe, event in self._aside.hanging(now):
            self._judge(probe, event, now)
        if woken:
            # what ended is judged before: whoever is dropped now must not come back by it
            self._woken(now)
        self._hand_over()
        if self._start_due(now) and not self._schedule.due:
            # on this host a port without a listener refuses at once, and that is the news
            self._hear(now, 0)
        self._look(now)
        PROBES_IN_FLIGHT.set(len(self._lean.flying) + len(self._aside.flying))
        self._say(now)

    def _hear(self, now: float, patience: float) -> bool:
        """Wait for answers, at most so many seconds, and judge them; True: woken."""
        ended: list[tuple[Probe, Ending]] = []
        woken = self._lean.wait(now, patience, ended)
        now = time.monotonic()
        self._lean.expire(now, ended)
        if ended:
            passed: list[Probe] = []
            for probe, ending in ended:
                self._ended(probe, ending, now, passed)
            self._hand_over()
            self._stayed_up(passed, now)
        return woken

    def _look(self, now: float) -> None:
        """Look for successes that nobody tells of: last, for they are no news."""
        passed: list[Probe] = []
        self._lean.look(now, passed, self._endings.passed["tcp"])
        self._stayed_up(passed, now)

    def _patience(self, now: float) -> float:
        """Say how long nothing will have to be done, in seconds; -1 is until something happens."""
        free = self._free
        if (self._schedule.due and free > 0) or (self._aside.due and self._aside.room(free)):
            return 0
        wakes = [self._schedule.next, self._lean.next, self._aside.next, self._troubles.due]
        if self._punctuality.trouble or self._schedule.due or self._aside.due:
            wakes.append(self._punctuality.ends)
        moments = [moment for moment in wakes if moment is not None]
        return min(max(min(moments) - now, 0), _LONGEST_WAIT) if moments else -1

    @property
    def _free(self) -> int:
        """How many descriptors attempts may still take."""
        return self._limit - len(self._lean.flying) - DESCRIPTORS * len(self._aside.flying)

    def _woken(self, now: float) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._orders:
            self._take(self._orders.popleft(), now)
        while self._hastened:
            probe = self._roster.probes.get(self._hastened.popleft())
            if probe is not None:
                self._schedule.hasten(probe, now)
        for probe, event in self._aside.ended():
            self._judge(probe, event, now)

    def _take(self, orders: Orders, now: float) -> None:
        self._taken = orders.number
        self._roster.take(orders.checks, now)

    # ---- when it begins

    def _start_due(self, now: float) -> bool:
        """Begin some of those whose time has come; True if there were any."""
        self._schedule.take(now, self._aside.due.append)
        due, start, clock = self._schedule.due, self._lean.start, time.monotonic
        lateness: list[float] = []
        for probe in self._aside.begin_due(now, self._free):
            lateness.append(late := now - probe.due)
            if late > probe.bound:
                self._punctuality.late(late, probe.rules.interval)
        ended: list[tuple[Probe, Event]] = []
        turn = _STARTS_A_TURN if len(due) < _STARTS_OF_MANY else _STARTS_OF_MANY
        for _ in range(min(len(due), turn, max(self._free, 0))):
            probe = due.popleft()
            now = clock()
            lateness.append(late := now - probe.due)
            if late > probe.bound:
                self._punctuality.late(late, probe.rules.interval)
            if (ending := start(probe, now)) is not None:
                ended.append((probe, ending))
        if lateness:
            self._punctuality.began(lateness)
        for probe, failed in ended:
            self._judge(probe, failed, now)
        return bool(lateness)

    # ---- how it ends

    def _ended(self, probe: Probe, ending: Ending, now: float, passed: list[Probe]) -> None:
        if isinstance(ending, TooSlow):
            probe.lean = False
            self._aside.due.append(probe)
        elif not isinstance(ending, Passed):
            self._judge(probe, ending, now)
        elif probe.calm:
            passed.append(probe)
            self._endings.passed[probe.kind].append(now - probe.began)
        else:
            self._judge(probe, Succeeded(probe.began, ending), now)

    def _stayed_up(self, probes: list[Probe], now: float) -> None:
        """Note that servers which were up still are.

        Unless another's verdict was taken over meanwhile.
        """
        if not probes:
            return
        for probe in self._schedule.again(probes, now):
            self._decide(probe, Succeeded(probe.began), now)
        if self._troubles:
            for probe in probes:
                self._troubles.over(probe)
        self._endings.count()

    def _judge(self, probe: Probe, event: Event, now: float) -> None:
        self._endings.judged(probe.kind, event, now - probe.began)
        if isinstance(event, Unproven):
            self._troubles.has(probe, event.trouble)
        else:
            self._troubles.over(probe)
        self._decide(probe, event, now)

    def _decide(self, probe: Probe, event: Event, now: float) -> None:
        self._schedule.settle(probe)
        probe.state, decision = decide(probe.rules, probe.state, event, now)
        self._schedule.put(probe)
        if decision is not None:
            now_ns = time.time_ns()
            began_ns = now_ns - int((now - decision.began) * 1e9)
            self._decided.append(Outcome(probe.check, decision, self._taken, began_ns, now_ns))

    # ---- what is said

    def _say(self, now: float) -> None:
        if now >= self._punctuality.ends:
            oldest = [
                now - line[0].due - line[0].bound for line in (self._schedule.due, self._aside.due) if line
            ]
            self._punctuality.turn(now, max(oldest, default=0.0))
            self._troubles.late(self._punctuality.trouble)
        if self._troubles.changed and (line := self._troubles.news(now)) is not None:
            self._on_trouble(line)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._decided:
            decided, self._decided = self._decided, []
            self._on_outcomes(decided)
