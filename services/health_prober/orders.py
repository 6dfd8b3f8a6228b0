"""What is handed to the engine's thread, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from health_prober.check import Decision
from vipbus.contracts import Check, VerdictName


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
