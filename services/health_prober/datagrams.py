"""Datagram sockets of a check, and what ICMP said of what they sent.

A connected socket is told only of ICMP's hard errors; IP_RECVERR (ip(7)) has it told of every one, and by
whom. Each must be taken from the queue: while one is left, the socket counts as ready.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Final

import msgspec

from health_prober.attempt import CheckFailedError
from health_prober.sockets import opened, resolve
from vipbus.contracts import CheckBase

LARGEST: Final = 65535
"""Octets of a datagram, or of a DNS message over TCP."""
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_REPORT: Final = struct.Struct("=IBBBxII")
"""struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, info, data."""
_BY_ICMP: Final = (2, 3)
"""SO_EE_ORIGIN_ICMP and SO_EE_ORIGIN_ICMP6."""
_QUOTED: Final = 576
"""Octets of our own datagram that come back with an error, at most (RFC 1812, section 4.3.2.3)."""

_WORDS_4: Final = {
    # type and code (RFC 792; RFC 1122, section 3.2.2.1; RFC 1812, section 5.2.7.1)
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "packet too big for the path",
    (3, 5): "source route failed",
    (3, 6): "network unknown",
    (3, 7): "host unknown",
    (3, 8): "host isolated",
    (3, 9): "network prohibited",
    (3, 10): "host prohibited",
    (3, 11): "network unreachable for this type of service",
    (3, 12): "host unreachable for this type of service",
    (3, 13): "prohibited by a filter",
    (3, 14): "host precedence violation",
    (3, 15): "precedence cut off",
    (11, 0): "time to live exceeded",
    (11, 1): "fragments missing",
}
_WORDS_6: Final = {
    # type and code (RFC 4443, section 3)
    (1, 0): "no route to host",
    (1, 1): "prohibited by a filter",
    (1, 2): "beyond the scope of the source address",
    (1, 3): "host unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source address refused",
    (1, 6): "route rejected",
    (2, 0): "packet too big for the path",
    (3, 0): "hop limit exceeded",
    (3, 1): "fragments missing",
}

Concerns = Callable[[bytes], bool]
"""Whether an error is about us, by the beginning of the datagram that it quotes."""


def opened_to(check: CheckBase, kind: int = socket.SOCK_DGRAM, protocol: int = 0) -> socket.socket:
    """Open a steered socket that talks to a check's address and port alone; whoever calls must close it.

    Raises:
        CheckFailedError: nobody listens at a port of this host.
        NotTriedError: this host has no such source, interface or right.
        OSError: there is no route, or this host gave no socket.
    """
    made = opened(check, kind, protocol)
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        made.connect(resolve(check.address, check.port)[1])
        if protocol == 0 and made.getsockname() == made.getpeername():
            # a port of this host in the ephemeral range met itself: nobody listens
            raise CheckFailedError("port unreachable")
    except BaseException:
        made.close()
        raise
    return made


async def received(made: socket.socket, target: str, concerns: Concerns = lambda _: True) -> bytes:
    """Wait for a datagram from an address and return it.

    Raises:
        CheckFailedError: an ICMP error came instead.
        OSError: this host has trouble.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            # sock_recv does not yield while something is there: a flood would keep the timer from firing
            await asyncio.sleep(0)
            return await loop.sock_recv(made, LARGEST)
        except OSError as error:
            reports = _taken(made)
            for each in reports:
                if not each.by_icmp:
                    raise OSError(each.number, "") from None
                if concerns(each.quoted):
                    raise CheckFailedError(_in_words(each, made, target)) from None
            if not reports:
                raise error from None


class _Report(msgspec.Struct, frozen=True):
    number: int
    """As errno."""
    by_icmp: bool
    type: int
    code: int
    said_by: str
    """An address; empty where the kernel does not say."""
    quoted: bytes


def _taken(made: socket.socket) -> list[_Report]:
    """Empty the queue of errors (recvmsg(2), MSG_ERRQUEUE)."""
    reports: list[_Report] = []
    while True:
        try:
            quoted, control, _, _ = made.recvmsg(_QUOTED, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return reports
        for level, kind, data in control:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                number, origin, type_, code, _, _ = _REPORT.unpack_from(data)
                said_by = _address(data[_REPORT.size :])
                reports.append(_Report(number, origin in _BY_ICMP, type_, code, said_by, quoted))


def _address(sockaddr: bytes) -> str:
    if len(sockaddr) < 2:
        return ""
    (family,) = struct.unpack_from("=H", sockaddr)
    if family == socket.AF_INET and len(sockaddr) >= 8:
        return str(ipaddress.IPv4Address(sockaddr[4:8]))
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return str(ipaddress.IPv6Address(sockaddr[8:24]))
    return ""


def _in_words(report: _Report, made: socket.socket, target: str) -> str:
    words = _WORDS_6 if made.family == socket.AF_INET6 else _WORDS_4
    said = words.get((report.type, report.code)) or f"ICMP error, type {report.type} code {report.code}"
    if report.said_by in ("", _plain_address(target)):
        return said
    if report.said_by == _plain_address(made.getsockname()[0]):
        return f"{said} (said by this host)"
    return f"{said} (said by {report.said_by})"


def _plain_address(address: str) -> str:
    return str(ipaddress.ip_address(address.partition("%")[0]))
