"""Which of a pool's slots holds which member: members come and go without a reload. Pure.

A slot is free, holds a member, or drains one that has left. It is used again only when nothing of its member
is left in HAProxy: otherwise one member's connections would be handed to another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from haproxy_programmer.members import Member

FEWEST: Final = 8
SPARE: Final = 256
"""So many are free at most where nobody says how many: HAProxy reads, tells and is asked of each of them."""
NOWHERE: Final = ("0.0.0.0", 1)  # noqa: S104  # nothing is bound
"""Where a slot points that is free."""


class Slot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a slot holds."""

    address: str
    port: int
    leaves_at: float | None = None
    """The member has left the configuration, and goes at this time at the latest (monotonic clock, seconds);
    None: it is a member."""

    @property
    def endpoint(self) -> tuple[str, int]:
        """Who it is."""
        return self.address, self.port

    @property
    def words(self) -> str:
        """The same as people write it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """The slots of one pool."""

    size: int
    """How many there are; HAProxy knows them as s1 to sN."""
    held: Mapping[str, Slot] = {}
    """By name; what is not here is free."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every slot."""
        return _names(self.size)


@lru_cache(maxsize=64)
def _names(size: int) -> tuple[str, ...]:
    return tuple([f"s{number}" for number in range(1, size + 1)])


def enough(members: int, configured: int) -> int:
    """Say how many slots a pool of so many members begins with."""
    return max(configured or max(members + min(members, SPARE), FEWEST), members)


def assign(
    before: Slots,
    members: Iterable[Member],
    *,
    idle: Collection[str],
    now: float,
    drain: float,
    configured: int = 0,
) -> Slots:
    """Give each member a slot.

    ``idle`` are slots that HAProxy has no connection of any more; ``drain`` is how many seconds a member that
    left may go on. Where the slots are not enough there are twice as many then: that is a reload.
    """
    wanted = {member.endpoint: member for member in members}
    held: dict[str, Slot] = {}
    placed: set[tuple[str, int]] = set()
    for name, slot in before.held.items():
        endpoint = slot.endpoint
        if endpoint in wanted and endpoint not in placed:
            # one that came back while it drained stays where its connections are
            held[name] = slot if slot.leaves_at is None else Slot(address=slot.address, port=slot.port)
            placed.add(endpoint)
        elif (leaves := _leaves(slot, now, drain)) > now and not (
            slot.leaves_at is not None and name in idle
        ):
            held[name] = msgspec.structs.replace(slot, leaves_at=leaves)
    if len(placed) == len(wanted) and held == before.held and before.size:
        return before
    new = [endpoint for endpoint in wanted if endpoint not in placed]
    size = max(before.size, 1)
    while size - len(held) < len(new):
        size *= 2
    if not before.held and not before.size:
        size = enough(len(wanted), configured)
    free = (name for name in Slots(size=size).names if name not in held)
    for endpoint, name in zip(new, free, strict=False):
        held[name] = Slot(address=endpoint[0], port=endpoint[1])
    return Slots(size=size, held=held)


def _leaves(slot: Slot, now: float, drain: float) -> float:
    return slot.leaves_at if slot.leaves_at is not None else now + drain


def deadline(slots: Iterable[Slots]) -> float | None:
    """Say when the next drain ends at the latest; None: nothing drains."""
    return min(
        (slot.leaves_at for each in slots for slot in each.held.values() if slot.leaves_at is not None),
        default=None,
    )
