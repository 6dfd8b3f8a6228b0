"""``[[virtual_server]]`` with its real servers and checks, as entities of one router."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from config_service.keepalived.values import any_address
from config_service.native.checks import Aim, Warn, read_check
from config_service.native.overrides import Table
from config_service.native.values import duration, endpoint, percent
from config_service.native.walk import Misplaced, convert, table_of, tables_of
from config_service.problems import RefusedError, quoted
from vipbus.contracts import Check, RealServer, VirtualServer, VrrpInstance, VrrpSettings

_KEEPS_PORT: Final = ("DR", "TUN")
"""Forwarding methods that leave the packet's port as the client wrote it (ip_vs_xmit.c)."""
_DEFAULTS: Final = {"protocol": "TCP", "scheduler": "wlc", "forwarding": "NAT"}
_OF_ALL: Final = ("alpha", "vantages", "damping", "suspect_after", "weight")
"""Keys of real servers that a virtual server may say for all of them."""


@dataclass(frozen=True)
class Cluster:
    """What the rest of the document says that virtual servers use."""

    router: str
    owners: Mapping[str, str]
    """Instances by the addresses that they have."""
    settings: VrrpSettings
    warn: Warn


def owners_of(instances: Iterable[VrrpInstance]) -> dict[str, str]:
    """Say which instance has each address."""
    return {
        any_address(one.address).text: instance.name
        for instance in instances
        for one in (*instance.virtual_ipaddress, *instance.virtual_ipaddress_excluded)
    }


def read_servers(tables: list[Table], cluster: Cluster) -> list[VirtualServer | RealServer]:
    """Read the virtual servers, each followed by its real servers.

    Raises:
        Misplaced: something is refused.
    """
    found: list[VirtualServer | RealServer] = []
    seen: dict[str, str] = {}
    for number, table in enumerate(tables):
        place = f"virtual_server[{number}]"
        virtual, reals = _virtual_server(table, place, cluster)
        if virtual.id in seen:
            raise Misplaced(place, f"{virtual.id} is {seen[virtual.id]} already; remove one")
        seen[virtual.id] = place
        if reals:
            found += [virtual, *reals]
        else:
            cluster.warn(place, "there is no real_server in it, and it is left out")
    return found


def _virtual_server(table: Table, place: str, cluster: Cluster) -> tuple[VirtualServer, list[RealServer]]:
    whole = {**_DEFAULTS, **table}
    servers = tables_of(whole.pop("real_server", []), f"{place}.real_server")
    checks = tables_of(whole.pop("check", []), f"{place}.check")
    of_all: Table = {key: whole.pop(key) for key in _OF_ALL if key in whole}
    whole.pop("name", None)  # for overrides alone
    address, port = _endpoint(whole, place, None)
    whole.update(address=address, port=port)
    whole.setdefault("instance", cluster.owners.get(address))
    try:
        if "hold_below" in whole:
            whole["hold_below"] = percent(whole["hold_below"])
    except RefusedError as error:
        raise Misplaced(f"{place}.hold_below", str(error)) from None
    if isinstance(whole.get("persistence_timeout"), str):
        whole["persistence_timeout"] = _whole_seconds(whole, "persistence_timeout", place)
    virtual: VirtualServer = convert(whole, VirtualServer, place, given={"router": cluster.router})
    if virtual.port == 0:
        raise Misplaced(f"{place}.port", "0 is no port; write one from 1 to 65535")
    if virtual.instance is not None and virtual.instance not in cluster.owners.values():
        raise Misplaced(
            f"{place}.instance",
            f"there is no vrrp_instance {quoted(virtual.instance)} with addresses; add one",
        )
    if "hold_window" in table and not virtual.hold_below:
        cluster.warn(f"{place}.hold_window", "has no effect without hold_below; add it")
    pool = _Pool(virtual, place, of_all, checks, cluster)
    reals = [pool.read(each, f"{place}.real_server[{at}]") for at, each in enumerate(servers)]
    if virtual.hold_below and reals and not any(real.checks for real in reals):
        raise Misplaced(f"{place}.hold_below", "nothing checks this pool; add a check, or remove it")
    return virtual, reals


