"""``[[virtual_server]]`` with its real servers and checks, as entities of one router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from config_service.keepalived.values import missing
from config_service.native.environment import as_number
from config_service.native.groups import Place, check_port, read_mark
from config_service.native.misplaced import Misplaced, Table, tables_of
from config_service.native.overrides import Placed
from config_service.native.pool import Cluster, Pool, fits, where_it_is
from config_service.native.table_forms import plain_server
from config_service.native.walk import convert
from config_service.pools import findings
from config_service.problems import quoted
from vipbus.contracts import RealServer, SorryServer, Tunnel, VirtualServer, name_token, virtual_server_words

DEFAULTS: Final = {"protocol": "TCP", "scheduler": "wlc", "forwarding": "NAT"}
OF_ALL: Final = (
    "alpha",
    "vantages",
    "damping",
    "suspect_after",
    "weight",
    "upper_threshold",
    "lower_threshold",
    "inhibit_on_failure",
    "slow_start",
    "notify_up",
    "notify_down",
)
"""Keys of real servers that a virtual server may say for all of them."""
_MOST: Final = 200_000
"""Real servers that the places of a group may have in all."""

HIDDEN: Final = ("router", "template")
"""Fields that no document says."""
KEYS: Final = (
    *(key for key in VirtualServer.__struct_fields__ if key not in HIDDEN),
    *OF_ALL,
    "check",
    "real_server",
)
"""All that stands in its table."""

Made = tuple[VirtualServer, list[RealServer]]


def names_of(table: Table) -> tuple[str, ...]:
    """Give what a router's own table may call a virtual server.

    Its name; without one its group, its mark as ``FWM 7`` or 7, or its address as it is written, with its
    port, and with port and protocol: ``192.0.2.1:80 TCP``.
    """
    if "name" in table:
        return (str(table["name"]),)
    protocol = str(table.get("protocol", DEFAULTS["protocol"]))
    if "group" in table:
        return str(table["group"]), f"{table['group']} {protocol}"
    if "mark" in table:
        words = virtual_server_words("", 0, "", 1, 6 if table.get("family") == 6 else 4)
        return str(table["mark"]), words.replace("1", str(table["mark"]), 1)
    said = str(table.get("address"))
    whole = said
    if "port" in table:
        whole = f"[{said}]:{table['port']}" if ":" in said else f"{said}:{table['port']}"
    return tuple(dict.fromkeys((said, whole, f"{whole} {protocol}")))


class ServerReader:
    """Reads the virtual servers of a document one by one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._used: set[str] = set()

    def read(self, placed: Placed) -> list[VirtualServer | RealServer]:
        """Read one table: each virtual server that it stands for is followed by its real servers.

        Raises:
            Misplaced: something is refused.
        """
        place, table = placed
        self._used.add(str(table.get("group")))
        found: list[VirtualServer | RealServer] = []
        for virtual, reals in _virtual_servers(table, place, self._cluster):
            if self._seen.setdefault(virtual.id, place) != place or virtual in found:
                raise Misplaced(place, f"{virtual.id} is {self._seen[virtual.id]} already; remove one")
            if virtual.name and self._names.setdefault(name_token(virtual.name), place) != place:
                raise Misplaced(
                    f"{place}.name", f"there are two of the name {name_token(virtual.name)}; rename one"
                )
            self._cluster.note(virtual, place)
            for at, real in enumerate(reals):
                self._cluster.note(real, f"{place}.real_server[{at}]")
            found += [virtual, *reals]
        return found

    def finish(self) -> None:
        """Warn of what nothing here has used."""
        for number, name in enumerate(self._cluster.groups):
            if name not in self._used:
                self._cluster.warn(
                    f"virtual_server_group[{number}]", "no virtual_server has it, and it is left out"
                )


def _virtual_servers(table: Table, place: str, cluster: Cluster) -> list[Made]:
    """Read one table, which is a virtual server for each place of its group; none without a real server."""
    whole = {**DEFAULTS, **table}
    servers = tables_of(whole.pop("real_server", []), f"{place}.real_server")
    places = _places(whole, place, cluster)
    if len(places) * len(servers) > _MOST:
        raise Misplaced(
            place,
            f"{len(places)} addresses with {len(servers)} real servers each are more than {_MOST} entries; "
            "make the group smaller, or mark the packets",
        )
    shapes = {one.shape: one for one in reversed(places)}
    warn = _once(cluster)
    made = {shape: _read(whole, servers, place, one, warn) for shape, one in shapes.items()}
    if not servers and not cluster.empty_pools:
        cluster.warn(place, "there is no real_server in it, and it is left out")
        return []
    return [_placed(made[one.shape], one, whole, cluster) for one in places]


def _once(cluster: Cluster) -> Cluster:
    """Make one that warns of a place once, however many places or real servers it is about."""
    warned: set[tuple[str, str]] = set()

    def warn(path: str, text: str) -> None:
        if (path, text) not in warned:
            warned.add((path, text))
            cluster.warn(path, text)

    return replace(cluster, warn=warn)


