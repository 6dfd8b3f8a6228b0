"""A timer wheel: what is to be done later, in slots that are made when they are needed.

A slot holds everything that falls due within one tick, so that it is begun together: the price of a wait is
paid once for all of it, and adding costs the same however much there is. Nothing comes early; it is late by
less than a tick. What is taken out is only marked, and forgotten when its slot comes or when the wheel is
swept.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

NOWHERE: Final = -1
"""The tick of what stands in no wheel."""
_ROUNDING = 0.01
"""Of a tick, that a time may be off by rounding: what is due at a slot's very end belongs to it."""


class Timed(Protocol):
    """What a wheel holds; it keeps in which slot it stands."""

    tick: int


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Times are seconds on a monotonic clock, ``tick`` is in seconds too."""

    def __init__(self, tick: float) -> None:
        self._rate = 1 / tick
        self._slots: dict[int, list[T]] = {}
        self._ticks: list[int] = []

    def add(self, due: float, item: T) -> None:
        """Put an item in its next slot at or after ``due``; where it stood before it stands no more."""
        tick = item.tick = math.ceil(due * self._rate - _ROUNDING)
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [item]
            heapq.heappush(self._ticks, tick)
        else:
            slot.append(item)

    @staticmethod
    def remove(item: Timed) -> None:
        """Take an item out, if it is in."""
        item.tick = NOWHERE

    def take(self, now: float) -> Iterable[T]:
        """Take out everything whose time has come, the oldest slot first."""
        end = int(now * self._rate + _ROUNDING)
        taken: list[T] = []
        while self._ticks and self._ticks[0] <= end:
            tick = heapq.heappop(self._ticks)
            for item in self._slots.pop(tick):
                if item.tick == tick:
                    item.tick = NOWHERE
                    taken.append(item)
        return taken

    @property
    def next(self) -> float | None:
        """When there is something to take; None: never."""
        return self._ticks[0] / self._rate if self._ticks else None

    def sweep(self) -> None:
        """Forget what was taken out."""
        for tick, slot in list(self._slots.items()):
            kept = [item for item in slot if item.tick == tick]
            if kept:
                self._slots[tick] = kept
            else:
                del self._slots[tick]
        self._ticks = sorted(self._slots)
