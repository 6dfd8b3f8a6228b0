"""An engine whose probes meet a simulated world; the judgement is `health_prober.check`'s own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from health_prober.check import Failed, Rules, State, Succeeded, begin, decide, learn, rules_of
from health_prober.engine import Orders, Outcome
from vipbus.contracts import Check

BEGIN_NS = 1_800_000_000 * 10**9
"""Nanoseconds since the epoch at which the simulation begins."""


def now_ns() -> int:
    """Tell the simulated time of day."""
    return BEGIN_NS + int(asyncio.get_running_loop().time() * 1e9)


class _Probe:
    def __init__(self, check: Check, rules: Rules, state: State) -> None:
        self.check, self.rules, self.state = check, rules, state
        self.timer: asyncio.TimerHandle | None = None


class SimulatedEngine:
    """Has what the prober uses of `health_prober.engine.Engine`.

    ``sees`` says whether a target answers it, ``saw`` is told what an attempt came to.
    """

    def __init__(
        self,
        chance: random.Random,
        *,
        sees: Callable[[Check], bool],
        saw: Callable[[Check, bool], None],
        on_outcomes: Callable[[list[Outcome]], None],
    ) -> None:
        self._sees, self._saw, self._chance, self._on_outcomes = sees, saw, chance, on_outcomes
        self._probes: dict[Check, _Probe] = {}
        self._taken = 0

    @property
    def checks(self) -> frozenset[Check]:
        return frozenset(self._probes)

    def start(self) -> None:
        """Nothing is to be started."""

    def stop(self) -> None:
        for check in list(self._probes):
            self._drop(check)

    def hasten(self, _checks: object) -> None:
        """Hints are not simulated."""

    def assign(self, orders: Orders) -> None:
        now = asyncio.get_running_loop().time()
        self._taken = orders.number
        for check in [check for check in self._probes if check not in orders.checks]:
            self._drop(check)
        for check, verdict in orders.checks.items():
            known = self._probes.get(check)
            if known is None:
                rules = rules_of(check)
                probe = self._probes[check] = _Probe(check, rules, begin(rules, verdict or "unknown", now))
                self._wait(probe)
            elif verdict is not None:
                known.state = learn(known.state, verdict)

    def _drop(self, check: Check) -> None:
        probe = self._probes.pop(check)
        if probe.timer is not None:
            probe.timer.cancel()

    def _wait(self, probe: _Probe) -> None:
        probe.timer = asyncio.get_running_loop().call_at(probe.state.due, self._try, probe)

    def _try(self, probe: _Probe) -> None:
        loop = asyncio.get_running_loop()
        began, good = loop.time(), self._sees(probe.check)
        took = (
            self._chance.uniform(0.0005, 0.02) if good or self._chance.random() < 0.5 else probe.rules.timeout
        )
        probe.timer = loop.call_later(took, self._ended, probe, began, good)

    def _ended(self, probe: _Probe, began: float, good: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._saw(probe.check, good)
        event = Succeeded(began) if good else Failed(began, "connection refused")
        probe.state, decision = decide(probe.rules, probe.state, event, now)
        self._wait(probe)
        if decision is not None:
            began_ns = BEGIN_NS + int(decision.began * 1e9)
            self._on_outcomes([Outcome(probe.check, decision, self._taken, began_ns, now_ns())])
