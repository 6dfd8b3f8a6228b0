"""When to look for changes by others: everything that is ours once an interval, a few services a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ipvs_programmer.table import Key

_STEP: Final = 32
"""Services read in one step: a verdict that comes meanwhile waits for one step at most."""
_SHARE: Final = 20
"""A round takes at most one twentieth of the time, however large the table."""


class Rounds:
    """Deals out the services of a round, and says when the next may begin."""

    def __init__(self, interval: float, now: float) -> None:
        self.due = now + interval
        """On the caller's clock, in seconds."""
        self._interval = interval
        self._left: list[Key] = []
        self._spent = 0.0

    def take(self, keys: Iterable[Key]) -> list[Key]:
        """Take the next services to read; a new round begins with ``keys`` when the last is over."""
        if not self._left:
            self._left = list(keys)
            self._spent = 0.0
        step, self._left = self._left[:_STEP], self._left[_STEP:]
        return step

    def took(self, seconds: float, now: float) -> None:
        """Note what a step cost; the last of a round sets the time of the next round."""
        self._spent += seconds
        if not self._left:
            self.due = now + max(self._interval, _SHARE * self._spent)
