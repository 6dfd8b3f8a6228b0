"""Counts what stands of the real servers that are led here, as it changes: no pass over all of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from health_prober import metrics

if TYPE_CHECKING:
    from vipbus.contracts import Verdict, VerdictName


class _Standing(NamedTuple):
    verdict: VerdictName
    damped: bool
    minority: int


class Tally:
    """By key, what stands; and the sums of it."""

    def __init__(self) -> None:
        self._standing: dict[str, _Standing] = {}
        self._verdicts: Counter[str] = Counter()
        self._damped = self._minority = 0

    def clear(self) -> None:
        """Begin anew: what is led has changed."""
        self._standing.clear()
        self._verdicts.clear()
        self._damped = self._minority = 0

    def note(self, key: str, verdict: Verdict | None) -> None:
        """Take in what stands of a target that is led here; None: nothing yet."""
        standing = (
            _Standing("unknown", damped=False, minority=0)
            if verdict is None
            else _Standing(verdict.verdict, verdict.damped, len(verdict.minority))
        )
        if self._standing.get(key) == standing:
            return
        self.leave(key)
        self._standing[key] = standing
        self._count(standing, 1)

    def leave(self, key: str) -> None:
        """Forget a target that another replica leads."""
        if (before := self._standing.pop(key, None)) is not None:
            self._count(before, -1)

    def show(self, split: int) -> None:
        """Set the gauges; ``split`` targets are without a majority."""
        for name in ("up", "down", "unknown"):
            metrics.VERDICTS.set(self._verdicts[name], verdict=name)
        metrics.DAMPED.set(self._damped)
        metrics.MINORITY.set(self._minority)
        metrics.SPLIT.set(split)

    def _count(self, standing: _Standing, sign: int) -> None:
        self._verdicts[standing.verdict] += sign
        self._damped += sign * standing.damped
        self._minority += sign * standing.minority
