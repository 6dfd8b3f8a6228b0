"""The real servers of one virtual server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from config_service.keepalived.values import any_address
from config_service.native.checks import Aim, read_check
from config_service.native.environment import as_number
from config_service.native.groups import Place
from config_service.native.misplaced import Misplaced, Table, tables_of
from config_service.native.secrets import Warn
from config_service.native.table_forms import plain_server
from config_service.native.values import endpoint
from config_service.native.walk import convert
from config_service.pools import CHECK_EVERY, KEEPS_PORT, NOWHERE, Finding, family_of
from config_service.problems import RefusedError, quoted
from vipbus.contracts import (
    Check,
    Entity,
    FileCheck,
    PingCheck,
    RealServer,
    ScriptCheck,
    TcpCheck,
    VirtualServer,
    VrrpInstance,
    VrrpSettings,
)

HIDDEN: Final = ("router", "virtual_server", "checks", "origin")
"""Fields that no document says."""
_WITHOUT_PORT: Final = (PingCheck, ScriptCheck, FileCheck)


@dataclass(frozen=True)
class Cluster:
    """What the rest of the document says that virtual servers use."""

    router: str
    owners: Mapping[str, str]
    """Instances by the addresses that they have."""
    settings: VrrpSettings
    groups: Mapping[str, tuple[Place, ...]]
    warn: Warn
    note: Callable[[Entity, str], None] = lambda _entity, _path: None
    """Takes where an entity stands."""
    empty_pools: bool = False
    """True: a virtual server without real servers stays, for they come from elsewhere too."""


def owners_of(instances: Iterable[VrrpInstance]) -> dict[str, str]:
    """Say which instance has each address."""
    return {
        any_address(one.address).text: instance.name
        for instance in instances
        for one in (*instance.virtual_ipaddress, *instance.virtual_ipaddress_excluded)
    }


class Pool:
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
        self._where: list[tuple[str, Mapping[str, str]]] = []

    def read(self, table: Table, place: str) -> RealServer:
        """Read one."""
        virtual = self._virtual
        whole = plain_server({**self._of_all, **table}, place)
        own = tables_of(whole.pop("check", []), f"{place}.check")
        address, port = where_it_is(whole, place, virtual.port)
        whole.update(address=address, port=port)
        where = {key: place if key in table else self._place for key in whole}
        aim = Aim(address, port)
        checks: list[Check] = [
            self._check(each, f"{at}.check[{number}]", aim)
            for at, tables in ((self._place, self._checks), (place, own))
            for number, each in enumerate(tables)
        ]
        real = msgspec.structs.replace(self._converted(whole, place, where), checks=tuple(checks))
        fits(
            real.forwarding or virtual.forwarding,
            (virtual.port, real.port),
            f"{place}.{'port' if 'port' in table else 'address'}",
        )
        if real.id in self._seen:
            raise Misplaced(place, f"{address} port {port} is {self._seen[real.id]} already; remove one")
        self._seen[real.id] = place
        self._where.append((place, where))
        self._judge(real, where)
        return real

    def template(self) -> RealServer:
        """Say what the real servers of an empty pool are like; TCP is checked by a connect at least."""
        virtual, place = self._virtual, self._place
        whole = plain_server(self._of_all, place)
        nowhere = NOWHERE[family_of(virtual)]
        checks = [
            read_check(each, f"{place}.check[{number}]", Aim(nowhere, 0), self._cluster.settings)
            for number, each in enumerate(self._checks)
        ]
        if not checks and virtual.protocol == "TCP" and not virtual.mark:
            checks.append(TcpCheck(address=nowhere, port=0, interval=CHECK_EVERY))
        where = dict.fromkeys(whole, place)
        real = self._converted({**whole, "address": nowhere, "port": 0}, place, where)
        return msgspec.structs.replace(real, checks=tuple(checks))

    def path_of(self, finding: Finding) -> str:
        """Say where in the document the field of a finding stands."""
        if finding.real is None:
            return f"{self._place}.{finding.field}"
        place, where = self._where[finding.real]
        return f"{where.get(finding.field, place)}.{finding.field}"

    def _converted(self, whole: Table, place: str, where: Mapping[str, str]) -> RealServer:
        given = {
            "router": self._cluster.router,
            "virtual_server": self._virtual.id,
            "checks": (),
            "origin": "",
        }
        try:
            real: RealServer = convert(whole, RealServer, place, given=given)
        except Misplaced as error:
            inner = error.path.removeprefix(f"{place}.")
            said = where.get(re.split(r"[.\[]", inner)[0], place)
            raise Misplaced(f"{said}.{inner}" if said != place else error.path, str(error)) from None
        return real

    def _check(self, table: Table, place: str, aim: Aim) -> Check:
        check = read_check(table, place, aim, self._cluster.settings)
        if not check.port and not isinstance(check, _WITHOUT_PORT):
            raise Misplaced(place, "it has no port to go to, for its real server has none; add port")
        return check

    def _judge(self, real: RealServer, where: Mapping[str, str]) -> None:
        idle = {
            "alpha": real.alpha,
            "vantages": real.vantages > 1,
            "damping": real.damping is not None,
            "suspect_after": real.suspect_after > 0,
        }
        for key, said in idle.items():
            if said and not real.checks:
                self._cluster.warn(
                    f"{where[key]}.{key}", f"has no effect on {real.address}: nothing checks it"
                )
        if real.vantages % 2 == 0:
            self._cluster.warn(
                f"{where['vantages']}.vantages",
                f"{real.vantages} replicas can be of two minds and decide nothing; choose an odd number",
            )


def fits(method: str, ports: tuple[int, int], path: str) -> None:
    """Refuse another port behind a method that leaves the client's; ``ports`` are the outer and the inner.

    Raises:
        Misplaced: it is another.
    """
    outer, inner = ports
    if method in KEEPS_PORT and inner != outer:
        raise Misplaced(
            path,
            f"{method} cannot change the port {outer} to {inner}; remove it, and write port = {inner} into "
            "the check if that is what is checked",
        )


def where_it_is(table: Table, place: str, default: int | None) -> tuple[str, Any]:
    """Read ``address``, with its port or ``port`` beside it, or the default.

    Raises:
        Misplaced: there is none.
    """
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
        port = as_number(table.get("port", default))
        if port is None:
            raise Misplaced(
                f"{place}.address", 'there is no port; write address = "10.0.0.1:80", or port = 80'
            )
    elif "port" in table:
        raise Misplaced(f"{place}.port", "stands beside an address that has a port; remove one")
    return address, port
