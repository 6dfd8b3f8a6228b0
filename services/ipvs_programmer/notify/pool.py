"""A pool that somebody wants to hear of: who that is, and what they are told. Pure.

Lines and names are keepalived's own (2.2.7): an address is ``[10.9.0.1]:tcp:80``, a mark ``FWM 7``, a group
``[NAME]:0``, told of once for all its addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from ipvs_programmer.desired import Configured, Layout, Picture
from ipvs_programmer.notify.news import News, PoolState, Standing
from vipbus.contracts import Program, RealServer, VirtualServer


class NotifiedPool(msgspec.Struct, frozen=True):
    """A virtual server, or all those of a group that keepalived has as one."""

    name: str
    """Unlike that of any other pool, also over restarts."""
    servers: tuple[Configured, ...]

    @property
    def virtual_server(self) -> VirtualServer:
        """The one that speaks for all."""
        return self.servers[0].virtual_server

    def real_servers(self) -> dict[str, RealServer]:
        """Give its real servers by token."""
        return {real.id: real for server in self.servers for real in server.real_servers}


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is told."""

    pool: str
    """The name of the pool: what is told of one is told in order."""
    virtual_server: str
    """Token."""
    text: str
    """Of the named pipe, without its end of line."""
    program: Program | None


def pools(layout: Layout) -> dict[str, NotifiedPool]:
    """Find the pools that somebody wants to hear of, by name."""
    ipvs = layout.revision.ipvs
    everything = ipvs is not None and ipvs.notify_fifo is not None
    found: dict[str, list[Configured]] = {}
    wanted: set[str] = set()
    for token, server in layout.servers.items():
        virtual = server.virtual_server
        name = f"group {virtual.group} {virtual.protocol}" if virtual.group else token
        found.setdefault(name, []).append(server)
        if everything or _has_programs(server):
            wanted.add(name)
    return {name: NotifiedPool(name, tuple(found[name])) for name in found if name in wanted}


def _has_programs(server: Configured) -> bool:
    virtual = server.virtual_server
    if virtual.quorum_up is not None or virtual.quorum_down is not None:
        return True
    return any(real.notify_up is not None or real.notify_down is not None for real in server.real_servers)


def state_of(server: Configured, picture: Picture, *, quorum: bool) -> PoolState:
    """Say what a virtual server's real servers are, by the verdicts as they are followed.

    One that is held is up, one that an operator has disabled is down; one that drains is up: it serves what
    it has.
    """
    token = server.virtual_server.id
    hold = picture.holds.get(token)
    held = hold.held if hold is not None else frozenset()
    found: dict[str, Standing] = {}
    for real in server.real_servers:
        of = real.id
        found[of] = "up" if of in held else _standing(real, f"{token}.{of}", picture)
    return PoolState(quorum, found)


def _standing(real: RealServer, key: str, picture: Picture) -> Standing:
    said = picture.operators.get(key)
    if said is not None and said.state == "disable":
        return "down"
    if not real.checks:
        return "up"
    verdict = picture.verdicts.get(key)
    if verdict is None or verdict.verdict == "unknown":
        return "unjudged" if real.alpha else "assumed"
    return verdict.verdict


def tellings(pool: NotifiedPool, news: Collection[News], before: NotifiedPool | None = None) -> list[Telling]:
    """Put news into keepalived's words, each with the program that hears of it.

    ``before`` is the pool as it was configured: what has left it is named as it was there.
    """
    of: dict[str, tuple[NotifiedPool, RealServer]] = {}
    if any(one.real_server for one in news):
        for each in (before, pool):
            if each is not None:
                of |= {token: (each, real) for token, real in each.real_servers().items()}
    told = []
    for one in news:
        if not one.real_server:
            told.append(_telling(pool.name, pool.virtual_server, None, up=one.up))
        elif (found := of.get(one.real_server)) is not None:
            # one that left while nobody looked is not known any more, nor are its programs
            there, real = found
            told.append(_telling(pool.name, there.virtual_server, real, up=one.up))
    return told


def _telling(name: str, virtual: VirtualServer, real: RealServer | None, *, up: bool) -> Telling:
    state = "UP" if up else "DOWN"
    if real is None:
        program = virtual.quorum_up if up else virtual.quorum_down
        text = f"VS {named(virtual)} {state}"
    else:
        program = real.notify_up if up else real.notify_down
        text = f"RS {real_named(virtual, real)} {named(virtual)} {state}"
    if program is not None and not program.arguments:
        program = None
    return Telling(pool=name, virtual_server=virtual.id, text=text.replace("\n", " "), program=program)


def named(virtual: VirtualServer) -> str:
    """Name a virtual server as keepalived does."""
    if virtual.group:
        return f"[{virtual.group}]:0"
    if virtual.mark:
        return f"FWM {virtual.mark}"
    return f"[{virtual.address}]:{virtual.protocol.lower()}:{virtual.port}"


def real_named(virtual: VirtualServer, real: RealServer) -> str:
    """Name a real server as keepalived does; behind a mark there is no protocol."""
    protocol = "none" if virtual.mark and not virtual.group else virtual.protocol.lower()
    return f"[{real.address}]:{protocol}:{real.port}"


def programs(pools: Mapping[str, NotifiedPool]) -> set[tuple[str, ...]]:
    """Give the command lines that may be run for these."""
    found = set()
    for pool in pools.values():
        for server in pool.servers:
            virtual = server.virtual_server
            each = [virtual.quorum_up, virtual.quorum_down]
            each += [told for real in server.real_servers for told in (real.notify_up, real.notify_down)]
            found |= {program.arguments for program in each if program is not None}
    return found
