"""What a table evidently needs of the kernel's settings: named where it is not so, never set. Pure.

A problem stops traffic; advice names what will surprise somebody. What each setting does: the kernel's
Documentation/networking/ipvs-sysctl.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, Literal

import msgspec

from vipbus.contracts import ForwardingMethod, RealServer, Standby, VirtualServer
from vipbus.runtime.revision import Revision

_FORWARDING: Final = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_CONNTRACK: Final = "net.ipv4.vs.conntrack"
_QUIESCENT: Final = "net.ipv4.vs.expire_quiescent_template"
_REUSE: Final = "net.ipv4.vs.conn_reuse_mode"
_BACKUP_ONLY: Final = "net.ipv4.vs.backup_only"


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that the table needs on, or off."""

    name: str
    on: bool
    kind: Literal["problem", "advice"]
    text: str
    """Said where it is not so: what, why, and what to do."""


def needs(revision: Revision, addresses: Collection[str], standby: Standby) -> tuple[Need, ...]:
    """Find what a revision's table needs on a host with these addresses."""
    servers = {server.id: server for server in revision.virtual_servers}
    pools = [
        (servers[real.virtual_server], real)
        for real in revision.real_servers
        if real.virtual_server in servers
    ]
    return (
        *_forwarding(pools, addresses),
        *_tracking(revision),
        *_balancing(revision),
        *_draining(revision),
        *_circle(revision, pools, addresses, standby),
    )


def lacking(needed: Iterable[Need], read: Callable[[str], str | None]) -> tuple[Need, ...]:
    """Give those that are not so; ``read`` gives None for a setting that is not there."""
    return tuple(need for need in needed if (value := read(need.name)) and (value != "0") != need.on)


_Pools = list[tuple[VirtualServer, RealServer]]


def _method(server: VirtualServer, real: RealServer) -> ForwardingMethod:
    return real.forwarding or server.forwarding


def _is_here(real: RealServer, addresses: Collection[str]) -> bool:
    """Say whether IPVS hands packets to this very host."""
    return real.address.startswith("127.") or real.address == "::1" or real.address in addresses


def _forwarding(pools: _Pools, addresses: Collection[str]) -> Iterator[Need]:
    for family, name in _FORWARDING.items():
        for server, real in pools:
            if (
                _method(server, real) == "NAT"
                and (":" in real.address) == (family == 6)
                and not _is_here(real, addresses)
            ):
                yield Need(
                    name=name,
                    on=True,
                    kind="problem",
                    text=f"{server.words} forwards by NAT and {name} is 0, so answers of its real servers "
                    f"are dropped here: sysctl -w {name}=1",
                )
                break


def _tracking(revision: Revision) -> Iterator[Need]:
    server = next((each for each in revision.virtual_servers if each.masquerade), None)
    if server is not None:
        yield Need(
            name=_CONNTRACK,
            on=True,
            kind="problem",
            text=f"{server.words} asks for masquerade, which does nothing while {_CONNTRACK} is 0: "
            "set it to 1, or say nothing of it and vipbus sets it",
        )


def _balancing(revision: Revision) -> Iterator[Need]:
    daemon = revision.ipvs.sync_daemon if revision.ipvs is not None else None
    if daemon is not None and (daemon.both or daemon.instance is None):
        yield Need(
            name=_BACKUP_ONLY,
            on=False,
            kind="problem",
            text=f"the sync daemon receives whatever the role, and {_BACKUP_ONLY} is on, so this router "
            f"balances nothing: sysctl -w {_BACKUP_ONLY}=0",
        )


def _draining(revision: Revision) -> Iterator[Need]:
    inhibited = {real.virtual_server for real in revision.real_servers if real.inhibit_on_failure}
    draining = [each for each in revision.virtual_servers if each.drain_timeout > 0 or each.id in inhibited]
    server = next((each for each in draining if each.persistence_timeout is not None), None)
    if server is not None:
        yield Need(
            name=_QUIESCENT,
            on=True,
            kind="advice",
            text=f"{server.words} is persistent and {_QUIESCENT} is 0: clients come back to a real server "
            f"with weight 0, so a drain has no end before its deadline; sysctl -w {_QUIESCENT}=1",
        )
    if draining:
        yield Need(
            name=_REUSE,
            on=True,
            kind="advice",
            text=f"{_REUSE} is 0: a client that uses a port again comes back to its real server, even to one "
            f"with weight 0; sysctl -w {_REUSE}=1",
        )


def _circle(
    revision: Revision, pools: _Pools, addresses: Collection[str], standby: Standby
) -> Iterator[Need]:
    daemon = revision.ipvs.sync_daemon if revision.ipvs is not None else None
    if daemon is None or daemon.both or daemon.instance is None:
        return
    for server, real in pools:
        warm = server.instance is None or (server.standby or standby) == "warm"
        if warm and _method(server, real) != "NAT" and _is_here(real, addresses):
            yield Need(
                name=_BACKUP_ONLY,
                on=True,
                kind="advice",
                text=f"this router is a real server of {server.words} and keeps its table as a standby: "
                f"packets may go in a circle; sysctl -w {_BACKUP_ONLY}=1",
            )
            return
