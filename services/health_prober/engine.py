"""Runs many checks from one thread: raw sockets, one epoll, a heap of due times.

Nothing here waits for the bus, and nothing of asyncio is in the way of a probe. The thread is given the whole
set of checks to run (`Engine.assign`) and hands decisions back; between the two it needs nobody.
"""

from __future__ import annotations

import errno
import heapq
import logging
import os
import resource
import select
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from itertools import count

import msgspec

from health_prober import causes, connect
from health_prober.check import (
    Decision,
    Event,
    Failed,
    Rules,
    State,
    Succeeded,
    Unproven,
    begin,
    decide,
    learn,
    rules_of,
)
from health_prober.metrics import PROBE_DURATION, PROBE_LATENESS, PROBES, PROBES_IN_FLIGHT
from vipbus.contracts import Check, VerdictName

log = logging.getLogger(__name__)

_DESCRIPTORS_KEPT = 128
"""Left for the bus, files, libraries and the scraper."""
_STARTS_A_TURN = 32
"""Attempts begun before answers are looked at again, so that an answer's time is not that of other starts."""
_EVENTS_A_TURN = 512
_LONGEST_WAIT = 3600.0
"""Seconds; epoll_wait(2) counts milliseconds in an int, which a delay_loop of 25 days overflows."""


class Orders(msgspec.Struct, frozen=True):
    """Every check that is to run, and what the thread is told of it.

    A verdict is taken over from whoever found it; None leaves the check as it is, unknown if it is new.
    """

    number: int
    checks: Mapping[Check, VerdictName | None]


class Outcome(msgspec.Struct, frozen=True):
    """A check's decision, with its times in nanoseconds since the epoch."""

    check: Check
    decision: Decision
    order: int
    """The last orders that were taken when it was decided."""
    began_ns: int
    decided_ns: int


class _Probe:
    """One check that runs: in the heap while it waits for its time, in a line while it is in flight."""

    __slots__ = ("began", "check", "dropped", "line", "rules", "socket", "state", "where")

    def __init__(self, check: Check, rules: Rules, state: State, line: OrderedDict[int, _Probe]) -> None:
        self.check = check
        self.rules = rules
        self.state = state
        self.line = line
        self.where = connect.resolve(check.address, check.port)
        self.socket: socket.socket | None = None
        self.began = 0.0
        self.dropped = False


