"""Unsolicited neighbour advertisements: how neighbours learn that an IPv6 address has moved (RFC 4861).

Sections 4.4 and 7.2.6, and RFC 9568 section 6.4.2.
"""

from __future__ import annotations

import socket
import struct

from vrrp_agent import bpf

ETH_P_IPV6 = 0x86DD

_ETHERNET = struct.Struct("!6s6sH")
_IPV6 = struct.Struct("!IHBB16s16s")
_ADVERTISEMENT = struct.Struct("!BBHI16s")
_OPTION = struct.Struct("!BB6s")
_ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
_ALL_NODES_HARDWARE = bytes.fromhex("333300000001")
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_HOP_LIMIT = 255
"""Any other would have come through a router (section 7.1.2)."""
_ROUTER, _SOLICITED, _OVERRIDE = 0x80000000, 0x40000000, 0x20000000
_TARGET_LINK_LAYER = 2
_ICMP_AT = _ETHERNET.size + _IPV6.size

HEARD: tuple[bpf.Instruction, ...] = (
    (bpf.LOAD_BYTE, 0, 0, _ETHERNET.size + 6),
    (bpf.JUMP_EQUAL, 0, 3, _ICMPV6),
    (bpf.LOAD_BYTE, 0, 0, _ICMP_AT),
    (bpf.JUMP_EQUAL, 0, 1, _NEIGHBOUR_ADVERTISEMENT),
    (bpf.RETURN, 0, 0, bpf.WHOLE),
    (bpf.RETURN, 0, 0, 0),
)
"""Keeps neighbour advertisements of all that a packet socket for IPv6 is handed."""


def unsolicited(hardware: bytes, address: str, *, router: bool) -> bytes:
    """Write an advertisement to all nodes that replaces what they know of ``address``.

    ``router``: this host forwards; an advertisement without it takes it off their lists of routers.
    """
    target = socket.inet_pton(socket.AF_INET6, address)
    flags = _OVERRIDE | (_ROUTER if router else 0)
    message = _ADVERTISEMENT.pack(_NEIGHBOUR_ADVERTISEMENT, 0, 0, flags, target)
    message += _OPTION.pack(_TARGET_LINK_LAYER, 1, hardware)
    checksum = _checksum(target, _ALL_NODES, message)
    message = message[:2] + checksum.to_bytes(2, "big") + message[4:]
    header = _IPV6.pack(6 << 28, len(message), _ICMPV6, _HOP_LIMIT, target, _ALL_NODES)
    return _ETHERNET.pack(_ALL_NODES_HARDWARE, hardware, ETH_P_IPV6) + header + message


def announced(frame: bytes) -> tuple[bytes, str] | None:
    """Read who announces which address to all: hardware address and target; None for any other frame."""
    if len(frame) < _ICMP_AT + _ADVERTISEMENT.size:
        return None
    _, hardware, kind = _ETHERNET.unpack_from(frame)
    first, length, protocol, hops, source, destination = _IPV6.unpack_from(frame, _ETHERNET.size)
    if kind != ETH_P_IPV6 or first >> 28 != 6 or (protocol, hops) != (_ICMPV6, _HOP_LIMIT):
        return None
    message = frame[_ICMP_AT : _ICMP_AT + length]
    if len(message) != length or length < _ADVERTISEMENT.size or destination[0] != 0xFF:
        return None
    sort, code, _, flags, target = _ADVERTISEMENT.unpack_from(message)
    if (sort, code) != (_NEIGHBOUR_ADVERTISEMENT, 0) or flags & _SOLICITED:
        return None
    # computed over itself, a right checksum leaves nothing
    if _checksum(source, destination, message):
        return None
    return hardware, socket.inet_ntop(socket.AF_INET6, target)


def _checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """Sum the message and its pseudo-header (RFC 8200 section 8.1)."""
    data = source + destination + struct.pack("!II", len(message), _ICMPV6) + message
    # a number is congruent to the sum of its 16-bit digits, modulo 65535
    return 0xFFFF - (int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF or 0xFFFF)
