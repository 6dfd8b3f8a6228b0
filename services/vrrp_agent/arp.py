"""Gratuitous ARP: how neighbours learn that an IPv4 address has moved (RFC 826, RFC 5227 section 2.3)."""

from __future__ import annotations

import socket
import struct

ETH_P_ARP = 0x0806

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETH_P_IP = 0x0800
_BROADCAST = b"\xff" * 6
_REQUEST = 1


def gratuitous(hardware: bytes, address: str) -> bytes:
    """Write a broadcast ARP request whose sender and target address are both ``address``."""
    protocol = socket.inet_aton(address)
    return _ETHERNET.pack(_BROADCAST, hardware, ETH_P_ARP) + _ARP.pack(
        1, _ETH_P_IP, 6, 4, _REQUEST, hardware, protocol, bytes(6), protocol
    )


def announced(frame: bytes) -> tuple[bytes, str] | None:
    """Read who announces which address: the sender of a gratuitous ARP; None for any other frame."""
    if len(frame) < _ETHERNET.size + _ARP.size:
        return None
    _, _, kind = _ETHERNET.unpack_from(frame)
    if kind != ETH_P_ARP:
        return None
    hardware_type, protocol_type, _, _, _, hardware, sender, _, target = _ARP.unpack_from(
        frame, _ETHERNET.size
    )
    if (hardware_type, protocol_type) != (1, _ETH_P_IP) or sender != target:
        return None
    return hardware, socket.inet_ntoa(sender)
