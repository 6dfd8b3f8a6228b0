"""Who checks what: rendezvous hashing of real-server addresses over the replicas that live.

Every replica computes the same answer from the same membership, and when one comes or goes only the
addresses that it gains or loses move (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous",
1996). All checks of an address go together, so that one is never judged by two.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from health_prober.targets import Target


def voters(members: Iterable[str], address: str, vantages: int = 1) -> tuple[str, ...]:
    """Name the members that check an address, as many as there are to be; the first of them leads."""
    if vantages == 1:
        first = max(members, key=lambda member: (_score(member, address), member), default=None)
        return () if first is None else (first,)
    return tuple(heapq.nlargest(vantages, members, key=lambda member: (_score(member, address), member)))


def leader(members: Iterable[str], address: str) -> str | None:
    """Name the member that leads an address; None when there is no member."""
    return next(iter(voters(members, address)), None)


def _score(member: str, address: str) -> bytes:
    return hashlib.blake2b(f"{member} {address}".encode(), digest_size=8).digest()


class Electorate(msgspec.Struct, frozen=True, gc=False):
    """Who checks an address, and since when it is they."""

    voters: tuple[str, ...]
    """The leader first."""
    moved: int = 0
    """What was found with less of the bucket ``member`` read was found before it was they."""
    settled: float = 0.0
    """When every voter has had a round of its own since (seconds, monotonic)."""

    @property
    def leader(self) -> str:
        """Who counts the votes and writes the verdict."""
        return self.voters[0]

    @property
    def several(self) -> bool:
        """True where there is something to count."""
        return len(self.voters) > 1


class Electorates:
    """Each address's electorate, as the membership changes."""

    def __init__(self) -> None:
        self._known: dict[str, Electorate] = {}
        self._read = 0

    def get(self, address: str) -> Electorate | None:
        """Find an address's electorate; None where nothing is checked at it."""
        return self._known.get(address)

    def read(self, revision: int) -> None:
        """Note how far the membership has been read without a change."""
        self._read = revision

    def share(
        self, members: Collection[str], targets: Mapping[str, Target], revision: int, now: float
    ) -> None:
        """Take a membership, read up to ``revision``, and targets; ``now`` is monotonic, in seconds."""
        wanted: dict[str, tuple[int, float]] = {}
        for target in targets.values():
            vantages, settling = wanted.get(target.address, (1, 0.0))
            wanted[target.address] = (max(vantages, target.vantages), max(settling, target.settling))
        known: dict[str, Electorate] = {}
        for address, (vantages, settling) in wanted.items():
            voting = voters(members, address, vantages)
            before = self._known.get(address)
            if before is not None and before.voters == voting:
                known[address] = before
            elif voting:
                moved = revision if before is None else self._read + 1
                known[address] = Electorate(voting, moved, now + settling)
        self._known = known
        self._read = revision
