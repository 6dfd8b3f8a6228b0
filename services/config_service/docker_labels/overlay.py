"""A configuration with the real servers that Docker says there are now. Pure.

What the configuration says itself stays as it is: the entities of the base are handed on, and real servers
with an origin are added. Such a one is like the first real server of its pool in the configuration, or, where
there is none, like its virtual server's template.

A container that its engine calls unhealthy has weight 0. When that leaves a pool without any weight it is not
done: all at once is more likely an engine whose health checks have no time, and the routers check themselves.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from config_service.alike import aimed
from config_service.docker_labels.containers import Network
from config_service.docker_labels.labels import NETWORK, PORT, Member, Refused, refused
from config_service.pools import CHECK_EVERY, KEEPS_PORT, NOWHERE, family_of
from config_service.problems import quoted
from vipbus.contracts import (
    Entity,
    RealServer,
    TcpCheck,
    VirtualServer,
    VrrpInstance,
)
from vipbus.runtime.naming import means

ORIGIN: Final = "docker"
"""Begins a real server's origin; the name of its container follows."""


class Laid(msgspec.Struct, frozen=True):
    """A base with an overlay."""

    entities: tuple[Entity, ...]
    refused: tuple[Refused, ...]
    unknown: tuple[Refused, ...]
    """Whose virtual server is not in this configuration; another router's may have it."""
    held: tuple[tuple[str, str], ...] = ()
    """Pools in which nobody is healthy, by token, and what that means, in a line."""


class _NoPlace(Exception):  # noqa: N818  # it becomes a line
    pass


def overlay(entities: Sequence[Entity], members: Iterable[Member]) -> Laid:
    """Lay members over a configuration."""
    pools = _Pools(entities)
    added: list[RealServer] = []
    wrong: list[Refused] = []
    unknown: list[Refused] = []
    taken: dict[str, str] = {}
    weights: dict[str, int] = {}
    """What the unhealthy would have otherwise, by key."""
    for member in members:
        found = pools.meant(member.virtual_server)
        if not found:
            unknown.append(refused(member.container, pools.missing(member.virtual_server)))
        for virtual in found:
            try:
                real = pools.real_server(virtual, member)
                if (other := pools.there.get(real.key, taken.get(real.key))) is not None:
                    raise _NoPlace(
                        f"{real.address} port {real.port} is in the pool of {virtual.words} already, "
                        f"by {other}; remove one"
                    )
            except _NoPlace as problem:
                wrong.append(refused(member.container, str(problem)))
                continue
            taken[real.key] = f"container {member.container}"
            if member.unhealthy:
                weights[real.key] = real.weight
                real = msgspec.structs.replace(real, weight=0)  # the same one
            added.append(real)
    added, held = _held(entities, added, weights)
    return Laid((*entities, *added), tuple(wrong), tuple(unknown), held)


def _held(
    entities: Sequence[Entity], added: list[RealServer], weights: Mapping[str, int]
) -> tuple[list[RealServer], tuple[tuple[str, str], ...]]:
    """Give the unhealthy of a pool their weight again where otherwise nobody would have any."""
    if not weights:
        return added, ()
    there = (each for each in (*entities, *added) if isinstance(each, RealServer))
    serving = {each.virtual_server for each in there if each.weight}
    lost = {each.virtual_server for each in added if weights.get(each.key)} - serving
    again = [
        msgspec.structs.replace(each, weight=weights.get(each.key, each.weight))
        if each.virtual_server in lost
        else each
        for each in added
    ]
    words = {each.id: each.words for each in entities if isinstance(each, VirtualServer)}
    told = "they keep their weight, and the checks of vipbus decide"
    return again, tuple(
        (token, f"all containers of {words[token]} are unhealthy; {told}") for token in sorted(lost)
    )


