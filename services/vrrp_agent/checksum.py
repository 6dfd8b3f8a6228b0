"""The Internet checksum (RFC 1071), and what is summed before a message of version 3."""

from __future__ import annotations

PROTOCOL = 112
"""IPPROTO_VRRP (RFC 9568 section 5.1.1.4)."""


def checksum(data: bytes) -> int:
    """Compute the Internet checksum of an even number of bytes; 0 when it stands in them and is right.

    The one's complement sum of 16-bit words is the number they form, modulo 2^16 - 1.
    """
    number = int.from_bytes(data, "big")
    return 0xFFFF - (number % 0xFFFF or 0xFFFF) if number else 0xFFFF


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Make the pseudo-header of a message of ``length`` bytes.

    In IPv6 that of RFC 8200 section 8.1. In IPv4 that of RFC 5798 as keepalived reads it, the one of TCP;
    RFC 9568 leaves it out there (`Expected.pseudo_header`). Zeros do not count in the sum, so the longer
    layout of IPv6 needs no case of its own.
    """
    return source + destination + bytes((0, PROTOCOL)) + length.to_bytes(2, "big")
