"""The weight that the kernel is given, and what it is made of. Pure."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

import msgspec

from vipbus.contracts import DestinationReason, RealServer, Verdict

LARGEST: Final = 2**31 - 1
"""The kernel keeps a weight as a signed 32-bit number and refuses a negative one (ip_vs_ctl.c)."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a destination's weight comes from; see `vipbus.contracts.Destination`."""

    configured: int | None = None
    """None: it is in no configuration any more, or it is the sorry server."""
    checked: int | None = None
    ramp: int = 100
    operator: Literal["", "drain"] = ""
    reason: DestinationReason = ""
    until: datetime | None = None


def effective_weight(real: RealServer, verdict: Verdict | None) -> int:
    """Give a real server's weight; 0 at least, `LARGEST` at most.

    A dynamic check's weight stands instead of the configured one, what other checks add comes on top. At 0
    new connections go elsewhere and those that stand go on.
    """
    if verdict is None:
        return real.weight
    weight = real.weight if verdict.weight is None else verdict.weight
    return min(max(weight + verdict.weight_added, 0), LARGEST)


def checked_weight(real: RealServer, verdict: Verdict | None) -> int | None:
    """Give what dynamic checks make of the configured weight; None: they say nothing of it."""
    if verdict is None or (verdict.weight is None and not verdict.weight_added):
        return None
    return effective_weight(real, verdict)


@lru_cache(maxsize=1024)
def plain(configured: int) -> Origin:
    """Give the origin of most weights, the same one for all: the configuration, and nothing else."""
    return Origin(configured=configured)
