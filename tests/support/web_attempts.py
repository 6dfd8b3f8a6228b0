"""One attempt of one check, as the prober makes it."""

from __future__ import annotations

import asyncio
import time

from health_prober.attempt import Steps
from health_prober.check import Failed, Succeeded, Unproven
from health_prober.trying import tried
from vipbus.contracts import Check


class Tried:
    """What came of one attempt."""

    def __init__(self, check: Check) -> None:
        steps = Steps(keeps=True)
        began = time.monotonic()
        self.event = asyncio.run(tried(check, steps))
        self.took = time.monotonic() - began
        self.steps = [step.what for step in steps.taken]
        assert [step.at for step in steps.taken] == sorted(step.at for step in steps.taken)

    @property
    def said(self) -> str:
        """The outcome in one line: ``ok status 200``, ``down connection refused``, ``here no such file``."""
        if isinstance(self.event, Succeeded):
            return f"ok {self.event.passed.note}".strip()
        if isinstance(self.event, Failed):
            return f"down {self.event.cause}"
        assert isinstance(self.event, Unproven)
        return f"here {self.event.trouble}"

    @property
    def warning(self) -> str:
        assert isinstance(self.event, Succeeded)
        return self.event.passed.warning
