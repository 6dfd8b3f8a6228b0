"""Why HAProxy is written: the changes that came since the last time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from haproxy_programmer.inputs import Change
from vipbus.telemetry.trace import TraceContext, record

_KEPT: Final = 1000
"""Changes remembered while HAProxy cannot be written."""


class Causes:
    """The changes, the last of each pool counts."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    def add(self, changes: Iterable[Change]) -> None:
        """Take in what is new."""
        self._changes += changes
        del self._changes[:-_KEPT]

    def clear(self) -> None:
        """Forget them: what they caused is done and said."""
        self._changes.clear()

    def text(self, pool: str = "") -> str:
        """Say why, of one pool by its token or of all."""
        found = [each.text for each in self._changes if not pool or each.pool in ("", pool)]
        return found[-1] if found else "as it was found"

    def trace(self, pool: str = "") -> TraceContext:
        """Begin a span in the trace of what caused it."""
        found = [each.trace for each in self._changes if each.trace and (not pool or each.pool in ("", pool))]
        return record("write haproxy", parent=found[-1] if found else None)
