"""The checks that the engine runs: what is new begins to wait for its time, what is gone leaves nothing."""

from __future__ import annotations

import gc
from collections.abc import Mapping

from health_prober.aside import Aside
from health_prober.check import begin, calm, learn, rules_of
from health_prober.lean import Lean
from health_prober.probe import Probe
from health_prober.punctual import bound_of
from health_prober.schedule import Schedule
from health_prober.troubles import Troubles
from vipbus.contracts import Check, VerdictName

_GROWN = 1.25
"""Times as many checks as before, and"""
_FEW = 200
"""more, are a new crowd."""


class Roster:
    """Of the engine's thread."""

    def __init__(self, lean: Lean, aside: Aside, schedule: Schedule, troubles: Troubles) -> None:
        self._lean = lean
        self._aside = aside
        self._schedule = schedule
        self._troubles = troubles
        self.probes: dict[Check, Probe] = {}
        self._frozen = 0

    def take(self, checks: Mapping[Check, VerdictName | None], now: float) -> None:
        """Run these checks and no others; see `health_prober.orders.Orders`."""
        gone = [self.probes.pop(check) for check in self.probes.keys() - checks.keys()]
        for probe in gone:
            self._forget(probe)
        if gone:
            dropped = set(gone)
            self._schedule.sweep(dropped)
            self._aside.sweep(dropped)
        for check, verdict in checks.items():
            known = self.probes.get(check)
            if known is None:
                self._begin(check, verdict or "unknown", now)
            elif verdict is not None:
                self._schedule.settle(known)
                known.state = learn(known.state, verdict)
                known.calm = calm(known.state)
        self._lean.keep_lines(self.probes.values())
        if len(self.probes) > _GROWN * self._frozen + _FEW:
            # what lives as long as its check is out of the collector's way: it would stop every thread
            self._frozen = len(self.probes)
            gc.collect()
            gc.freeze()

    def _begin(self, check: Check, verdict: VerdictName, now: float) -> None:
        rules = rules_of(check)
        probe = self.probes[check] = Probe(check, rules, begin(rules, verdict, now))
        probe.bound = bound_of(rules.interval)
        self._lean.admit(probe)
        self._schedule.put(probe)

    def _forget(self, probe: Probe) -> None:
        self._schedule.remove(probe)
        self._troubles.over(probe)
        if probe.socket is not None:
            self._lean.drop(probe)
        self._aside.drop(probe)
