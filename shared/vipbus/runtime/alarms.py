"""Call back at a time: one alarm a name, on the thread that asks what is due."""

from __future__ import annotations

from collections.abc import Callable

from vipbus.runtime.timers import Timers


class Alarms:
    """Names with a time and what to call then."""

    def __init__(self) -> None:
        self._timers = Timers()
        self._calls: dict[str, Callable[[], None]] = {}

    def set(self, name: str, at: float, call: Callable[[], None]) -> None:
        """Call at a time of the monotonic clock, in seconds; what the name was set to before is forgotten."""
        self._calls[name] = call
        self._timers.set(name, at)

    def clear(self, name: str) -> None:
        """Forget a name."""
        if self._calls.pop(name, None) is not None:
            self._timers.set(name, None)

    def next(self) -> float | None:
        """Give when the next one is due; None: there is none."""
        return self._timers.next()

    def ring(self, now: float) -> None:
        """Call what is due."""
        for name in self._timers.expired(now):
            call = self._calls.pop(name, None)
            if call is not None:  # an earlier one may have cleared it
                call()
