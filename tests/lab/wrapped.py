"""What IPVS's tunnels look like on the wire: the outer header, GUE or GRE, and the packet within.

IP in IP is RFC 2003, RFC 2473 and RFC 4213; GRE is RFC 2784; GUE is draft-ietf-intarea-gue-09, section 3,
whose flags Linux numbers by itself (include/net/gue.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WRAPPED: Final = " or ".join(
    [f"{outer} proto {number}" for outer in ("ip", "ip6") for number in (4, 41, 47)] + ["udp port 6080"]
)
"""For pcap-filter(7)."""
_PROTOCOLS: Final = {6: "TCP", 17: "UDP"}
_GUE_PRIVATE: Final = 1
_GUE_REMCSUM: Final = 1 << 31


@dataclass(frozen=True)
class Wrapped:
    """A packet in another."""

    tunnel: str
    """As the file says it, the checksum apart: ``type gue port 6080``; empty: IP in IP."""
    source: str
    target: str
    checksum: bool
    """Whether the header around the packet has one."""
    remote_checksum: bool
    """Whether the receiver is asked to complete the inner one (draft-ietf-intarea-gue-extensions-06, 4)."""
    client: str
    virtual: str
    protocol: str
    """TCP or UDP."""


def read(path: Path) -> Iterator[Wrapped]:
    """Take apart what was recorded by `WRAPPED`."""
    from scapy.all import rdpcap  # noqa: PLC0415  # it takes a second

    for frame in rdpcap(str(path)):
        yield _taken_apart(bytes(frame.payload))


def _taken_apart(packet: bytes) -> Wrapped:
    outer = _ip(packet)
    number, rest = (outer.proto if outer.version == 4 else outer.nh), bytes(outer.payload)
    tunnel, checksum, remote = "", False, False
    if number == 17:
        port, _, guard = struct.unpack_from("!HHH", rest, 2)
        tunnel, checksum = f"type gue port {port}", guard != 0
        first, number, flags = struct.unpack_from("!BBH", rest, 8)
        assert first >> 5 == 0, "GUE of version 0, data"
        remote = bool(flags & _GUE_PRIVATE and struct.unpack_from("!I", rest, 12)[0] & _GUE_REMCSUM)
        rest = rest[12 + 4 * (first & 0x1F) :]
    elif number == 47:
        flags, kind = struct.unpack_from("!HH", rest)
        tunnel, checksum = "type gre", bool(flags & 0x8000)
        assert flags & 0x7FFF == 0, "GRE of version 0, without key and sequence number"
        number = {0x0800: 4, 0x86DD: 41}[kind]
        rest = rest[8 if checksum else 4 :]
    inner = _ip(rest)
    assert number == (4 if inner.version == 4 else 41), "what it is said to be"
    protocol = _PROTOCOLS[inner.proto if inner.version == 4 else inner.nh]
    return Wrapped(tunnel, outer.src, outer.dst, checksum, remote, inner.src, inner.dst, protocol)


def _ip(packet: bytes) -> Any:  # scapy has no types
    from scapy.all import IP, IPv6  # noqa: PLC0415  # as above

    return IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
