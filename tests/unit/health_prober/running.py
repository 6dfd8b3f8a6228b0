"""An engine that a test runs, and everything it said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from health_prober.engine import Engine, Orders, Outcome
from tests.support.waiting import eventually
from vipbus.contracts import Check, VerdictName


class Run:
    """An engine and everything it said."""

    def __init__(self, limit: int) -> None:
        self.outcomes: list[Outcome] = []
        self.troubles: list[str] = []
        self.crashes: list[BaseException] = []
        self.engine = Engine(
            limit=limit,
            on_outcomes=self.outcomes.extend,
            on_trouble=self.troubles.append,
            on_crash=self.crashes.append,
        )
        self._number = 0

    def check(self, *checks: Check, known: VerdictName | None = None) -> None:
        self._number += 1
        self.engine.assign(Orders(self._number, dict.fromkeys(checks, known)))

    def decisions(self, check: Check) -> list[tuple[VerdictName, str]]:
        return [(o.decision.verdict, o.decision.cause) for o in self.outcomes if o.check == check]

    def last(self, check: Check) -> VerdictName | None:
        return self.decisions(check)[-1][0] if self.decisions(check) else None

    def verdict(self, check: Check) -> tuple[VerdictName, str]:
        """Run a check alone, and wait for what comes of it."""
        before = len(self.outcomes)
        self.check(check)
        eventually(lambda: len(self.outcomes) > before, "there is a verdict")
        return self.decisions(check)[-1]


@contextmanager
def running(limit: int = 1000) -> Iterator[Run]:
    run = Run(limit)
    run.engine.start()
    try:
        yield run
    finally:
        run.engine.stop()
    assert run.crashes == []


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
