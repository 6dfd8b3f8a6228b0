"""Slow start: a real server that came back gets its weight little by little. Pure.

The ramp begins with the verdict ``up`` and is a matter of its time alone: all routers agree, and one whose
programmer was started anew goes on where it was.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from vipbus.contracts import SlowStart

_SHORTEST: Final = 0.1
"""Seconds between two steps at least, whatever is configured."""
_MICROSECOND: Final = timedelta(microseconds=1)


def ramped(slow: SlowStart, whole: int, since: datetime, now: datetime) -> tuple[int, datetime | None]:
    """Give the weight now, 1 at least, and when the next one is due; None: this is the whole weight for good.

    ``since`` is when it came up, by the clock of the prober. Where that is ahead of ours the ramp waits for
    it, but no longer than it takes: a clock that is far off is no reason to starve a real server.
    """
    # in whole microseconds: a step must be seen when its time has come, and not a rounding later
    duration = round(slow.duration * 1e6)
    elapsed = (now - since) // _MICROSECOND
    if whole <= 1 or elapsed >= duration or elapsed < -duration:
        return whole, None
    count = _steps(slow)
    at = max(0, elapsed) * count // duration
    weight = max(1, whole * at // count)
    # the first step that makes a difference: a weight of 10 over a minute changes ten times
    following = min(max(at + 1, -(-(weight + 1) * count // whole)), count)
    return weight, since + -(-following * duration // count) * _MICROSECOND


def _steps(slow: SlowStart) -> int:
    """Give the number of steps; a line is a step a second."""
    most = max(1, int(slow.duration / _SHORTEST))
    return min(slow.steps or max(1, round(slow.duration)), most)
