"""An ICMP echo request and its reply (RFC 792; RFC 4443, section 4).

The kernel's datagram sockets for ICMP need no privilege where net.ipv4.ping_group_range allows them; raw ones
need CAP_NET_RAW. The packets are made here: icmplib opens a socket of its own, so that source, interface and
mark would be lost, takes any reply with the right numbers for ours, and does not see ICMP errors that a
datagram socket reports.
"""

from __future__ import annotations

import secrets
import socket
import struct
from contextlib import closing
from typing import Final

import msgspec

from health_prober.attempt import PASSED, NotTriedError, Passed, Steps
from health_prober.datagrams import opened_to, received
from vipbus.contracts import PingCheck

_HEADER: Final = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number."""
_TOKEN: Final = 16
"""Octets that nobody guesses; the kernel's own ping(8) sends 56 of no meaning."""
_REQUEST: Final = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY: Final = {socket.AF_INET: 0, socket.AF_INET6: 129}
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
"""linux/icmp.h, and linux/icmpv6.h has the same number: a set bit keeps a type out."""


class Echo(msgspec.Struct, frozen=True):
    """One echo request, as far as its reply repeats it."""

    family: int
    sequence: int
    token: bytes
    identifier: int | None
    """None: the kernel gives one, and passes on no other's replies."""


async def attempt(check: PingCheck, steps: Steps) -> Passed:
    """Send one request and wait for its reply."""
    made, raw = _opened(check)
    with closing(made):
        echo = Echo(
            family=made.family,
            sequence=secrets.randbits(16),
            token=secrets.token_bytes(_TOKEN),
            identifier=secrets.randbits(16) if raw else None,
        )
        made.send(request(echo))
        steps.done("sent an echo request")
        steps.wait("waiting for the echo reply")
        while True:
            # a raw socket is shown what others asked of the same host, and what went wrong with that
            packet = await received(made, check.address, lambda quoted: is_request(echo, quoted))
            if is_reply(echo, without_header(packet) if raw and made.family == socket.AF_INET else packet):
                break
    steps.done("an echo reply came")
    return PASSED


def request(echo: Echo) -> bytes:
    """Pack an echo request; the kernel fills in what depends on the socket."""
    fields = _REQUEST[socket.AddressFamily(echo.family)], 0
    numbers = echo.identifier or 0, echo.sequence
    # for ICMPv6 the kernel computes the checksum, over addresses that only it knows (RFC 3542, section 3.1)
    checksum = (
        _checksum(_HEADER.pack(*fields, 0, *numbers) + echo.token) if echo.family == socket.AF_INET else 0
    )
    return _HEADER.pack(*fields, checksum, *numbers) + echo.token


def is_reply(echo: Echo, message: bytes) -> bool:
    """Say whether an ICMP message answers this request and no other."""
    wanted = _REPLY[socket.AddressFamily(echo.family)]
    return _is(echo, wanted, message) and message[_HEADER.size :] == echo.token


def is_request(echo: Echo, quoted: bytes) -> bool:
    """Say whether an ICMP error quotes this request, of which 8 octets are always there (RFC 792)."""
    wanted = _REQUEST[socket.AddressFamily(echo.family)]
    return _is(echo, wanted, quoted) and echo.token.startswith(quoted[_HEADER.size :][:_TOKEN])


def without_header(packet: bytes) -> bytes:
    """Take the IPv4 header off, options included; empty if there is more header than packet."""
    return packet[4 * (packet[0] & 0x0F) :] if packet else b""


def _is(echo: Echo, wanted: int, message: bytes) -> bool:
    if len(message) < _HEADER.size:
        return False
    type_, code, _, identifier, sequence = _HEADER.unpack_from(message)
    return (type_, code, sequence) == (wanted, 0, echo.sequence) and echo.identifier in (None, identifier)


def _checksum(message: bytes) -> int:
    """RFC 1071, of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _opened(check: PingCheck) -> tuple[socket.socket, bool]:
    """Open a socket for ICMP; True beside it: a raw one."""
    protocol = socket.IPPROTO_ICMPV6 if ":" in check.address else socket.IPPROTO_ICMP
    try:
        return opened_to(check, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        pass
    try:
        made = opened_to(check, socket.SOCK_RAW, protocol)
    except PermissionError:
        raise NotTriedError(
            "ICMP: not permitted; set the sysctl net.ipv4.ping_group_range (it is IPv6's too) so that the "
            "prober's group is in it, or give the prober CAP_NET_RAW"
        ) from None
    if protocol == socket.IPPROTO_ICMP:
        made.setsockopt(
            _SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << _REPLY[socket.AF_INET]) & 0xFFFFFFFF)
        )
    else:
        wanted = _REPLY[socket.AF_INET6]
        closed = [0xFFFFFFFF] * 8
        closed[wanted >> 5] ^= 1 << (wanted & 31)
        made.setsockopt(socket.IPPROTO_ICMPV6, _ICMP_FILTER, struct.pack("=8I", *closed))
    return made, True
