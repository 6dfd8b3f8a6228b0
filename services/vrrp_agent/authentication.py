"""The authentication trailer of ``auth_hmac`` (draft-cassen-vrrp-auth-hmac, keepalived from 2.4.1).

It stands behind the VRRP message, 28 bytes in network order:

====== =================================================================
bytes  meaning
====== =================================================================
1      kind; 1: HMAC-SHA-256, the first 128 bits of it
1      number of the key
2      0
8      sequence: seconds since 1970, 1/65536 seconds (2), a counter (2)
16     the HMAC
====== =================================================================

The HMAC is over 20 bytes that bind family, version, virtual router and source address, then the message with
its checksum as 0, then the trailer with an HMAC of 0. So it is the same for every destination. The version 3
checksum covers the trailer in IPv6, where the kernel of some senders computes it over the whole payload, and
not in IPv4.

This module is imported only where a key is configured.
"""

from __future__ import annotations

import hmac
import struct

import msgspec

from vrrp_agent.drop import Drop

TRAILER = 28
"""Bytes."""

_KIND = 1
_HMAC = 16
_PREFIX = struct.Struct("!BBHQ")
_ZERO_HMAC = bytes(_HMAC)
_SEQUENCE = 1 << 64
_SECOND = 1 << 32
"""One second in sequence numbers."""
_SOURCES = 64
"""Senders whose sequence is kept; only holders of a key come this far, so this many are never there."""


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an instance and what they are asked to prove."""

    binding: bytes
    """Family, version and virtual router: what an advertisement of another instance differs in."""
    keys: dict[int, bytes]
    active: int
    window: float = 0.0
    """Seconds that a sender's clock may be off; 0: not looked at."""
    ordered: bool = True
    """True: a sequence number counts once, and only forwards."""
    strict: bool = True
    """False: what carries no trailer is taken too."""

    def __repr__(self) -> str:
        """Name the keys; their values belong into no log."""
        return f"Keyring({', '.join(map(str, self.keys))})"

    def sign(self, source: bytes, unsummed: bytes, sequence: int) -> bytes:
        """Make the trailer of a message whose checksum is still 0, sent from a packed address."""
        prefix = _PREFIX.pack(_KIND, self.active, 0, sequence)
        return prefix + self._hmac(self.keys[self.active], source, unsummed + prefix)

    def refuse(self, source: bytes, signed: bytes, now: float) -> Drop | None:
        """Check a message with its trailer at ``now``, seconds since 1970; None: it is genuine.

        The time comes before the HMAC, so that a flood of old packets costs no HMAC each.
        """
        at = len(signed) - TRAILER
        kind, number, zero, sequence = _PREFIX.unpack_from(signed, at)
        if kind != _KIND or zero:
            return Drop.TRAILER
        if self.window and abs(_distance(sequence, sequence_at(now))) > self.window * _SECOND:
            return Drop.STALE
        key = self.keys.get(number)
        if key is None:
            return Drop.KEY
        unsummed = signed[:6] + b"\0\0" + signed[8:-_HMAC]
        if not hmac.compare_digest(self._hmac(key, source, unsummed), signed[-_HMAC:]):
            return Drop.SIGNATURE
        return None

    @staticmethod
    def sequence(signed: bytes) -> int:
        """Read the sequence number of a message with a trailer."""
        return int.from_bytes(signed[4 - TRAILER : -_HMAC], "big")

    def _hmac(self, key: bytes, source: bytes, text: bytes) -> bytes:
        return hmac.digest(key, self.binding + source.ljust(16, b"\0") + text + _ZERO_HMAC, "sha256")[:_HMAC]


def binding(family: int, version: int, virtual_router_id: int) -> bytes:
    """Make what ties an HMAC to one virtual router."""
    return bytes((family, version, virtual_router_id, 0))


def sequence_at(now: float) -> int:
    """Give the first sequence number of a moment, in seconds since 1970."""
    return int(now * 65536) << 16 & _SEQUENCE - 1


def _distance(one: int, other: int) -> int:
    """How far a sequence number is ahead of another, across the wrap of 2106 too (RFC 1982)."""
    ahead = one - other & _SEQUENCE - 1
    return ahead - _SEQUENCE if ahead >> 63 else ahead


class Sequence:
    """The sequence numbers of a sender: the clock, or one more than the last when that has not moved on.

    Nothing is kept on disk: a sender that starts again is ahead of itself as long as its clock is.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def next(self, now: float, window: float) -> int:
        """Give the next one at ``now``, seconds since 1970.

        After the clock was set back by more than ``window`` (0: whatever it was) it begins anew there: the
        receivers compare with their clocks, and would refuse what goes on from the wrong time.
        """
        clock = sequence_at(now)
        if self._last is not None:
            ahead = _distance(self._last, clock)
            if ahead >= 0 and not (window and ahead > window * _SECOND):
                clock = self._last + 1 & _SEQUENCE - 1
        self._last = clock
        return clock


class ReplayWindow:
    """The highest sequence number that was accepted from each sender of one instance."""

    def __init__(self) -> None:
        self._highest: dict[bytes, int] = {}

    def accept(self, source: bytes, sequence: int, now: float, window: float) -> bool:
        """Say whether a sequence number of a genuine message is new, and remember it.

        A number that is itself outside the ``window`` (seconds; 0: there is none) no longer counts: it keeps
        off nothing that the clock does not, and it would lock out a sender whose clock was put right.
        """
        last = self._highest.pop(source, None)
        if last is not None and window and abs(_distance(last, sequence_at(now))) > window * _SECOND:
            last = None
        fresh = last is None or _distance(sequence, last) > 0
        # put at the end again: the first is the one that was silent for longest
        self._highest[source] = sequence if fresh or last is None else last
        if len(self._highest) > _SOURCES:
            del self._highest[next(iter(self._highest))]
        return fresh
