"""One router's entities as the tables that its document has: what follows from the rest is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from config_service.native.document import KINDS
from config_service.native.misplaced import Table
from config_service.native.pool import owners_of
from config_service.native.writer.places import write_servers
from config_service.native.writer.pools import PoolWriter
from config_service.native.writer.proxies import write_pools, write_proxies, write_settings
from config_service.native.writer.secret_names import SecretNames
from config_service.native.writer.structs import address, plain, written
from vipbus.contracts import (
    Entity,
    IpvsSettings,
    RealServer,
    SyncDaemon,
    VirtualServer,
    VrrpInstance,
    VrrpSettings,
)

_ADDRESSES = ("virtual_ipaddress", "virtual_ipaddress_excluded")


@dataclass(frozen=True)
class RouterTables:
    """All that one router's document would have."""

    singles: dict[str, Table] = field(default_factory=dict)
    """Tables that there are once, by kind."""
    arrays: dict[str, list[Table]] = field(default_factory=dict)
    """Arrays of tables, by kind."""


def write_router(entities: Iterable[Entity], secrets: SecretNames) -> RouterTables:
    """Write a router's entities."""
    every = list(entities)
    router = every[0].router if every else "router"
    settings = next((one for one in every if isinstance(one, VrrpSettings)), VrrpSettings(router=router))
    instances = [one for one in every if isinstance(one, VrrpInstance)]
    found = RouterTables()
    found.singles["vrrp"] = written(settings, skip=("router",))
    for one in every:
        if isinstance(one, IpvsSettings):
            found.singles["ipvs"] = _ipvs(one, settings, instances)
    for kind, struct in KINDS.items():
        found.arrays[kind] = [
            _instance(one, secrets) if isinstance(one, VrrpInstance) else written(one, skip=("router",))
            for one in every
            if isinstance(one, struct)
        ]
    owners, writer = owners_of(instances), PoolWriter(settings)
    servers = write_servers(_pools(every), owners, writer)
    found.arrays["virtual_server_group"] = servers.groups
    found.arrays["virtual_server"] = servers.servers
    found.singles["haproxy"] = write_settings(every)
    found.arrays["proxy"] = write_proxies(every, owners)
    found.arrays["pool"] = write_pools(every, writer)
    return found


def _pools(entities: Sequence[Entity]) -> list[tuple[VirtualServer, list[RealServer]]]:
    reals: dict[str, list[RealServer]] = {}
    for one in entities:
        if isinstance(one, RealServer):
            reals.setdefault(one.virtual_server, []).append(one)
    return [(one, reals.get(one.id, [])) for one in entities if isinstance(one, VirtualServer)]


def _instance(one: VrrpInstance, secrets: SecretNames) -> Table:
    six = any(each.family == 6 for each in one.virtual_ipaddress)
    skip = ("router", "auth_pass", "hmac", *_ADDRESSES)
    table = written(one, skip=skip, instead={"family": 6, "version": 3} if six else {})
    # what people look for first stands first
    head: Table = {
        key: table.pop(key) for key in ("name", "interface", "virtual_router_id", "priority") if key in table
    }
    for key in _ADDRESSES:
        if addresses := getattr(one, key):
            head[key] = [address(each, one.interface) for each in addresses]
    if one.auth_pass is not None:
        table["auth_pass"] = secrets.password(one, one.auth_pass)
    if one.hmac is not None:
        keys = [{"id": key.id, "secret": secrets.key(one, key.id, key.secret)} for key in one.hmac.keys]
        table["hmac"] = {**written(one.hmac, skip=("keys",)), "keys": keys}
    return {**head, **table}


def _ipvs(one: IpvsSettings, settings: VrrpSettings, instances: Sequence[VrrpInstance]) -> Table:
    instead = {
        "script_user": settings.script_user,
        "script_group": settings.script_group,
        "script_security": settings.script_security,
    }
    table = written(one, skip=("router", "sync_daemon", "sysctls"), instead=instead)
    if one.sync_daemon is not None:
        table = {"sync_daemon": _sync_daemon(one.sync_daemon, instances), **table}
    if one.sysctls:
        table["sysctl"] = {
            each.name: {"value": each.value, "set": True} if each.set else each.value for each in one.sysctls
        }
    return table


def _sync_daemon(daemon: SyncDaemon, instances: Sequence[VrrpInstance]) -> Table | str:
    vrid = next((one.virtual_router_id for one in instances if one.name == daemon.instance), 0)
    table = written(daemon, instead={"sync_id": vrid, "both": daemon.instance is None})
    return plain(daemon.interface) if [*table] == ["interface"] else table
