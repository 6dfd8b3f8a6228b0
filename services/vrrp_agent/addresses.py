"""Addresses as the kernel has them (ip-address(8), linux/if_addr.h)."""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

from vipbus.contracts import VirtualAddress
from vrrp_agent.netlink import Message, attributes, integer
from vrrp_agent.netlink import address as text_of

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22

_IFADDRMSG = struct.Struct("=BBBBi")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_NODAD, _DADFAILED, _HOMEADDRESS, _TENTATIVE = 0x02, 0x08, 0x10, 0x40
_MANAGETEMPADDR, _NOPREFIXROUTE, _MCAUTOJOIN = 0x100, 0x200, 0x400
_FOR_EVER = 0xFFFFFFFF


class Address(msgspec.Struct, frozen=True):
    """An address on a link (RTM_NEWADDR), or taken off it (RTM_DELADDR) when not ``present``."""

    index: int
    address: str
    prefix: int
    present: bool = True
    peer: str = ""
    """The other end's address, when there is one; ``prefix`` is then of that."""
    tentative: bool = False
    """IPv6: not usable yet, while the link is asked whether anybody has it (RFC 4862 section 5.4)."""
    duplicate: bool = False
    """IPv6: not usable, because another host has it."""


def decode(message: Message) -> Address | None:
    """Read RTM_NEWADDR or RTM_DELADDR; None when it is not about IPv4 or IPv6."""
    body = message.body
    if len(body) < _IFADDRMSG.size:
        return None
    family, prefix, short_flags, _, index = _IFADDRMSG.unpack_from(body)
    size = {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family)
    found = dict(attributes(body, _IFADDRMSG.size))
    # IPv6 gives the local address only where there is a peer
    local = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b""))
    if len(local) != size:
        return None
    other = found.get(_IFA_ADDRESS, local)
    flags = integer(found[_IFA_FLAGS]) if _IFA_FLAGS in found else short_flags
    six = family == socket.AF_INET6
    return Address(
        index,
        text_of(local),
        prefix,
        message.kind == RTM_NEWADDR,
        peer="" if other == local else text_of(other),
        tentative=six and bool(flags & _TENTATIVE),
        duplicate=six and bool(flags & _DADFAILED),
    )


def identity(virtual: VirtualAddress) -> tuple[str, int, str]:
    """Give what tells an address from others on its link: itself, prefix length, peer."""
    if virtual.peer is None:
        return virtual.address, virtual.prefix, ""
    peer, _, length = virtual.peer.partition("/")
    return virtual.address, int(length), peer


def encode(virtual: VirtualAddress, index: int) -> Any:
    """Write an address as pyroute2's message; the caller gives it its header.

    The same message adds and removes: without the peer the kernel does not find what it is to remove.
    """
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: PLC0415  # imported in another thread at the start

    local, prefix, peer = identity(virtual)
    six = virtual.family == 6
    message = ifaddrmsg()
    message["family"] = socket.AF_INET6 if six else socket.AF_INET
    message["prefixlen"], message["scope"], message["index"] = prefix, virtual.scope, index
    attrs: list[tuple[str, object]] = [("IFA_LOCAL", local), ("IFA_ADDRESS", peer or local)]
    if virtual.label:
        attrs.append(("IFA_LABEL", virtual.label))
    if virtual.broadcast:
        attrs.append(("IFA_BROADCAST", virtual.broadcast))
    flags = _flags(virtual)
    if flags:
        attrs.append(("IFA_FLAGS", flags))
    preferred = virtual.preferred_lifetime
    if preferred is None and six and prefix == 128:
        preferred = 0
    if preferred is not None:
        lifetimes = {"ifa_preferred": preferred, "ifa_valid": _FOR_EVER, "cstamp": 0, "tstamp": 0}
        attrs.append(("IFA_CACHEINFO", lifetimes))
    message["attrs"] = attrs
    return message


def _flags(virtual: VirtualAddress) -> int:
    flags = _NOPREFIXROUTE if virtual.no_prefix_route else 0
    if virtual.auto_join:
        flags |= _MCAUTOJOIN
    if virtual.family == 6:
        flags |= _NODAD if virtual.nodad else 0
        flags |= _HOMEADDRESS if virtual.home else 0
        flags |= _MANAGETEMPADDR if virtual.managed_temporary else 0
    return flags


def describe(virtual: VirtualAddress) -> str:
    """Name an address in a message."""
    peer = f" peer {virtual.peer}" if virtual.peer else ""
    return f"{virtual.address}/{virtual.prefix}{peer} dev {virtual.dev}"
