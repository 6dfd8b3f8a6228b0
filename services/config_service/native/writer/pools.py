"""Virtual servers with their pools as ``[[virtual_server]]``: what all real servers have is said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from config_service.native import servers
from config_service.native.check_forms import GATHERED, OF_FILE, OF_PROGRAM
from config_service.native.misplaced import Table
from config_service.native.pool import HIDDEN
from config_service.native.servers import DEFAULTS, OF_ALL
from config_service.native.writer.structs import program, written
from vipbus.contracts import (
    Check,
    FileCheck,
    RealServer,
    ScriptCheck,
    SorryServer,
    Tunnel,
    VirtualServer,
    VrrpSettings,
)

_OF_PLACE: Final = (*servers.HIDDEN, "name", "address", "port", "mark", "family", "group", "instance")
_ALWAYS: Final = ("scheduler", "forwarding")


def endpoint_text(address: str, port: int) -> str:
    """Write an address and a port, which is not 0."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Ports(NamedTuple):
    """Which ports are written that would follow from the virtual server's, or from the real server's."""

    reals: bool = False
    checks: bool = False


_FOLLOW: Final = Ports()


class PoolWriter:
    """Writes the virtual servers of one router."""

    def __init__(self, settings: VrrpSettings) -> None:
        """Take who runs programs where nothing else is said."""
        self._settings = settings

    def pool(self, virtual: VirtualServer, reals: Sequence[RealServer], ports: Ports = _FOLLOW) -> Table:
        """Write what a virtual server is, without its place."""
        own = None if ports.reals else virtual.port
        table: Table = {}
        if virtual.name:
            table["name"] = virtual.name
        if virtual.protocol != DEFAULTS["protocol"]:
            table["protocol"] = virtual.protocol
        table.update({key: getattr(virtual, key) for key in _ALWAYS})
        table.update(written(virtual, skip=(*_OF_PLACE, *_ALWAYS, "protocol", "sorry_server")))
        if virtual.sorry_server is not None:
            table["sorry_server"] = _sorry_server(virtual.sorry_server, virtual, own)
        return {**table, **self.members(reals, OF_ALL, own, always=ports.checks)}

    def members(
        self,
        reals: Sequence[RealServer],
        of_all: Sequence[str],
        own: int | None = None,
        *,
        always: bool = False,
    ) -> Table:
        """Write the real servers of a pool with their checks.

        ``of_all`` are keys that the pool may say for all of them, ``own`` the port that they have unless they
        say another; ``always``: the port of a check is written though it is the real server's.
        """
        table: Table = {}
        tables = [self._real(real, own) for real in reals]
        checks = [[self._check(check, real, always=always) for check in real.checks] for real in reals]
        shared = _common(checks)
        for key, value in _for_all(tables, of_all).items():
            table[key] = value
            for each in tables:
                del each[key]
        if shared:
            table["check"] = shared
        for each, its in zip(tables, checks, strict=True):
            if rest := its[len(shared) :]:
                each["check"] = rest
        table["real_server"] = tables
        return table

    def _real(self, real: RealServer, own: int | None) -> Table:
        rest = written(real, skip=(*HIDDEN, "address", "port"))
        return {**_where(real.address, real.port, own), **rest}

    def _check(self, check: Check, real: RealServer, *, always: bool) -> Table:
        kind = type(check)
        skip, instead = ["address", "port"], {**(OF_FILE if kind is FileCheck else {})}
        if isinstance(check, ScriptCheck):
            skip.append("program")
            instead["secure"] = self._settings.script_security
        table: Table = {"kind": kind.__struct_config__.tag}
        if check.address != real.address:
            same = check.port == real.port or not check.port
            table["address"] = check.address if same else endpoint_text(check.address, check.port)
        with_port = ":" in str(table.get("address", "")) and table["address"] != check.address
        if not with_port and (check.port != real.port or always):
            table["port"] = check.port
        if isinstance(check, ScriptCheck):
            table.update(self._script(check))
        rest = written(check, skip=skip, instead=instead)
        many, _ = GATHERED.get(kind, ("", None))
        if many in rest and len(rest[many]) == 1 and rest[many][0]:
            (only,) = rest.pop(many)
            rest = {**only, **rest}
        return {**table, **rest}

    def _script(self, check: ScriptCheck) -> Table:
        who, settings = check.program, self._settings
        as_said = settings.script_user is not None and (who.user, who.group) == (
            settings.script_user,
            settings.script_group,
        )
        said = program(who)
        line = said["arguments"] if isinstance(said, dict) else said
        own = {key: said[key] for key in OF_PROGRAM if isinstance(said, dict) and key in said}
        return {"program": line, **({} if as_said else own)}


def _where(address: str, port: int, own: int | None) -> Table:
    if port == own:
        return {"address": address}
    return {"address": endpoint_text(address, port)} if port else {"address": address, "port": 0}


def _sorry_server(sorry: SorryServer, virtual: VirtualServer, own: int | None) -> Any:
    table: Table = _where(sorry.address, sorry.port, own)
    if sorry.forwarding != virtual.forwarding:
        table["forwarding"] = sorry.forwarding
    inherited = virtual.tunnel if sorry.forwarding == virtual.forwarding == "TUN" else None
    table.update(written(sorry, skip=("address", "port", "forwarding"), instead={"tunnel": inherited}))
    if "tunnel" in table and sorry.tunnel is None:
        table["tunnel"] = Tunnel().type
    return table["address"] if [*table] == ["address"] else table


def _common(checks: list[list[Table]]) -> list[Table]:
    """Give the checks that every real server begins with."""
    found: list[Table] = []
    for number, first in enumerate(checks[0] if checks else []):
        if any(each[number : number + 1] != [first] for each in checks):
            break
        found.append(first)
    return found


def _for_all(tables: list[Table], of_all: Sequence[str]) -> Table:
    """Give what every one of several real servers says alike."""
    if len(tables) < 2:
        return {}
    first = tables[0]
    return {
        key: first[key]
        for key in of_all
        if key in first and all(key in each and each[key] == first[key] for each in tables)
    }
