"""Counts how attempts end, by kind of check; those that go well are counted together once a turn."""

from __future__ import annotations

from collections import defaultdict

from health_prober.check import Event, Failed, Unproven
from health_prober.metrics import PROBE_DURATION, PROBES


class Endings:
    """Of the engine's thread."""

    def __init__(self) -> None:
        self.passed: defaultdict[str, list[float]] = defaultdict(list)
        """By kind, how many seconds each of this turn's attempts took that went well as expected."""

    def count(self) -> None:
        """Put what `passed` holds in the metrics, and empty it."""
        for kind, durations in self.passed.items():
            if durations:
                PROBES.add(len(durations), kind=kind, result="success")
                PROBE_DURATION.observe_all(durations, kind=kind)
                durations.clear()

    @staticmethod
    def judged(kind: str, event: Event, duration: float) -> None:
        """Count one attempt at once, which took so many seconds."""
        if isinstance(event, Unproven):
            PROBES.add(kind=kind, result="local")
        else:
            PROBES.add(kind=kind, result="failure" if isinstance(event, Failed) else "success")
            PROBE_DURATION.observe(duration, kind=kind)
