"""Two routers through a start, a takeover, a crash, a return, a stop and a cut cable: many cases at once.

All cases of one story stand in one file for each router. What one case does wrong is noted for that case
alone, and the story goes on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from tests.support.interop_cases import (
    HIGH,
    HIGH_NUMBER,
    LOW,
    LOW_NUMBER,
    Case,
    Part,
    Preempt,
    keepalived_conf,
)
from tests.support.interop_net import Networks, networks
from tests.support.interop_side import Kind, Role, Side
from tests.support.interop_sides import side
from tests.support.interop_view import View, Wrong

_START: Final = 20.0
"""Seconds that a program may take until it takes part, on a busy machine."""
_SLACK: Final = 10.0
"""Seconds that a takeover may come too late: these are no timings, only a bound."""


_FOUND: Final = 20.0
"""Seconds until the neighbour finds an address. Where advertisements leave from the interface below a virtual
MAC, the old router's answer to the first gratuitous ARP can lead a bridge astray until a later burst."""


class _HopelessError(Exception):
    """Too much is wrong already."""


class Story:
    """One pair of routers, one way to preempt, alone or in sync groups of two instances on two bridges."""

    def __init__(
        self, cases: Sequence[Case], low: Kind, high: Kind, preempt: Preempt, *, grouped: bool
    ) -> None:
        self.cases = cases
        self.name = f"{low}-{high}-{preempt}{'-group' if grouped else ''}"
        self.failures: dict[str, list[str]] = {case.name: [] for case in cases}
        self.notes: list[str] = []
        """How long each case took for each step."""
        self.traits = (f"{low} has the lower priority", preempt, "grouped" if grouped else "alone")
        self._kinds = low, high
        self._preempt = preempt
        self._lans = 2 if grouped else 1
        self._expected: dict[str, dict[str, list[Role]]] = {}

    def __repr__(self) -> str:
        return self.name

    def only(self, names: Collection[str]) -> None:
        """Leave out the cases that have none of these names."""
        self.cases = [case for case in self.cases if case.name in names]

    @property
    def failed(self) -> str:
        """What went wrong, in a line; empty: nothing."""
        return "; ".join(f"{name}: {line}" for name, lines in self.failures.items() for line in lines)

    def run(self, directory: Path, prefix: str) -> None:
        """Play it; it ends early when most of it went wrong, since the rest would say nothing new."""
        self.failures = {case.name: [] for case in self.cases}
        self.notes.clear()
        self._expected.clear()
        with networks(directory, prefix, self._lans) as made, contextlib.suppress(_HopelessError):
            self._open(made)
            self._play()

    def _open(self, made: Networks) -> None:
        low, high = made.host("a"), made.host("b")
        neighbour = made.host("n")
        self._low, self._high = side(self._kinds[0], low), side(self._kinds[1], high)
        self._sides = (self._low, self._high)
        self._view = View(self._sides, neighbour, self.cases, self._lans)
        peers = {LOW_NUMBER: (HIGH_NUMBER,), HIGH_NUMBER: (LOW_NUMBER,)}
        self._text = {
            one: keepalived_conf(
                self.cases,
                Part(one.host.name, number, peers[number], priority, self._preempt, self._lans),
            )
            for one, number, priority in ((self._low, LOW_NUMBER, LOW), (self._high, HIGH_NUMBER, HIGH))
        }

    def _play(self) -> None:
        low, high = self._low, self._high
        self._start(low)
        self._settle("the first alone", low, lambda case: case.silence(LOW) + _START)
        if self._preempt == "nopreempt":
            self._start(high)
            self._settle("nopreempt", low, lambda _: _START)
            self._stay("nopreempt", low)
            crashing, other, priority = low, high, HIGH
        else:
            self._come(high, "preempts")
            crashing, other, priority = high, low, LOW
        # what was active all its life heard nobody
        self._inspect("before the crash", high)
        began = time.monotonic()
        crashing.crash()
        self._settle(
            "after the crash",
            other,
            lambda case: case.silence(priority) + _SLACK,
            least=_half(priority),
            began=began,
        )
        crashing.host.boot(address for case in self.cases for address in case.addresses(self._lans))
        if crashing is high:
            self._come(high, "returns")
        else:
            self._start(low)
            self._settle("returns as backup", high, lambda _: _START)
            self._stay("returns as backup", high)
        if self._lans == 2:
            self._cut()
        self._inspect("before the stop", low, high)
        self._stop()

    def _come(self, who: Side, what: str) -> None:
        """Start the router of higher priority where it takes over."""
        way = self._preempt
        self._start(who)
        self._settle(
            what,
            who,
            lambda case: case.delay(way) + case.silence(HIGH) + _START,
            least=lambda case: case.delay(way) * 0.9,
        )

    def _cut(self) -> None:
        """Cut one of the two cables of the active router: both members of each group move."""
        low, high = self._low, self._high
        high.host.cut_off(1)
        self._settle("one cable cut", low, lambda case: case.silence(LOW) + _SLACK, other="fault")
        high.host.plug_in(1)
        if self._preempt == "nopreempt":
            self._settle("cable back, nopreempt", low, lambda _: _SLACK)
            self._stay("cable back, nopreempt", low)
            # the router that returned first is the active one now: let it be the one that stops
            self._low, self._high = high, low
        else:
            way = self._preempt
            self._settle("cable back", high, lambda case: case.delay(way) + case.silence(HIGH) + _SLACK)

    def _stop(self) -> None:
        high, low = self._high, self._low
        before = low.farewells()
        high.terminate()
        self._settle("after the stop", low, lambda case: case.skew(LOW) + _SLACK)
        status = high.exit_status()
        heard = low.farewells()
        for case, name in self._view.instances():
            if status:
                self._fail(case, "after the stop", f"exit status {status}")
            if heard[name] <= before[name]:
                self._fail(case, "after the stop", f"{name} on {low} heard no priority 0")
        self._note("after the stop", self._view.left_behind(high))
        self._inspect("at the end", low)

    # ---- what is looked at

    def _start(self, who: Side) -> None:
        who.start(self._text[who])
        self._expected[who.host.name] = {name: [] for _, name in self._view.instances()}

    def _settle(
        self,
        stage: str,
        active: Side,
        within: Callable[[Case], float],
        *,
        least: Callable[[Case], float] = lambda _: 0.0,
        other: Role = "backup",
        began: float | None = None,
    ) -> None:
        """Wait until every case has its roles, then look at addresses and neighbours."""
        began = time.monotonic() if began is None else began
        waiting = {case.name: case for case in self.cases}
        while waiting:
            for one in self._sides:
                if one.runs:
                    one.look()
            took = time.monotonic() - began
            for case in list(waiting.values()):
                wrong = self._view.roles(case, active, other)
                if not wrong:
                    del waiting[case.name]
                    self.notes.append(f"{stage}: {case.name} after {took:.2f} s")
                    if took < least(case):
                        self._fail(case, stage, f"after {took:.2f} s, too early for {least(case):.2f}")
                elif took > within(case):
                    del waiting[case.name]
                    self._fail(case, stage, f"not within {within(case):.1f} s: {wrong}")
            time.sleep(0.05)
        if sum(map(bool, self.failures.values())) > len(self.cases) / 2:
            self._note(stage, {case.name: ["the story ended here"] for case in self.cases})
            raise _HopelessError
        self._eventually(stage, _SLACK, lambda: self._view.misplaced(active))
        self._eventually(stage, _FOUND, lambda: self._view.unreachable(active))
        self._compare(stage, active, other)

    def _stay(self, stage: str, active: Side) -> None:
        """Let as much time pass as a takeover would need, and see that there is none."""
        until = time.monotonic() + max(case.silence(LOW) for case in self.cases) + 0.5
        while time.monotonic() < until:
            time.sleep(0.2)
        self._compare(f"{stage}, a while later", active, "backup")

    def _eventually(self, stage: str, within: float, wrong: Callable[[], Wrong]) -> None:
        until = time.monotonic() + within
        while (found := wrong()) and time.monotonic() < until:
            time.sleep(0.1)
        self._note(stage, found)

    def _compare(self, stage: str, active: Side, other: Role) -> None:
        """Compare every role since the start with those that there should have been: no flapping."""
        for one in self._sides:
            if not one.runs:
                continue
            one.look()
            expected = self._expected[one.host.name]
            for case, name in self._view.instances():
                wanted: Role = "active" if one is active else other
                roles = expected[name]
                if not roles or (roles[-1] == "fault" and wanted != "fault"):
                    roles.append("backup")
                if roles[-1] != wanted:
                    roles.append(wanted)
                seen = one.history.get(name, [])
                if seen != roles:
                    problem = f"{name} on {one} was {' '.join(seen)}, not {' '.join(roles)}"
                    self._fail(case, stage, problem)
                    expected[name] = list(seen)

    def _inspect(self, stage: str, *sides: Side) -> None:
        """Look at counters and logs: nobody complains of the other."""
        for one in sides:
            self._note(stage, self._view.complaints(one))

    def _note(self, stage: str, wrong: Wrong) -> None:
        for name, problems in wrong.items():
            for problem in problems:
                if (line := f"{stage}: {problem}") not in self.failures[name]:
                    self.failures[name].append(line)

    def _fail(self, case: Case, stage: str, problem: str) -> None:
        self._note(stage, {case.name: [problem]})


def _half(priority: int) -> Callable[[Case], float]:
    return lambda case: case.silence(priority) / 2
