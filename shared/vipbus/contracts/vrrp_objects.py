"""What moves with an instance or stands on a router: addresses, routes, rules (keepalived.conf(5)).

Addresses are canonical text, prefixes ``ADDRESS/LENGTH``, devices interface names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vipbus.contracts.limits import check_address, check_prefix

Family = Literal[4, 6]


class VirtualAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that moves with an instance: canonical text, prefix length, the device that holds it.

    With a virtual MAC an address whose ``dev`` is the instance's interface sits on the macvlan instead.
    """

    address: str
    prefix: int
    dev: str
    broadcast: str | None = None
    """IPv4 broadcast address; None is none, as keepalived adds them."""
    scope: int = 0
    """As rtnetlink(7) numbers it: 0 global, 200 site, 253 link, 254 host."""
    label: str | None = None
    peer: str | None = None
    """``ADDRESS/LENGTH`` of the other end of a point-to-point address."""
    home: bool = False
    nodad: bool = True
    """IPv6: usable at once; keepalived's default for virtual addresses."""
    preferred_lifetime: int | None = None
    """Seconds; 0: deprecated, never chosen as a source. None: for ever, but 0 for a /128, as keepalived."""
    managed_temporary: bool = False
    """IPv6 mngtmpaddr."""
    no_prefix_route: bool = False
    auto_join: bool = False
    """IPv4 multicast autojoin."""
    tracked: bool = True
    """False (no_track): its loss is nobody's business."""
    own_mac: bool = False
    """True (use_vmac after the address): it gets a virtual MAC of its own."""

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.peer is not None:
            check_prefix(self.peer)

    @property
    def family(self) -> Family:
        """4 or 6."""
        return 6 if ":" in self.address else 4


class NextHop(msgspec.Struct, frozen=True, kw_only=True):
    """One way of a route with several (iproute2's nexthop)."""

    via: str | None = None
    dev: str | None = None
    weight: int = 1
    onlink: bool = False


RouteKind = Literal[
    "unicast", "local", "broadcast", "multicast", "throw", "unreachable", "prohibit", "blackhole"
]


class VirtualRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route that moves with an instance, or a static one (keepalived.conf(5); ip-route(8))."""

    family: Family
    destination: str
    """``ADDRESS/LENGTH``; the default route is 0.0.0.0/0 or ::/0."""
    kind: RouteKind = "unicast"
    via: str | None = None
    """The gateway; it may be of the other family."""
    dev: str | None = None
    source: str | None = None
    """Preferred source address (src)."""
    source_prefix: str | None = None
    """IPv6 source-specific routing (from)."""
    table: int = 254
    metric: int | None = None
    scope: int | None = None
    """None: what iproute2 chooses."""
    protocol: int | None = None
    """None: keepalived's own, 18."""
    tos: int = 0
    preference: Literal["low", "medium", "high"] | None = None
    """IPv6 router preference (RFC 4191)."""
    onlink: bool = False
    metrics: tuple[tuple[str, int], ...] = ()
    """``(name, value)`` as iproute2 names them: mtu, advmss, window, rtt (ms), rto_min (ms), ..."""
    nexthops: tuple[NextHop, ...] = ()
    tracked: bool = True
    """False (no_track): its loss is nobody's business."""
    track_group: str | None = None
    """Static ones: the sync group or instance that is in fault without it."""

    def __post_init__(self) -> None:
        check_prefix(self.destination)


class VirtualRule(msgspec.Struct, frozen=True, kw_only=True):
    """A policy rule that moves with an instance, or a static one (keepalived.conf(5); ip-rule(8))."""

    family: Family
    priority: int | None = None
    """None: the kernel's choice, just before the lowest there is."""
    action: Literal["lookup", "goto", "nop", "blackhole", "unreachable", "prohibit"] = "lookup"
    table: int | None = None
    goto: int | None = None
    invert: bool = False
    """True (not): for all that does not match."""
    source: str | None = None
    """``ADDRESS/LENGTH`` (from)."""
    destination: str | None = None
    """``ADDRESS/LENGTH`` (to)."""
    tos: int = 0
    mark: int | None = None
    mask: int | None = None
    iif: str | None = None
    oif: str | None = None
    l3mdev: bool = False
    tunnel: int | None = None
    suppress_prefix_length: int | None = None
    suppress_interface_group: int | None = None
    realm: int | None = None
    user_ids: tuple[int, int] | None = None
    ip_protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    protocol: int | None = None
    """Who made it; None: keepalived's own, 18."""
    tracked: bool = True
    track_group: str | None = None
    """Static ones: the sync group or instance that is in fault without it."""


class StaticAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that stays, whatever the roles (keepalived.conf(5), static_ipaddress)."""

    address: VirtualAddress
    track_group: str | None = None
    """The sync group or instance that is in fault without it."""
