"""``[ipvs]``: what holds for a router's whole table, as ``IpvsSettings``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from config_service.keepalived.values import any_address, interface, is_multicast, missing
from config_service.native.misplaced import Misplaced, Table, table_of
from config_service.native.walk import convert
from config_service.problems import RefusedError, quoted
from vipbus.contracts import IpvsSettings, SyncDaemon, Sysctl, VrrpInstance, VrrpSettings


def read_ipvs(
    table: Table, router: str, instances: Sequence[VrrpInstance], settings: VrrpSettings
) -> IpvsSettings | None:
    """Read the table; programs run as ``[vrrp]`` says where this does not. None: nothing is said.

    Raises:
        Misplaced: something is refused.
    """
    whole: Table = {
        "script_user": settings.script_user,
        "script_group": settings.script_group,
        "script_security": settings.script_security,
        **table,
    }
    if "sysctls" in whole:
        raise Misplaced("ipvs.sysctls", "is written [ipvs.sysctl], a line for each")
    sysctls = tuple(_sysctls(table_of(whole.pop("sysctl", {}), "ipvs.sysctl"), ""))
    daemon = whole.get("sync_daemon")
    found: IpvsSettings = convert(whole, IpvsSettings, "ipvs", given={"router": router})
    if found.sync_daemon is not None:
        said = daemon if isinstance(daemon, dict) else {}
        found = msgspec.structs.replace(
            found, sync_daemon=_sync_daemon(found.sync_daemon, instances, given_id="sync_id" in said)
        )
    found = msgspec.structs.replace(found, sysctls=sysctls)
    return found if found != IpvsSettings(router=router) else None


def _sync_daemon(daemon: SyncDaemon, instances: Sequence[VrrpInstance], *, given_id: bool) -> SyncDaemon:
    """Fill in what follows from the instance, whose role is followed: its VRID is the id that is not said."""
    try:
        interface(daemon.interface)
    except RefusedError as error:
        raise Misplaced("ipvs.sync_daemon.interface", str(error)) from None
    if daemon.group and not is_multicast(any_address(daemon.group)):
        raise Misplaced("ipvs.sync_daemon.group", f"{quoted(daemon.group)} is no multicast address")
    if daemon.instance is None:
        return msgspec.structs.replace(daemon, both=True)
    by_name = {one.name: one for one in instances}
    owner = by_name.get(daemon.instance)
    if owner is None:
        raise Misplaced("ipvs.sync_daemon.instance", missing("vrrp_instance", daemon.instance, by_name))
    return daemon if given_id else msgspec.structs.replace(daemon, sync_id=owner.virtual_router_id)


def _sysctls(table: Table, before: str) -> Iterator[Sysctl]:
    """Read the settings; a name stands in quotes, or its dots are tables, which looks the same."""
    for key, value in table.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and not {"value", "set"} & value.keys():
            yield from _sysctls(value, f"{name}.")
        else:
            yield _sysctl(name, value)


def _sysctl(name: str, value: Any) -> Sysctl:
    place = f"ipvs.sysctl.{name}"
    whole = dict(value) if isinstance(value, dict) else {"value": value}
    if "value" not in whole:
        raise Misplaced(place, 'there is no value; write { value = "1", set = true }')
    if isinstance(whole["value"], int) and not isinstance(whole["value"], bool):
        whole["value"] = str(whole["value"])
    try:
        made: Sysctl = convert(whole, Sysctl, place, given={"name": name})
    except Misplaced as error:
        raise Misplaced(place, str(error)) from None
    return made