class _Pools:
    """The virtual servers of a configuration, and what their real servers are like."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        self._virtual = [each for each in entities if isinstance(each, VirtualServer)]
        self._meant: dict[str, list[VirtualServer]] = {}
        self._first: dict[str, RealServer] = {}
        self._near: dict[str, list[str]] = {}
        self.there: dict[str, str] = {}
        """Who says that a real server is there, by its key."""
        for each in entities:
            if isinstance(each, RealServer):
                self._first.setdefault(each.virtual_server, each)
                self._near.setdefault(each.virtual_server, []).append(each.address)
                self.there[each.key] = "the configuration"
        self._own = [
            one.address
            for each in entities
            if isinstance(each, VrrpInstance)
            for one in (*each.virtual_ipaddress, *each.virtual_ipaddress_excluded)
        ]

    def meant(self, name: str) -> list[VirtualServer]:
        if name not in self._meant:
            self._meant[name] = [each for each in self._virtual if means(name, each)]
        return self._meant[name]

    def missing(self, name: str) -> str:
        there = sorted({each.name or each.group or each.words for each in self._virtual})
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        what = f"there is {', '.join(there[:3])}{more}" if there else "there is none at all"
        return f"no virtual server is {quoted(name)}; {what}"

    def real_server(self, virtual: VirtualServer, member: Member) -> RealServer:
        """Make a member's real server in one pool.

        Raises:
            _NoPlace: it can be none.
        """
        like = self._first.get(virtual.id) or virtual.template or _plain(virtual)
        address = self._address(virtual, like, member)
        port = member.port
        if (like.forwarding or virtual.forwarding) in KEEPS_PORT and not virtual.mark:
            port = virtual.port  # the method leaves the client's
        if port is None:
            raise _NoPlace(f"label {PORT} is missing; say the port that it listens on")
        return msgspec.structs.replace(
            like,
            router=virtual.router,
            virtual_server=virtual.id,
            address=address,
            port=port,
            weight=like.weight if member.weight is None else member.weight,
            # programs that are told of one real server know nothing of another
            notify_up=like.notify_up if like is virtual.template else None,
            notify_down=like.notify_down if like is virtual.template else None,
            checks=tuple(aimed(each, like, address, member.port or port) for each in like.checks),
            origin=f"{ORIGIN} {member.container}",
        )

    def _address(self, virtual: VirtualServer, like: RealServer, member: Member) -> str:
        """Choose where the routers reach it."""
        family = family_of(virtual)
        method = like.forwarding or virtual.forwarding
        having = [(each, found) for each in member.networks if (found := _of(each, family))]
        if not having and method == "TUN":  # crosses families
            having = [(each, found) for each in member.networks if (found := each.ipv4 or each.ipv6)]
        if not having:
            names = ", ".join(each.name for each in member.networks)
            raise _NoPlace(
                f"{virtual.words} is IPv{family}, and it has no IPv{family} address in {names}; give that "
                "network one"
            )
        for known in (self._near.get(virtual.id, ()), self._own):
            if len(having) > 1:
                having = [one for one in having if _holds(one[0], known)] or having
        if len(having) > 1:
            names = ", ".join(sorted(each.name for each, _ in having))
            raise _NoPlace(
                f"it is in the networks {names}; say which one the routers reach by label {NETWORK}"
            )
        return having[0][1]


def _of(network: Network, family: int) -> str:
    return network.ipv4 if family == 4 else network.ipv6


def _holds(network: Network, addresses: Iterable[str]) -> bool:
    """Say whether one of the addresses is in a network."""
    subnets = [
        ipaddress.ip_network(f"{address}/{prefix}", strict=False)
        for address, prefix in ((network.ipv4, network.ipv4_prefix), (network.ipv6, network.ipv6_prefix))
        if address and prefix
    ]
    return any(ipaddress.ip_address(each) in subnet for each in addresses for subnet in subnets)


def _plain(virtual: VirtualServer) -> RealServer:
    """Make up what a pool's real servers are like where nobody says so: TCP is checked by a connect."""
    nowhere = NOWHERE[family_of(virtual)]
    checks = (
        (TcpCheck(address=nowhere, port=0, interval=CHECK_EVERY),)
        if virtual.protocol == "TCP" and not virtual.mark
        else ()
    )
    return RealServer(
        router=virtual.router,
        virtual_server=virtual.id,
        address=nowhere,
        port=0,
        checks=checks,
    )
