"""What the kernel says of links, addresses, routes and rules, read from route netlink (rtnetlink(7)).

Only reading: a few fields of a few message types, decoded in microseconds and without an import. Writing goes
through pyroute2 (`objects`).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Set

import msgspec

from vrrp_agent import addresses, bpf, routes, rules
from vrrp_agent.addresses import Address
from vrrp_agent.netlink import (
    HEADER,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    attributes,
    integer,
    messages,
    route_socket,
    text,
)
from vrrp_agent.routes import Route
from vrrp_agent.rules import Rule

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWNETCONF, RTM_GETNETCONF = 80, 82
_GROUPS = (1, 5, 7, 8, 9, 11, 19, 25)
"""RTNLGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE, IPV6_NETCONF."""

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 5, 10, 18
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_MACVLAN_MODE = 1, 2, 1
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING, _IFF_NOARP = 0x1, 0x8, 0x40, 0x80
_ARPHRD_ETHER = 1
_NETCONFA_IFINDEX, _NETCONFA_FORWARDING = 1, 2

_IFINFOMSG = struct.Struct("=BxHiII")
_SET_BY_HAND = frozenset({3, 4})
"""RTPROT_BOOT, RTPROT_STATIC."""
_RECEIVE_BUFFER = 1 << 20
_DUMP_TIMEOUT = 2.0
_DUMP_TRIES = 5


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is there (RTM_NEWLINK); ``up``: enabled and with a carrier."""

    index: int
    name: str
    enabled: bool
    up: bool
    hardware: bytes = b""
    """Its own address, six bytes on an Ethernet."""
    neighbours: bool = False
    """True where ARP and neighbour discovery are spoken: on an Ethernet without NOARP."""
    kind: str = ""
    """macvlan, ipvlan, vrf, vlan, ...; empty for a plain device."""
    mode: int = 0
    """Of a macvlan."""
    parent: int = 0
    """The link below a macvlan, ipvlan or VLAN."""
    master: int = 0
    """The VRF, bridge or bond that it is in."""


class LinkGone(msgspec.Struct, frozen=True):
    """A link that was removed (RTM_DELLINK)."""

    index: int


class Forwarding(msgspec.Struct, frozen=True):
    """Whether IPv6 packets are forwarded from a link (RTM_NEWNETCONF)."""

    index: int
    enabled: bool


Change = Link | LinkGone | Address | Route | Rule | Forwarding


class DumpError(OSError):
    """The kernel did not give the whole list."""


def _link(message: Message) -> Link | LinkGone | None:
    body = message.body
    if len(body) < _IFINFOMSG.size:
        return None
    family, hardware_type, index, flags, _ = _IFINFOMSG.unpack_from(body)
    if family != socket.AF_UNSPEC:  # a bridge tells of its ports in the same group, as family AF_BRIDGE
        return None
    if message.kind == RTM_DELLINK:
        return LinkGone(index)
    found = dict(attributes(body, _IFINFOMSG.size))
    if _IFLA_IFNAME not in found:
        return None
    info = dict(attributes(found.get(_IFLA_LINKINFO, b"")))
    data = dict(attributes(info.get(_IFLA_INFO_DATA, b"")))
    link_kind = text(info.get(_IFLA_INFO_KIND))
    return Link(
        index=index,
        name=text(found[_IFLA_IFNAME]),
        enabled=bool(flags & _IFF_UP),
        up=flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
        hardware=found.get(_IFLA_ADDRESS, b""),
        neighbours=hardware_type == _ARPHRD_ETHER and not flags & (_IFF_LOOPBACK | _IFF_NOARP),
        kind=link_kind,
        mode=integer(data.get(_IFLA_MACVLAN_MODE)) if link_kind == "macvlan" else 0,
        parent=integer(found.get(_IFLA_LINK)),
        master=integer(found.get(_IFLA_MASTER)),
    )


def _forwarding(message: Message) -> Forwarding | None:
    body = message.body
    if not body or body[0] != socket.AF_INET6:
        return None
    found = dict(attributes(body, 4))
    if _NETCONFA_FORWARDING not in found:
        return None
    return Forwarding(integer(found.get(_NETCONFA_IFINDEX)), integer(found[_NETCONFA_FORWARDING]) != 0)


def decode(data: bytes) -> Iterator[Change]:
    """Read the changes in one netlink datagram; what is about something else is passed over."""
    for message in messages(data):
        change = _change(message)
        if change is not None:
            yield change


