"""Who checks what: rendezvous hashing of real-server addresses over the replicas that live.

Every replica computes the same answer from the same membership, and when one comes or goes only the
addresses that it gains or loses move (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous",
1996). All checks of an address go together, so that one is never judged by two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable


def leader(members: Iterable[str], address: str) -> str | None:
    """Name the member that leads an address; None when there is no member."""
    return max(members, key=lambda member: (_score(member, address), member), default=None)


def led_by(member: str, members: Collection[str], addresses: Iterable[str]) -> frozenset[str]:
    """Choose the addresses that one member leads."""
    return frozenset(address for address in addresses if leader(members, address) == member)


def _score(member: str, address: str) -> bytes:
    return hashlib.blake2b(f"{member} {address}".encode(), digest_size=8).digest()