class _Pool:
    """Reads the real servers of one virtual server."""

    def __init__(
        self, virtual: VirtualServer, place: str, of_all: Table, checks: list[Table], cluster: Cluster
    ) -> None:
        self._virtual = virtual
        self._place = place
        self._of_all = of_all
        self._checks = checks
        self._cluster = cluster
        self._seen: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()

    def read(self, table: Table, place: str) -> RealServer:
        """Read one."""
        virtual = self._virtual
        whole = {**self._of_all, **table}
        own = tables_of(whole.pop("check", []), f"{place}.check")
        address, port = _endpoint(whole, place, virtual.port)
        whole.update(address=address, port=port)
        self._fits(address, port, place, f"{place}.{'port' if 'port' in table else 'address'}")
        where = {key: place if key in table else self._place for key in whole}
        _damping(whole, where.get("damping", place))
        aim = Aim(address, port)
        checks: list[Check] = [
            read_check(each, f"{at}.check[{number}]", aim, self._cluster.settings, self._warn)
            for at, tables in ((self._place, self._checks), (place, own))
            for number, each in enumerate(tables)
        ]
        real: RealServer = convert(
            whole,
            RealServer,
            place,
            given={"router": self._cluster.router, "virtual_server": virtual.id, "checks": ()},
        )
        real = msgspec.structs.replace(real, checks=tuple(checks))
        if real.id in self._seen:
            raise Misplaced(place, f"{address} port {port} is {self._seen[real.id]} already; remove one")
        self._seen[real.id] = place
        self._judge(real, where)
        return real

    def _fits(self, address: str, port: Any, place: str, port_place: str) -> None:
        virtual = self._virtual
        if (":" in address) != (":" in virtual.address) and virtual.forwarding != "TUN":
            raise Misplaced(
                f"{place}.address",
                f"{address} and {virtual.address} are of two families; only TUN forwards between them",
            )
        if virtual.forwarding in _KEEPS_PORT and port != virtual.port:
            raise Misplaced(
                port_place,
                f"{virtual.forwarding} cannot change the port {virtual.port} to {port}; remove it, and write "
                f"port = {port} into the check if that is what is checked",
            )

    def _judge(self, real: RealServer, where: Mapping[str, str]) -> None:
        idle = {
            "alpha": real.alpha,
            "vantages": real.vantages > 1,
            "damping": real.damping is not None,
            "suspect_after": real.suspect_after > 0,
        }
        for key, said in idle.items():
            if said and not real.checks:
                self._warn(f"{where[key]}.{key}", f"has no effect on {real.address}: nothing checks it")
        if real.vantages % 2 == 0:
            self._warn(
                f"{where['vantages']}.vantages",
                f"{real.vantages} replicas can be of two minds and decide nothing; choose an odd number",
            )

    def _warn(self, path: str, text: str) -> None:
        """Warn of a place once, however many real servers it is about."""
        if (path, text) not in self._warned:
            self._warned.add((path, text))
            self._cluster.warn(path, text)


def _endpoint(table: Table, place: str, default: int | None) -> tuple[str, Any]:
    if not isinstance(table.get("address"), str):
        said = (
            f"{quoted(str(table['address']))} is no address" if "address" in table else "there is no address"
        )
        raise Misplaced(place, f'{said}; write address = "10.0.0.1:80"')
    try:
        address, port = endpoint(table["address"])
    except RefusedError as error:
        raise Misplaced(f"{place}.address", str(error)) from None
    if port is None:
        port = table.get("port", default)
        if port is None:
            raise Misplaced(
                f"{place}.address", 'there is no port; write address = "10.0.0.1:80", or port = 80'
            )
    elif "port" in table:
        raise Misplaced(f"{place}.port", "stands beside an address that has a port; remove one")
    return address, port


def _whole_seconds(table: Table, key: str, place: str) -> int:
    try:
        seconds = duration(table[key])
    except RefusedError as error:
        raise Misplaced(f"{place}.{key}", str(error)) from None
    if seconds != int(seconds):
        raise Misplaced(f"{place}.{key}", f"{quoted(table[key])} is not in whole seconds; round it")
    return int(seconds)


def _damping(table: Table, place: str) -> None:
    damping = table.get("damping")
    if isinstance(damping, bool):
        table["damping"] = {} if damping else None
    elif damping is not None:
        whole = table_of(damping, f"{place}.damping")
        if isinstance(whole.get("half_life"), str):
            try:
                whole["half_life"] = duration(whole["half_life"])
            except RefusedError as error:
                raise Misplaced(f"{place}.damping.half_life", str(error)) from None
        table["damping"] = whole
