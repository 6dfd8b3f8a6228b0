"""Which connection-sync daemons should run, and the steps from those that do. Pure.

A router sends while its instance is active and receives otherwise; the kernel has one daemon of each kind.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping

import msgspec

from ipvs_programmer.namespace import Daemon, DaemonState
from vipbus.contracts import Role, SyncDaemon, name_token
from vipbus.runtime.revision import Revision


class Start(msgspec.Struct, frozen=True):
    """Start a daemon; none of its kind runs then."""

    daemon: Daemon

    def __str__(self) -> str:
        return f"start {self.daemon}"


class Stop(msgspec.Struct, frozen=True):
    """Stop a daemon that runs."""

    daemon: Daemon

    def __str__(self) -> str:
        return f"stop {self.daemon}"


Step = Start | Stop


def sends(
    instance: str, revision: Revision, roles: Mapping[str, Role] | None, addresses: Collection[str]
) -> bool:
    """Say whether this router holds an instance.

    A router that takes over receives until it has the address: until then the other one forwards, and sends.
    ``roles`` is None while the bus is away; then an address on this host alone is proof.
    """
    token = name_token(instance)
    virtual = [
        each.address
        for configured in revision.instances
        if name_token(configured.name) == token
        for each in configured.virtual_ipaddress
    ]
    role = roles.get(token) if roles is not None else None
    if role is not None and (role.role != "active" or not virtual):
        return role.role == "active"
    return any(_canonical(address) in addresses for address in virtual)


def wanted(settings: SyncDaemon | None, *, active: bool) -> dict[DaemonState, Daemon]:
    """Give the daemons that should run; ``active``: this router holds the instance, where one is named."""
    if settings is None:
        return {}
    states = [DaemonState.MASTER, DaemonState.BACKUP]
    if settings.instance is not None and not settings.both:
        states = [DaemonState.MASTER if active else DaemonState.BACKUP]
    return {
        state: Daemon(
            state=state,
            interface=settings.interface,
            sync_id=settings.sync_id,
            sync_maxlen=settings.max_length,
            group=_canonical(settings.group) if settings.group else "",
            port=settings.port,
            ttl=settings.ttl,
        )
        for state in states
    }


def steps(
    wanted: Mapping[DaemonState, Daemon],
    running: Iterable[Daemon],
    ours: Collection[DaemonState],
    stale: Collection[DaemonState] = (),
) -> tuple[Step, ...]:
    """Find what is to be done, stops first: at most one of a kind can run.

    Where daemons are configured both places are ours; else only what we started goes. ``stale``: they look
    right and are not.
    """
    found = {daemon.state: daemon for daemon in running}
    stops = [
        Stop(daemon)
        for state, daemon in found.items()
        if (state in ours or wanted)
        and (state in stale or state not in wanted or not wanted[state].is_met_by(daemon))
    ]
    stopped = {stop.daemon.state for stop in stops}
    starts = [Start(daemon) for state, daemon in wanted.items() if state not in found or state in stopped]
    return (*stops, *starts)


def _canonical(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address))
