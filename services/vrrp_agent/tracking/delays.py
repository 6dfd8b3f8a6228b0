"""Interfaces that bounce: a change counts once it has lasted (interface_up_down_delays)."""

from __future__ import annotations

import msgspec

from vipbus.contracts import InterfaceDelay


class Delayed(msgspec.Struct, frozen=True):
    """What an interface counts as, and when that changes."""

    up: bool
    turns_at: float | None = None
    """Seconds of the monotonic clock at which it counts as the other; None: it does not."""


def seen(state: Delayed | None, *, up: bool, now: float, delay: InterfaceDelay) -> Delayed:
    """Take what an interface is now; the first word about it counts at once."""
    if state is None:
        return Delayed(up)
    if up == state.up:
        return Delayed(up)  # it came back before its time
    wait = delay.up if up else delay.down
    if wait <= 0:
        return Delayed(up)
    return Delayed(state.up, now + wait) if state.turns_at is None else state


def due(state: Delayed, now: float) -> Delayed:
    """Let time pass."""
    if state.turns_at is not None and state.turns_at <= now:
        return Delayed(not state.up)
    return state
