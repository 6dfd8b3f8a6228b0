"""What the kernel says of links and IPv4 addresses, read from route netlink (rtnetlink(7)).

Only reading: a few fields of two message types, decoded in microseconds and without an import. Writing goes
through pyroute2 (`addresses`).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import msgspec

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR = 0x1, 0x10
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP, _IFF_RUNNING = 0x1, 0x40

_NLMSGHDR = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BxxxiII")
_IFADDRMSG = struct.Struct("=BBBBi")
_RTATTR = struct.Struct("=HH")
_RECEIVE_BUFFER = 1 << 20
_DUMP_TIMEOUT = 2.0


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is there (RTM_NEWLINK); ``up``: enabled and with a carrier."""

    index: int
    name: str
    enabled: bool
    up: bool


class LinkGone(msgspec.Struct, frozen=True):
    """A link that was removed (RTM_DELLINK)."""

    index: int


class Address(msgspec.Struct, frozen=True):
    """An IPv4 address on a link (RTM_NEWADDR), or taken off it (RTM_DELADDR) when not ``present``."""

    index: int
    address: str
    prefix: int
    present: bool = True


Change = Link | LinkGone | Address


class DumpError(OSError):
    """The kernel did not give the whole list."""


def _attributes(message: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + _RTATTR.size <= len(message):
        length, kind = _RTATTR.unpack_from(message, at)
        if length < _RTATTR.size:
            return
        yield kind, message[at + _RTATTR.size : at + length]
        at += (length + 3) & ~3


def _link(kind: int, body: bytes) -> Change | None:
    if len(body) < _IFINFOMSG.size:
        return None
    family, index, flags, _ = _IFINFOMSG.unpack_from(body)
    if family != socket.AF_UNSPEC:  # a bridge tells of its ports in the same group, as family AF_BRIDGE
        return None
    if kind == RTM_DELLINK:
        return LinkGone(index)
    for attribute, value in _attributes(body, _IFINFOMSG.size):
        if attribute == _IFLA_IFNAME:
            return Link(
                index=index,
                name=value.rstrip(b"\0").decode(errors="replace"),
                enabled=bool(flags & _IFF_UP),
                up=flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
            )
    return None


def _address(kind: int, body: bytes) -> Change | None:
    if len(body) < _IFADDRMSG.size:
        return None
    family, prefix, _, _, index = _IFADDRMSG.unpack_from(body)
    if family != socket.AF_INET:
        return None
    found = dict(_attributes(body, _IFADDRMSG.size))
    local = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
    if len(local) != 4:
        return None
    return Address(index, socket.inet_ntoa(local), prefix, kind == RTM_NEWADDR)


def decode(data: bytes) -> Iterator[Change]:
    """Read the changes in one netlink datagram; what is not about links or IPv4 addresses is passed over."""
    for kind, body in _messages(data):
        change = None
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            change = _link(kind, body)
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            change = _address(kind, body)
        if change is not None:
            yield change


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _NLMSGHDR.size <= len(data):
        length, kind, _, _, _ = _NLMSGHDR.unpack_from(data, at)
        if length < _NLMSGHDR.size or at + length > len(data):
            return
        yield kind, data[at + _NLMSGHDR.size : at + length]
        at += (length + 3) & ~3


def open_monitor() -> socket.socket:
    """Open a socket that receives every change of links and IPv4 addresses; it does not block."""
    monitor = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
    )
    monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    monitor.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR))
    return monitor


def dump() -> list[Change]:
    """Read every link and every IPv4 address there is now.

    Raises:
        OSError: the kernel did not answer with whole lists.
    """
    changes: list[Change] = []
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as asking:
        asking.settimeout(_DUMP_TIMEOUT)
        for kind, family, body_size in (
            (RTM_GETLINK, socket.AF_UNSPEC, _IFINFOMSG.size),
            (RTM_GETADDR, socket.AF_INET, _IFADDRMSG.size),
        ):
            body = bytes([family]).ljust(body_size, b"\0")
            header = _NLMSGHDR.pack(_NLMSGHDR.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, kind, 0)
            asking.send(header + body)
            done = False
            while not done:
                data = asking.recv(1 << 16)
                changes += decode(data)
                kinds = {kind for kind, _ in _messages(data)}
                if _NLMSG_ERROR in kinds:
                    raise DumpError("the kernel refused to list its links and addresses")
                done = _NLMSG_DONE in kinds
    return changes
