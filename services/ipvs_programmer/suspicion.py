"""When the kernel's count of connections says that a real server may be dead. Pure.

To a dead real server the kernel goes on to send packets, and what it counts there is half open: inactive
grows and nothing is active. A server of short connections looks like that at times too, so this is a reason
to look, and never a verdict.
"""

from __future__ import annotations

import msgspec

from ipvs_programmer.table import Counts

PAUSE = 10.0
"""Seconds between two hints about one destination at least."""


class Watched(msgspec.Struct, frozen=True):
    """What is remembered of a destination between two readings."""

    inactive: int
    """Of the last reading."""
    told: bool = False
    """True: the growth that goes on now was told."""
    told_at: float = float("-inf")
    """Seconds on the caller's clock."""


def look(before: Watched | None, counts: Counts, suspect_after: int, now: float) -> tuple[Watched, bool]:
    """Take a reading in; True with the first that is suspicious while the inactive ones grow.

    The first reading of all is compared with nothing. A growth ends with a reading that shows none, or an
    active connection.
    """
    if before is None:
        return Watched(counts.inactive), False
    grows = counts.active == 0 and counts.inactive > before.inactive
    suspicious = grows and counts.inactive >= suspect_after
    tells = suspicious and not before.told and now - before.told_at >= PAUSE
    return Watched(
        counts.inactive,
        told=grows and (before.told or tells),
        told_at=now if tells else before.told_at,
    ), tells
