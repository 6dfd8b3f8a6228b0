"""What the table should be: a revision, the verdicts, what operators say, the active instances. Pure.

Unknown is never down: only a verdict ``down`` takes a real server out, and one that is alpha comes in by a
verdict ``up``. A real server without a check always counts as up. An operator's word outranks all of it.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from ipvs_programmer import constants as c
from ipvs_programmer.hold import Hold
from ipvs_programmer.table import (
    PROTOCOL_NUMBERS,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    Pool,
    Service,
    ServiceKey,
    full_mask,
)
from ipvs_programmer.weights import effective_weight
from vipbus.contracts import (
    OperatorState,
    RealServer,
    Role,
    Standby,
    Verdict,
    VirtualServer,
    VrrpInstance,
    name_token,
)
from vipbus.runtime.revision import Revision

_FORWARDING: Final = {"NAT": Forwarding.NAT, "DR": Forwarding.DR, "TUN": Forwarding.TUN}


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual server of a revision with its real servers, and its identity in the kernel."""

    key: ServiceKey
    virtual_server: VirtualServer
    real_servers: tuple[RealServer, ...]

    @property
    def instance(self) -> str:
        """The token of the instance that owns the address; empty when none does."""
        return name_token(self.virtual_server.instance) if self.virtual_server.instance else ""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of the real servers."""

    verdicts: Mapping[str, Verdict] = {}
    """By their bucket key."""
    operators: Mapping[str, OperatorState] = {}
    """By their bucket key, which is a verdict's."""
    holds: Mapping[str, Hold] = {}
    """By the virtual server's token."""
    kept: Mapping[Key, Pool] | None = None
    """Given while no verdict was ever read: a checked destination that the kernel has then keeps its weight,
    whoever set it."""


class Layout:
    """A revision arranged by virtual server, by kernel key and by instance."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        servers = {server.id: server for server in revision.virtual_servers}
        members: dict[str, list[RealServer]] = {token: [] for token in servers}
        for real in revision.real_servers:
            if real.virtual_server in members:
                members[real.virtual_server].append(real)
        self.servers = {
            token: Configured(
                key=ServiceKey(PROTOCOL_NUMBERS[server.protocol], canonical(server.address), server.port),
                virtual_server=server,
                real_servers=tuple(members[token]),
            )
            for token, server in servers.items()
        }
        """By token."""
        self.by_key: dict[Key, Configured] = {server.key: server for server in self.servers.values()}
        self.by_instance: dict[str, list[Configured]] = {
            name_token(instance.name): [] for instance in revision.instances
        }
        """By token; an instance without virtual servers is here too."""
        for server in self.servers.values():
            if server.instance:
                self.by_instance.setdefault(server.instance, []).append(server)

    def news(self, before: Layout) -> dict[Key, Configured]:
        """Find the virtual servers that are not configured as they were."""
        return {key: server for key, server in self.by_key.items() if before.by_key.get(key) != server}


def canonical(address: str) -> str:
    """Write an address as the kernel's comes back, so that equal addresses are equal text."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address))


def active_instances(
    instances: Iterable[VrrpInstance], addresses: Collection[str], roles: Mapping[str, Role] | None
) -> frozenset[str]:
    """Find the instances, by token, whose table must stand.

    An address on this host is proof. Before it is added, the role on the bus asks for the table behind it;
    ``roles`` is None while the bus is away and an old role proves nothing.
    """
    active = set()
    for instance in instances:
        token = name_token(instance.name)
        role = roles.get(token) if roles is not None else None
        if (role is not None and role.role == "active") or any(
            canonical(each.address) in addresses for each in instance.virtual_ipaddress
        ):
            active.add(token)
    return frozenset(active)


def is_wanted(server: Configured, active: Collection[str], standby: Standby) -> bool:
    """Say whether a virtual server belongs into the kernel now."""
    return not server.instance or standby == "warm" or server.instance in active


def destination_key(real: RealServer) -> DestinationKey:
    """Give a real server's identity in the kernel."""
    return DestinationKey(canonical(real.address), real.port)


def stands(real: RealServer, verdict: Verdict | None) -> bool:
    """Say whether a verdict, or that there is none, lets a real server stand in the table."""
    if not real.checks:
        return True
    if verdict is None or verdict.verdict == "unknown":
        return not real.alpha
    return verdict.verdict == "up"


def desired_pool(server: Configured, picture: Picture) -> Pool:
    """Make a virtual server's service and destinations."""
    virtual = server.virtual_server
    before = picture.kept.get(server.key) if picture.kept else None
    hold = picture.holds.get(virtual.id)
    destinations: dict[DestinationKey, Destination] = {}
    for real in server.real_servers:
        of = f"{virtual.id}.{real.id}" if real.checks or picture.operators else ""
        said = picture.operators.get(of)
        if said is not None and said.state == "disable":
            continue
        key = destination_key(real)
        found = before.destinations.get(key) if before is not None and real.checks else None
        verdict = picture.verdicts.get(of) if real.checks else None
        if hold is not None and real.id in hold.held:
            weight = hold.inside[real.id].effective
        elif found is not None:
            weight = found.weight
        elif stands(real, verdict):
            weight = effective_weight(real, verdict)
        else:
            continue
        if said is not None and said.state == "drain":
            weight = 0
        destinations[key] = Destination(key=key, forwarding=_FORWARDING[virtual.forwarding], weight=weight)
    persistence = virtual.persistence_timeout
    return Pool(
        Service(
            key=server.key,
            scheduler=virtual.scheduler,
            flags=c.IP_VS_SVC_F_PERSISTENT if persistence is not None else 0,
            timeout=persistence or 0,
            netmask=full_mask(server.key.family),
        ),
        destinations,
    )


def desired(
    servers: Iterable[Configured], picture: Picture, active: Collection[str], standby: Standby
) -> dict[Key, Pool]:
    """Make the table of these virtual servers; those that do not belong into the kernel now are left out."""
    return {
        server.key: desired_pool(server, picture) for server in servers if is_wanted(server, active, standby)
    }
