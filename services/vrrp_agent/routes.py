"""Routes as the kernel has them (ip-route(8), rtnetlink(7))."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from vipbus.contracts import NextHop, VirtualRoute
from vrrp_agent.netlink import NLM_F_REPLACE, Message, address, attributes, integer

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
PROTOCOL = 18
"""Who made it (rtnetlink(7)): keepalived's number, as iproute2 names it."""
PROTOCOL_AT = 5
"""Where the protocol stands in a message's body, one byte."""

_RTMSG = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
_DST, _SRC, _OIF, _GATEWAY, _PRIORITY, _PREFSRC = 1, 2, 4, 5, 6, 7
_MULTIPATH, _TABLE, _VIA = 9, 15, 18
_ONLINK = 0x4
_KINDS = {
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
    "throw": 9,
}
_UNIVERSE, _LINK, _HOST, _NOWHERE = 0, 253, 254, 255
_DEFAULT_METRIC = {4: 0, 6: 1024}
_PREFERENCES = {"medium": 0, "high": 1, "low": 3}
_UNITS = {"rtt": 8, "rttvar": 4}
"""The kernel counts these in eighths and quarters of a millisecond."""

IndexOf = Callable[[str], int]
"""A link's index by its name; 0 when there is none."""


class Hop(msgspec.Struct, frozen=True):
    """One way of a route: its link, and the gateway there (empty: none)."""

    index: int
    via: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route; ``present``: False when the kernel says that it is gone."""

    family: int
    destination: str
    source_prefix: str = ""
    table: int
    metric: int
    tos: int
    kind: int
    protocol: int
    source: str = ""
    hops: tuple[Hop, ...] = ()
    present: bool = True
    replacing: bool = False
    """True: it stands there instead of the first one before."""

    @property
    def place(self) -> tuple[int, str, str, int, int, int]:
        """Where it stands in the kernel's tables; several may stand in one place."""
        return self.family, self.destination, self.source_prefix, self.table, self.metric, self.tos


def decode(message: Message) -> Route | None:
    """Read RTM_NEWROUTE or RTM_DELROUTE; None when it is not about IPv4 or IPv6."""
    body = message.body
    if len(body) < _RTMSG.size:
        return None
    number, to_length, from_length, tos, short_table, protocol, _, sort, _ = _RTMSG.unpack_from(body)
    if number not in (socket.AF_INET, socket.AF_INET6):
        return None
    family = 4 if number == socket.AF_INET else 6
    found = dict(attributes(body, _RTMSG.size))
    any_address = "0.0.0.0" if family == 4 else "::"  # noqa: S104  # the default route's destination
    from_address = address(found.get(_SRC))
    return Route(
        family=family,
        destination=f"{address(found.get(_DST)) or any_address}/{to_length}",
        source_prefix=f"{from_address}/{from_length}" if from_address else "",
        table=integer(found.get(_TABLE)) or short_table,
        metric=integer(found.get(_PRIORITY)),
        tos=tos,
        kind=sort,
        protocol=protocol,
        source=address(found.get(_PREFSRC)),
        hops=_hops(found),
        present=message.kind == RTM_NEWROUTE,
        replacing=message.kind == RTM_NEWROUTE and bool(message.flags & NLM_F_REPLACE),
    )


def _hops(found: dict[int, bytes]) -> tuple[Hop, ...]:
    several = found.get(_MULTIPATH)
    if several is None:
        return (Hop(integer(found.get(_OIF)), _gateway(found)),) if _OIF in found else ()
    hops, at = [], 0
    while at + _RTNEXTHOP.size <= len(several):
        length, _, _, index = _RTNEXTHOP.unpack_from(several, at)
        if length < _RTNEXTHOP.size:
            break
        hops.append(Hop(index, _gateway(dict(attributes(several[at : at + length], _RTNEXTHOP.size)))))
        at += (length + 3) & ~3
    return tuple(hops)


def _gateway(found: dict[int, bytes]) -> str:
    via = found.get(_VIA)
    return address(via[2:]) if via else address(found.get(_GATEWAY))


def place(route: VirtualRoute) -> tuple[int, str, str, int, int, int]:
    """Say where in the kernel's tables a route goes, as `Route.place`.

    Raises:
        ValueError: a prefix is none.
    """
    metric = _DEFAULT_METRIC[route.family] if route.metric is None else route.metric
    source = _network(route.source_prefix) if route.source_prefix else ""
    return route.family, _network(route.destination), source, route.table, metric, route.tos


def _network(prefix: str) -> str:
    # IPv4's half of the kernel refuses bits behind the prefix, IPv6's clears them
    return str(ipaddress.ip_network(prefix, strict=False))


