"""The weight that the kernel is given: what is configured, and what the checks make of it. Pure."""

from __future__ import annotations

from typing import Final

from vipbus.contracts import RealServer, Verdict

LARGEST: Final = 2**31 - 1
"""The kernel keeps a weight as a signed 32-bit number and refuses a negative one (ip_vs_ctl.c)."""


def effective_weight(real: RealServer, verdict: Verdict | None) -> int:
    """Give a real server's weight; 0 at least, `LARGEST` at most.

    A dynamic check's weight stands instead of the configured one, what other checks add comes on top. At 0
    new connections go elsewhere and those that stand go on.
    """
    if verdict is None:
        return real.weight
    weight = real.weight if verdict.weight is None else verdict.weight
    return min(max(weight + verdict.weight_added, 0), LARGEST)
