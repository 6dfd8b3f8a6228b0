"""The last word of every source, and what it means for an instance (keepalived.conf(5), track_*).

Seen with keepalived 2.2.7, where its manual leaves room: ``reverse`` turns the sign of what is added (and
with weight 0 what is a fault); a file's value times its weight is a fault from -254 down and adds 253 at
most; a script with weight 0 that has not run yet keeps its instances waiting, one with a weight adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vipbus.contracts import Track, TrackState
from vipbus.contracts.vrrp import TrackKind

_PROMPT = ("script", "file", "process")
"""Kinds that speak soon after the start; the bus may be away for long, and nobody waits for it."""
_MOST = 253
"""What one file may add."""


class SourceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The last word about a source; sent when it is another than before, and never again.

    Who keeps it forgets it when no instance tracks the source any more; from then on it is sent anew.
    """

    kind: TrackKind
    name: str
    up: bool | None
    """None: nothing can be said, which is neither a fault nor a weight. Of a file that can be read: True."""
    value: int = 0
    """Of a file."""
    cause: str = ""
    """Why, in words that follow its name: ``exit status 1``."""


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance's sources mean for it."""

    faults: tuple[str, ...] = ()
    """Why it cannot take part, a line each."""
    weight: int = 0
    """What they add to its priority, all together; not clamped."""
    waiting: tuple[str, ...] = ()
    """Sources of weight 0 that have said nothing at all yet: an instance that starts waits for them."""
    states: tuple[TrackState, ...] = ()


class Sources:
    """Holds the last word of every source."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], SourceSeen] = {}

    def see(self, seen: SourceSeen) -> bool:
        """Take a word; say whether it is another one than before."""
        key = (seen.kind, seen.name)
        before = self._seen.get(key)
        self._seen[key] = seen
        return before != seen

    def keep_only(self, tracks: Iterable[Track]) -> None:
        """Forget the sources that nobody tracks any more."""
        wanted = {(track.kind, track.name) for track in tracks}
        self._seen = {key: seen for key, seen in self._seen.items() if key in wanted}

    def tracked(self, tracks: Iterable[Track]) -> Tracked:
        """Say what these sources mean together."""
        faults, waiting, states = [], [], []
        for track in tracks:
            seen = self._seen.get((track.kind, track.name))
            if seen is None and track.weight == 0 and track.kind in _PROMPT:
                waiting.append(f"{track.kind} {track.name}")
            fault, weight = _meaning(track, seen)
            if fault:
                faults.append(fault)
            states.append(
                TrackState(
                    kind=track.kind,
                    name=track.name,
                    up=_up(track, seen, fault),
                    weight=weight,
                    cause=seen.cause if seen is not None else "it has said nothing yet",
                )
            )
        return Tracked(
            faults=tuple(faults),
            weight=sum(each.weight for each in states),
            waiting=tuple(waiting),
            states=tuple(states),
        )


def _meaning(track: Track, seen: SourceSeen | None) -> tuple[str, int]:
    """Give what one source is a fault for, in words, and what it adds."""
    if seen is None or seen.up is None:
        return "", 0
    what = f"{track.kind} {track.name}"
    sign = -1 if track.reverse else 1
    if track.kind == "file":
        return _file(track.weight, sign, seen.value, what)
    if track.weight == 0:
        if seen.up != track.reverse:
            return "", 0
        state = "up, which is a fault here (reverse)" if seen.up else "down"
        return f"{what} is {state}" + (f": {seen.cause}" if seen.cause else ""), 0
    # a positive weight is earned by being up, a negative one by being down
    return "", sign * track.weight if seen.up == (track.weight > 0) else 0


def _up(track: Track, seen: SourceSeen | None, fault: str) -> bool | None:
    if seen is None or seen.up is None:
        return None
    return seen.up if track.kind != "file" else not fault


def _file(weight: int, sign: int, value: int, what: str) -> tuple[str, int]:
    if weight == 0:
        if (value != 0) == (sign > 0):
            return f"{what} holds {value}" + (", which is a fault here (reverse)" if sign < 0 else ""), 0
        return "", 0
    adds = sign * weight * value
    if adds < -_MOST:
        return f"{what} holds {value}: {adds} is more than a priority can lose", 0
    return "", min(adds, _MOST)