_DECODERS: dict[int, Callable[[Message], Change | None]] = {
    RTM_NEWLINK: _link,
    RTM_DELLINK: _link,
    addresses.RTM_NEWADDR: addresses.decode,
    addresses.RTM_DELADDR: addresses.decode,
    routes.RTM_NEWROUTE: routes.decode,
    routes.RTM_DELROUTE: routes.decode,
    rules.RTM_NEWRULE: rules.decode,
    rules.RTM_DELRULE: rules.decode,
    RTM_NEWNETCONF: _forwarding,
}


def _change(message: Message) -> Change | None:
    decoder = _DECODERS.get(message.kind)
    return decoder(message) if decoder is not None else None


def open_monitor(protocols: Set[int]) -> socket.socket:
    """Open a socket that receives every change; it does not block. Of routes: see `listen_for`."""
    monitor = route_socket()
    monitor.setblocking(False)
    monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    listen_for(monitor, protocols)
    monitor.bind((0, sum(1 << (group - 1) for group in _GROUPS)))
    return monitor


def listen_for(monitor: socket.socket, protocols: Set[int]) -> None:
    """Let a monitor hear the routes of these protocols, and those that people set.

    Theirs may replace one of ours, of which nothing else is said. A BGP daemon's changes would fill the loop.
    """
    kept = sorted(protocols | _SET_BY_HAND)
    # the kind is of this host's order, and the filter reads big-endian
    kinds = (routes.RTM_NEWROUTE, routes.RTM_DELROUTE)
    new, old = (int.from_bytes(struct.pack("=H", kind), "big") for kind in kinds)
    accept = len(kept) + 1
    bpf.attach(
        monitor,
        [
            (bpf.LOAD_HALF, 0, 0, 4),
            (bpf.JUMP_EQUAL, 1, 0, new),
            (bpf.JUMP_EQUAL, 0, accept + 1, old),
            (bpf.LOAD_BYTE, 0, 0, HEADER.size + routes.PROTOCOL_AT),
            *((bpf.JUMP_EQUAL, len(kept) - at, 0, protocol) for at, protocol in enumerate(kept)),
            (bpf.RETURN, 0, 0, 0),
            (bpf.RETURN, 0, 0, bpf.WHOLE),
        ],
    )


def dump(protocols: Set[int]) -> list[Change]:
    """Read all there is now: links, addresses, rules, and the routes of these protocols.

    Raises:
        OSError: the kernel did not answer with whole lists.
    """
    changes: list[Change] = []
    with route_socket() as asking:
        asking.settimeout(_DUMP_TIMEOUT)
        for kind, body, needed in _questions(protocols):
            for _ in range(_DUMP_TRIES):
                answers = _ask(asking, kind, body, needed=needed)
                if answers is not None:
                    break
            else:
                raise DumpError("the kernel's lists changed faster than they could be read")
            changes += answers
    return [each for each in changes if not isinstance(each, Route) or each.protocol in protocols]


def _questions(protocols: Set[int]) -> Iterator[tuple[int, bytes, bool]]:
    """Give kind, body, and whether there is no going on without an answer (a kernel may lack IPv6)."""
    yield RTM_GETLINK, _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0), True
    yield addresses.RTM_GETADDR, bytes(8), True
    yield RTM_GETNETCONF, bytes([socket.AF_INET6, 0, 0, 0]), False
    for family in (socket.AF_INET, socket.AF_INET6):
        yield rules.RTM_GETRULE, bytes([family]).ljust(12, b"\0"), False
        for protocol in sorted(protocols):
            body = bytearray(12)
            body[0], body[routes.PROTOCOL_AT] = family, protocol
            yield routes.RTM_GETROUTE, bytes(body), False


def _ask(asking: socket.socket, kind: int, body: bytes, *, needed: bool) -> list[Change] | None:
    """Read one whole list; None when it changed meanwhile."""
    asking.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, kind, 0) + body)
    changes: list[Change] = []
    whole = True
    while True:
        data = asking.recv(1 << 16)
        for message in messages(data):
            whole = whole and not message.flags & NLM_F_DUMP_INTR
            if message.kind == NLMSG_ERROR:
                if needed:
                    raise DumpError("the kernel refused to list its links and addresses")
                return []
            if message.kind == NLMSG_DONE:
                return changes if whole else None
            change = _change(message)
            if change is not None:
                changes.append(change)