def _places(whole: Table, place: str, cluster: Cluster) -> Sequence[Place]:
    """Say what the kernel has a service for: an address, a mark, or all of a group."""
    said = [key for key in ("address", "mark", "group") if whole.get(key)]
    if len(said) > 1:
        raise Misplaced(f"{place}.{said[1]}", f"stands beside {said[0]}; remove one")
    if said == ["group"]:
        group = cluster.groups.get(str(whole["group"]))
        if group is None:
            raise Misplaced(
                f"{place}.group", missing("virtual_server_group", str(whole["group"]), cluster.groups)
            )
        _refuse(whole, place, ("port", "family"), "a group's addresses and marks say it themselves")
        return group
    if said == ["mark"]:
        _refuse(whole, place, ("port", "ha_suspend"), "a firewall mark has none")
        mark = {"mark": whole["mark"], "family": whole.get("family", 4)}
        return [read_mark(mark, f"{place}.mark")]
    _refuse(whole, place, ("family",), "an address says it itself")
    address, port = where_it_is(whole, place, None)
    port = as_number(port)
    check_port(port, f"{place}.port")
    return [Place(address, port, family=6 if ":" in address else 4)]


def _refuse(whole: Table, place: str, keys: Sequence[str], why: str) -> None:
    for key in keys:
        if key in whole:
            raise Misplaced(f"{place}.{key}", f"has no place here: {why}; remove it")


def _read(whole: Table, servers: list[Table], place: str, where: Place, cluster: Cluster) -> Made:
    """Read a table for one place."""
    table = plain_server(whole, place)
    checks = tables_of(table.pop("check", []), f"{place}.check")
    of_all: Table = {key: table.pop(key) for key in OF_ALL if key in table}
    if where.mark:
        table.update(mark=where.mark, family=where.family)
        table.pop("ha_suspend", None)
    else:
        table.update(address=where.address, port=where.port)
    sorry = table.pop("sorry_server", None)
    virtual: VirtualServer = convert(
        table, VirtualServer, place, given={"router": cluster.router, "template": None}
    )
    if not virtual.port and not virtual.mark and virtual.persistence_timeout is None:
        raise Misplaced(
            f"{place}.port",
            "0 is every port, which the kernel has for persistent services alone; write a port, or "
            "persistence_timeout",
        )
    if sorry is not None:
        virtual = msgspec.structs.replace(virtual, sorry_server=_sorry_server(sorry, virtual, place))
    _judge_instance(virtual, place, cluster)
    if "hold_window" in whole and not virtual.hold_below:
        cluster.warn(f"{place}.hold_window", "has no effect without hold_below; add it")
    pool = Pool(virtual, place, of_all, checks, cluster)
    reals = [pool.read(each, f"{place}.real_server[{at}]") for at, each in enumerate(servers)]
    if not reals and cluster.empty_pools:
        virtual = msgspec.structs.replace(virtual, template=pool.template())
    if virtual.hold_below and reals and not any(real.checks for real in reals):
        raise Misplaced(f"{place}.hold_below", "nothing checks this pool; add a check, or remove it")
    for finding in findings(virtual, reals) if reals else ():
        if finding.fatal:
            raise Misplaced(pool.path_of(finding), finding.text)
        cluster.warn(pool.path_of(finding), finding.text)
    return virtual, reals


def _placed(made: Made, where: Place, whole: Table, cluster: Cluster) -> Made:
    """Put a virtual server with its pool to one place."""
    virtual, reals = made
    if where.mark:
        # whatever the roles and the protocol: a mark says nothing of what the packet was for
        virtual = msgspec.structs.replace(virtual, mark=where.mark, protocol="TCP")
    else:
        owner = whole.get("instance", cluster.owners.get(where.address))
        virtual = msgspec.structs.replace(virtual, address=where.address, port=where.port, instance=owner)
    token = virtual.id
    return virtual, [msgspec.structs.replace(real, virtual_server=token) for real in reals]


def _judge_instance(virtual: VirtualServer, place: str, cluster: Cluster) -> None:
    if virtual.instance is not None and virtual.instance not in cluster.owners.values():
        raise Misplaced(
            f"{place}.instance",
            f"there is no vrrp_instance {quoted(virtual.instance)} with addresses; add one",
        )


def _sorry_server(said: Any, virtual: VirtualServer, place: str) -> SorryServer:
    """Read ``"ADDRESS:PORT"``, or a table; what it does not say is as in the virtual server."""
    path = f"{place}.sorry_server"
    table = {"address": said} if isinstance(said, str) else said
    if not isinstance(table, dict):
        raise Misplaced(path, 'is no server; write "10.0.0.9:80", or { address = "10.0.0.9:80", ... }')
    address, port = where_it_is(table, path, virtual.port)
    whole = plain_server({"forwarding": virtual.forwarding, **table}, path)
    if "tunnel" not in table and whole["forwarding"] == virtual.forwarding == "TUN":
        whole["tunnel"] = msgspec.to_builtins(virtual.tunnel)
    sorry: SorryServer = convert({**whole, "address": address, "port": port}, SorryServer, path)
    fits(sorry.forwarding, (virtual.port, sorry.port), path)
    # said where the pool's is another: what it says is what is so anyway
    return msgspec.structs.replace(sorry, tunnel=None) if sorry.tunnel == Tunnel() else sorry
