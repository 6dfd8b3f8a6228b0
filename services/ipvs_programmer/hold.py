"""When verdicts are not followed: too much of a pool went down at once, so the probers may be blind. Pure.

A pool is held while its verdicts leave less than ``hold_below`` percent of its checked real servers up, and
what they would take out went down with others, within ``hold_window`` of each other. Then every real server
that stood in the table and is down now stays as it was. So:

- Times are compared with each other, never with a clock: every router that sees the same verdicts decides
  the same, whenever it was started.
- Real servers that die one by one, further apart than the window, are taken out to the last: one real server
  alone is no sign of blindness.
- A pool that is held stays so until verdicts bring enough of it up, or until none that is held is down. What
  goes down meanwhile is held too.
- An operator's word passes through: what is disabled is out of the table, and does not count.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec


class Weighed(msgspec.Struct, frozen=True):
    """The weight of a real server that stands in the table, and the configured one that it came from."""

    configured: int
    effective: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A checked real server as its verdict has it; one that is disabled is no member."""

    weight: Weighed
    stands: bool
    """Whether the verdict lets it stand in the table."""
    down_since: datetime | None = None
    """None: it is not down."""


class Hold(msgspec.Struct, frozen=True):
    """What stands in a pool by its verdicts, and what by being held; by the real servers' tokens."""

    inside: Mapping[str, Weighed] = {}
    """All that stands, what is held included."""
    held: frozenset[str] = frozenset()
    """Those of them that are down."""
    of: int = 0
    """How many members the pool has."""


def decide(below: int, window: float, members: Mapping[str, Member], before: Hold) -> Hold:
    """Follow the verdicts, or hold; ``below`` in percent, ``window`` in seconds."""
    standing = {token: member.weight for token, member in members.items() if member.stands}
    kept = {
        token
        for token, member in members.items()
        if member.down_since is not None and not member.stands and token in before.inside
    }
    count = len(members)
    if not kept or 100 * len(standing) >= below * count:
        return Hold(standing, of=count)
    if not (kept & before.held or _together(kept, members, window)):
        return Hold(standing, of=count)
    stayed = {token: _stayed(before.inside[token], members[token].weight) for token in kept}
    return Hold(standing | stayed, frozenset(kept), count)


def _together(kept: Collection[str], members: Mapping[str, Member], window: float) -> bool:
    """Say whether one of these went down within the window of another real server of the pool."""
    times = sorted(
        (member.down_since, token) for token, member in members.items() if member.down_since is not None
    )
    return any(
        (later - earlier).total_seconds() <= window and (first in kept or second in kept)
        for (earlier, first), (later, second) in itertools.pairwise(times)
    )


def _stayed(before: Weighed, now: Weighed) -> Weighed:
    """Keep a weight as it was, unless the configuration gives another one."""
    return before if before.configured == now.configured else now