def fits(route: VirtualRoute, there: Route, index_of: IndexOf) -> bool:
    """Say whether what stands in a route's place is that route."""
    if (there.kind, there.protocol) != (_KINDS[route.kind], protocol_of(route)):
        return False
    if route.source is not None and route.source != there.source:
        return False
    if route.nexthops:
        return all(_has(there, hop.via, hop.dev, index_of) for hop in route.nexthops)
    return (route.via is None and route.dev is None) or _has(there, route.via, route.dev, index_of)


def _has(there: Route, via: str | None, dev: str | None, index_of: IndexOf) -> bool:
    return any(
        (via is None or hop.via == via) and (dev is None or hop.index == index_of(dev)) for hop in there.hops
    )


def protocol_of(route: VirtualRoute) -> int:
    """Give the number a route is marked with."""
    return PROTOCOL if route.protocol is None else route.protocol


def devices(route: VirtualRoute) -> set[str]:
    """Name the devices without which a route cannot be."""
    return {dev for dev in (route.dev, *(hop.dev for hop in route.nexthops)) if dev is not None}


def encode(route: VirtualRoute, index_of: IndexOf, *, removal: bool) -> Any:
    """Write a route as pyroute2's message; the caller gives it its header.

    Raises:
        ValueError: a prefix, an address or a metric is none.
        OSError: an address is none.
    """
    from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: PLC0415  # imported in another thread at the start

    _, destination, source, table, _, tos = place(route)
    message = rtmsg()
    message["family"] = socket.AF_INET if route.family == 4 else socket.AF_INET6
    message["tos"], message["type"], message["proto"] = tos, _KINDS[route.kind], protocol_of(route)
    message["table"] = table if table < 256 else 0
    message["scope"] = _scope(route, removal=removal)
    message["flags"] = _ONLINK if route.onlink else 0
    attrs: list[tuple[str, object]] = [("RTA_TABLE", table)]
    for name, length, prefix in (("DST", "dst_len", destination), ("SRC", "src_len", source)):
        if prefix:
            host, _, bits = prefix.partition("/")
            message[length] = int(bits)
            if message[length]:
                attrs.append((f"RTA_{name}", host))
    if route.metric is not None:
        attrs.append(("RTA_PRIORITY", route.metric))
    if route.source is not None:
        attrs.append(("RTA_PREFSRC", route.source))
    if route.preference is not None:
        attrs.append(("RTA_PREF", _PREFERENCES[route.preference]))
    if route.metrics:
        attrs.append(("RTA_METRICS", {"attrs": [_metric(*each) for each in route.metrics]}))
    attrs += _way(route.family, route.via, route.dev, index_of)
    if route.nexthops:
        attrs.append(("RTA_MULTIPATH", [_nexthop(route, hop, index_of) for hop in route.nexthops]))
    message["attrs"] = attrs
    return message


def _scope(route: VirtualRoute, *, removal: bool) -> int:
    """Choose as iproute2 does; NOWHERE removes a route of any scope."""
    if route.scope is not None:
        return route.scope
    if route.kind == "local":
        return _HOST
    if route.kind in ("broadcast", "multicast"):
        return _LINK
    if route.kind != "unicast":
        return _UNIVERSE
    if removal:
        return _NOWHERE
    return _UNIVERSE if route.via or route.nexthops else _LINK


def _way(family: int, via: str | None, dev: str | None, index_of: IndexOf) -> list[tuple[str, object]]:
    attrs: list[tuple[str, object]] = []
    if via is not None:
        other = 6 if ":" in via else 4
        if other == family:
            attrs.append(("RTA_GATEWAY", via))
        else:
            number = socket.AF_INET if other == 4 else socket.AF_INET6
            attrs.append(("RTA_VIA", {"family": number, "addr": via}))
    if dev is not None:
        attrs.append(("RTA_OIF", index_of(dev)))
    return attrs


def _nexthop(route: VirtualRoute, hop: NextHop, index_of: IndexOf) -> dict[str, object]:
    return {
        "flags": _ONLINK if hop.onlink else 0,
        "hops": hop.weight - 1,  # the kernel counts from 0
        "oif": index_of(hop.dev) if hop.dev is not None else 0,
        "attrs": _way(route.family, hop.via, None, index_of),
    }


def _metric(name: str, value: int) -> tuple[str, int]:
    from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: PLC0415  # as above

    attribute = f"RTAX_{name.upper()}"
    if attribute not in {each[0] for each in rtmsg.metrics.nla_map} - {"RTAX_UNSPEC", "RTAX_CC_ALGO"}:
        raise ValueError(f"there is no metric {name}")
    return attribute, value * _UNITS.get(name.lower(), 1)


def describe(route: VirtualRoute) -> str:
    """Name a route in a message."""
    words = [route.destination] if route.kind == "unicast" else [route.kind, route.destination]
    said = (("via", route.via), ("dev", route.dev), ("src", route.source), ("metric", route.metric))
    for word, value in said:
        if value is not None:
            words += [word, str(value)]
    if route.table != 254:
        words += ["table", str(route.table)]
    return f"route {' '.join(words)}"