def raise_descriptor_limit() -> int:
    """Raise the soft limit on descriptors to the hard one; return how many attempts may be in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = 2**20 if hard == resource.RLIM_INFINITY else hard
    return max(limit - _DESCRIPTORS_KEPT, 1)


class Engine:
    """The thread and what others may ask of it.

    ``on_outcomes`` and ``on_trouble`` are called from the thread: the first with decisions, the second with
    why probes cannot be made here, empty once they can. ``on_crash`` is told what ended the thread if it was
    not `stop`.
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
        self._taken = 0
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._probes: dict[Check, _Probe] = {}
        self._due: list[tuple[float, int, _Probe]] = []
        self._order = count()
        self._flying: dict[int, _Probe] = {}
        # attempts with one timeout end in the order they began, so the first of each line is its oldest
        self._lines: dict[float, OrderedDict[int, _Probe]] = {}
        self._unproven: set[_Probe] = set()
        self._decided: list[Outcome] = []
        self._thread = threading.Thread(target=self._live, name="probes", daemon=True)

    # ---- from other threads

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def assign(self, orders: Orders) -> None:
        """Run these checks and no others."""
        self._orders.append(orders)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """End the thread; attempts in flight are dropped."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    # ---- the thread

    def _live(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except BaseException as error:  # whatever it is, somebody must know that nothing is probed
            self._on_crash(error)
        finally:
            for probe in list(self._flying.values()):
                self._land(probe)
            self._epoll.close()

    def _turn(self) -> None:
        for descriptor, mask in self._epoll.poll(self._patience(time.monotonic()), _EVENTS_A_TURN):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
                while self._orders:
                    self._take(self._orders.popleft())
            elif (probe := self._flying.get(descriptor)) is not None:
                self._answered(probe, mask)
        self._expire(time.monotonic())
        self._start_due()
        PROBES_IN_FLIGHT.set(len(self._flying))
        if self._decided:
            decided, self._decided = self._decided, []
            self._on_outcomes(decided)

    def _patience(self, now: float) -> float:
        """Say how long nothing will have to be done, in seconds; -1 is until something happens."""
        moments = [next(iter(line.values())).began + timeout for timeout, line in self._lines.items() if line]
        if self._due and len(self._flying) < self._limit:
            moments.append(self._due[0][0])
        return min(max(min(moments) - now, 0), _LONGEST_WAIT) if moments else -1

    def _take(self, orders: Orders) -> None:
        now = time.monotonic()
        self._taken = orders.number
        for check in self._probes.keys() - orders.checks.keys():
            probe = self._probes.pop(check)
            probe.dropped = True
            self._proven(probe)
            if probe.socket is not None:
                self._land(probe)
        self._due = [entry for entry in self._due if not entry[2].dropped]
        heapq.heapify(self._due)
        for check, verdict in orders.checks.items():
            known = self._probes.get(check)
            if known is None:
                self._begin(check, verdict or "unknown", now)
            elif verdict is not None:
                known.state = learn(known.state, verdict)
        self._lines = {probe.rules.timeout: probe.line for probe in self._probes.values()}

    def _begin(self, check: Check, verdict: VerdictName, now: float) -> None:
        rules = rules_of(check)
        line = self._lines.setdefault(rules.timeout, OrderedDict())
        probe = self._probes[check] = _Probe(check, rules, begin(rules, verdict, now), line)
        self._wait(probe)

    def _wait(self, probe: _Probe) -> None:
        heapq.heappush(self._due, (probe.state.due, next(self._order), probe))

    def _start_due(self) -> None:
        for _ in range(_STARTS_A_TURN):
            if not self._due or len(self._flying) >= self._limit:
                return
            now = time.monotonic()
            if self._due[0][0] > now:
                return
            probe = heapq.heappop(self._due)[2]
            PROBE_LATENESS.observe(now - probe.state.due)
            self._start(probe, now)

    def _start(self, probe: _Probe, now: float) -> None:
        probe.began = now
        try:
            opened, number = connect.start(*probe.where)
        except OSError as error:
            self._not_made(probe, error.errno or errno.EINVAL)
            return
        if opened is None:
            if number in causes.LOCAL:
                self._not_made(probe, number)
            else:
                self._ended(probe, number)
            return
        probe.socket = opened
        descriptor = opened.fileno()
        self._flying[descriptor] = probe
        probe.line[descriptor] = probe
        self._epoll.register(descriptor, select.EPOLLOUT)

    def _land(self, probe: _Probe) -> None:
        """Take an attempt out of the air; closing the socket takes it out of epoll as well."""
        opened, probe.socket = probe.socket, None
        assert opened is not None  # noqa: S101  # only called for what flies
        descriptor = opened.fileno()
        del self._flying[descriptor]
        del probe.line[descriptor]
        opened.close()

    def _answered(self, probe: _Probe, mask: int) -> None:
        assert probe.socket is not None  # noqa: S101  # it was found by its descriptor
        number = connect.outcome(probe.socket) if mask & (select.EPOLLERR | select.EPOLLHUP) else 0
        # worth two system calls only where success would be news
        if number == 0 and probe.state.verdict != "up" and connect.met_itself(probe.socket):
            number = errno.ECONNREFUSED
        self._land(probe)
        self._ended(probe, number)

    def _expire(self, now: float) -> None:
        for timeout, line in self._lines.items():
            while line:
                probe = next(iter(line.values()))
                if probe.began + timeout > now:
                    break
                self._land(probe)
                self._ended(probe, errno.ETIMEDOUT, causes.timed_out(timeout))

    def _not_made(self, probe: _Probe, number: int) -> None:
        """Note that an attempt failed for want of something local: no verdict, but somebody must know."""
        PROBES.add(result="local")
        self._unproven.add(probe)
        self._on_trouble(causes.local_trouble(number))
        self._judge(probe, Unproven())

    def _ended(self, probe: _Probe, number: int, cause: str = "") -> None:
        if number == 0:
            PROBES.add(result="success")
            event: Event = Succeeded(probe.began)
        else:
            PROBES.add(result="failure")
            event = Failed(probe.began, cause or causes.failed(number))
        PROBE_DURATION.observe(time.monotonic() - probe.began)
        if self._unproven:
            self._proven(probe)
        self._judge(probe, event)

    def _proven(self, probe: _Probe) -> None:
        """Note that nothing local hinders this probe (any more)."""
        if probe in self._unproven:
            self._unproven.remove(probe)
            if not self._unproven:
                self._on_trouble("")

    def _judge(self, probe: _Probe, event: Event) -> None:
        now = time.monotonic()
        probe.state, decision = decide(probe.rules, probe.state, event, now)
        self._wait(probe)
        if decision is not None:
            now_ns = time.time_ns()
            began_ns = now_ns - int((now - decision.began) * 1e9)
            self._decided.append(Outcome(probe.check, decision, self._taken, began_ns, now_ns))
