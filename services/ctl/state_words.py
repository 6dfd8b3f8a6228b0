"""Every document of a bucket in one readable line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctl.words import OPERATED, count, endpoint, from_token, listed
from vipbus.contracts import (
    Head,
    InstanceTable,
    IpvsSettings,
    OperatorState,
    Pool,
    Proxy,
    ProxyPeers,
    ProxyPool,
    ProxyPoolTable,
    ProxyProcess,
    ProxySettings,
    Role,
    SyncGroup,
    TrackFile,
    TrackProcess,
    Verdict,
    VirtualServerTable,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)


def _role(role: Role) -> str:
    moved = role.effective_priority not in (0, role.priority)
    priority = f", priority {role.effective_priority} of {role.priority}" if moved else ""
    return f"{role.router} {role.instance} {role.role} (epoch {role.epoch}{priority}): {role.cause}"


def _verdict(verdict: Verdict) -> str:
    server, service = from_token(verdict.real_server), from_token(verdict.virtual_server)
    return f"{server} of {service} {verdict.verdict}: {verdict.cause}"


def _operator(said: OperatorState) -> str:
    server, service = from_token(said.real_server), from_token(said.virtual_server)
    return f"{server} of {service} {OPERATED[said.state]} by {said.by}" + (
        f": {said.why}" if said.why else ""
    )


def _table(table: VirtualServerTable) -> str:
    what = f"{table.router} {table.words}"
    if table.error:
        return f"{what} failed: {table.error}"
    if not table.programmed:
        return f"{what} not in the table: {table.cause}"
    pool = ", ".join(
        f"{endpoint(found.address, found.port)} weight {found.weight}" for found in table.destinations
    )
    return f"{what} has {pool or 'no destinations'}: {table.cause}"


def _instance_table(table: InstanceTable) -> str:
    what = f"{table.router} {table.instance} (epoch {table.epoch})"
    if table.error:
        return f"{what} is not armed: {table.error}"
    if not table.armed:
        return f"{what} is not armed"
    held = f"{count(table.virtual_servers, 'virtual server')}, {count(table.destinations, 'destination')}"
    return f"{what} is armed: {held}"


def _head(head: Head) -> str:
    cause = f": {head.cause}" if head.cause else ""
    return (
        f"{head.router} revision {head.revision} of {head.source} is whole, {head.entities} entities{cause}"
    )


def _instance(instance: VrrpInstance) -> str:
    addresses = listed([found.address for found in instance.virtual_ipaddress]) or "no addresses"
    return (
        f"{instance.router} {instance.name} on {instance.interface}, VRID {instance.virtual_router_id}, "
        f"priority {instance.priority}: {addresses}"
    )


def _members(pool: Pool) -> str:
    server = pool.virtual_server
    what = f"virtual server {server.words}, {server.scheduler}, {server.forwarding}" if server else ""
    where = what or f"{'more of ' if pool.part else 'members of '}{from_token(pool.pool)}"
    members = listed(
        [f"{endpoint(each.address, each.port)} weight {each.weight}" for each in pool.real_servers]
    )
    return f"{pool.router} {where}: {members or 'no real servers'}"


def _group(group: SyncGroup) -> str:
    return f"{group.router} sync group {group.name}: {listed(group.members)}"


def _script(script: VrrpScript) -> str:
    command = " ".join(script.command.arguments)
    return f"{script.router} script {script.name} every {script.interval:g} s: {command}"


def _file(file: TrackFile) -> str:
    return f"{file.router} tracked file {file.name}: {file.path}"


def _process(process: TrackProcess) -> str:
    most = f" to {process.quorum_max}" if process.quorum_max is not None else " or more"
    return f"{process.router} tracked process {process.name}: {process.quorum}{most} of {process.process}"


def _settings(settings: VrrpSettings) -> str:
    static = (
        (len(settings.static_addresses), "static address"),
        (len(settings.static_routes), "static route"),
        (len(settings.static_rules), "static rule"),
    )
    found = ", ".join(count(number, thing) for number, thing in static if number)
    return f"{settings.router} settings of vrrp-agent" + (f", {found}" if found else "")


def _ipvs_settings(settings: IpvsSettings) -> str:
    daemon = settings.sync_daemon
    found = [f"connection sync on {daemon.interface}"] if daemon is not None else []
    found += [count(len(settings.sysctls), "kernel setting")] if settings.sysctls else []
    return f"{settings.router} settings of ipvs-programmer" + "".join(f", {each}" for each in found)


def _proxy(proxy: Proxy) -> str:
    where = listed([endpoint(each.address, each.port) for each in proxy.bind])
    return f"{proxy.router} proxy {proxy.name} on {where}, pool {proxy.pool}"


def _peers(peers: ProxyPeers) -> str:
    found = listed([f"{each.router} {endpoint(each.address, each.port)}" for each in peers.peers])
    return f"{peers.router} proxies tell what clients stick to: {found}"


def _pool(pool: ProxyPool) -> str:
    return f"{pool.router} pool {pool.name}, {pool.balance.algorithm}"


def _proxy_settings(settings: ProxySettings) -> str:
    said = {"global": settings.global_snippet, "defaults": settings.defaults_snippet}
    found = [f"lines for {section}" for section, text in said.items() if text]
    return f"{settings.router} settings of haproxy-programmer{''.join(f', {each}' for each in found)}"


def _pool_table(table: ProxyPoolTable) -> str:
    what = f"{table.router} pool {table.pool}"
    if table.error:
        return f"{what} failed: {table.error}"
    found = ", ".join(
        f"{endpoint(each.address, each.port)} {each.state} weight {each.weight}" for each in table.members
    )
    return f"{what} has {found or 'no members'}: {table.cause}"


def _proxy_process(process: ProxyProcess) -> str:
    return f"{process.router} haproxy {'answers' if process.answers else 'DOES NOT ANSWER'}: {process.cause}"


STATE_WORDS: tuple[tuple[type[Any], Callable[[Any], str]], ...] = (
    (Role, _role),
    (Verdict, _verdict),
    (OperatorState, _operator),
    (VirtualServerTable, _table),
    (InstanceTable, _instance_table),
    (Head, _head),
    (VrrpInstance, _instance),
    (SyncGroup, _group),
    (VrrpScript, _script),
    (TrackFile, _file),
    (TrackProcess, _process),
    (VrrpSettings, _settings),
    (IpvsSettings, _ipvs_settings),
    (Pool, _members),
    (Proxy, _proxy),
    (ProxyPeers, _peers),
    (ProxyPool, _pool),
    (ProxySettings, _proxy_settings),
    (ProxyPoolTable, _pool_table),
    (ProxyProcess, _proxy_process),
)
"""How each document is said."""
