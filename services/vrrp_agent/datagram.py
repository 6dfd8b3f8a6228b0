"""A received IP packet, the parts of it that VRRP looks at; addresses are packed, in network order."""

from __future__ import annotations

import msgspec

_IPV4_HEADER = 20


class Datagram(msgspec.Struct, frozen=True, gc=False):
    """What a raw socket heard."""

    source: bytes
    """4 or 16 bytes."""
    destination: bytes
    ttl: int
    """The hop limit in IPv6."""
    message: bytes
    """What follows the IP header."""

    @property
    def multicast(self) -> bool:
        """True when it was sent to a group."""
        return is_multicast(self.destination)


def is_multicast(packed: bytes) -> bool:
    """Say whether a packed address is a group's (RFC 1112 section 4; RFC 4291 section 2.7)."""
    return packed[0] == 0xFF if len(packed) == 16 else packed[0] >> 4 == 0xE


def from_ipv4(packet: bytes) -> Datagram | None:
    """Take an IPv4 packet apart, as raw(7) delivers it; None when it is shorter than its header says."""
    if len(packet) < _IPV4_HEADER:
        return None
    start = (packet[0] & 0x0F) * 4
    if start < _IPV4_HEADER or len(packet) < start:
        return None
    return Datagram(packet[12:16], packet[16:20], packet[8], packet[start:])
