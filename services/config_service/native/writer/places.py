"""Where virtual servers stand: an address, a mark, or a group of them that share a pool."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from config_service.native.misplaced import Table
from config_service.native.writer.pools import PoolWriter, Ports, endpoint_text
from vipbus.contracts import RealServer, VirtualServer

Pool = tuple[VirtualServer, Sequence[RealServer]]
_RANGE = 3
"""As many addresses in a row are written as a range."""


class Servers(NamedTuple):
    """The tables of a router's virtual servers."""

    groups: list[Table]
    servers: list[Table]


def write_servers(pools: Sequence[Pool], owners: Mapping[str, str], writer: PoolWriter) -> Servers:
    """Write virtual servers; ``owners`` names the instance that has each address."""
    groups: list[Table] = []
    servers: list[Table] = []
    by_group: dict[str, list[Pool]] = {}
    for pool in pools:
        if name := pool[0].group:
            by_group.setdefault(name, []).append(pool)
    done: set[str] = set()
    for virtual, reals in pools:
        if virtual.group in done:
            continue
        if virtual.group:
            done.add(virtual.group)
            group, tables = _group(virtual.group, by_group[virtual.group], owners, writer)
            groups.append(group)
            servers += tables
            continue
        servers.append({**_place(virtual), **writer.pool(virtual, reals), **_instance(virtual, owners)})
    return Servers(groups, servers)


def _place(virtual: VirtualServer) -> Table:
    if virtual.mark:
        return {"mark": virtual.mark, **({"family": 6} if virtual.family == 6 else {})}
    if virtual.port:
        return {"address": endpoint_text(virtual.address, virtual.port)}
    return {"address": virtual.address, "port": 0}


def _instance(virtual: VirtualServer, owners: Mapping[str, str]) -> Table:
    follows = None if virtual.mark else owners.get(virtual.address)
    return {} if virtual.instance in (None, follows) else {"instance": virtual.instance}


def _group(
    name: str, pools: Sequence[Pool], owners: Mapping[str, str], writer: PoolWriter
) -> tuple[Table, list[Table]]:
    """Write a group, and a virtual server for each protocol or pool that it has."""
    classes: list[tuple[Table, list[VirtualServer]]] = []
    # a mark has no port that its real servers and their checks could have taken theirs from
    every = [
        _alike(writer, pools, Ports(reals, checks)) for checks in (False, True) for reals in (False, True)
    ]
    fewest = min(len(each) for each in every)
    classes += next(each for each in every if len(each) == fewest)
    longest = max((members for _, members in classes), key=len)
    return _group_table(name, longest), [
        {"group": name, **table, **_instance(members[0], owners)} for table, members in classes
    ]


def _alike(
    writer: PoolWriter, pools: Sequence[Pool], ports: Ports
) -> list[tuple[Table, list[VirtualServer]]]:
    """Put together what has the same table."""
    found: list[tuple[Table, list[VirtualServer]]] = []
    first = next((virtual for virtual, _ in pools if not virtual.mark), pools[0][0])
    for virtual, reals in pools:
        said = virtual
        if virtual.mark:
            # they mean nothing there, and the reader leaves them out
            said = msgspec.structs.replace(virtual, protocol=first.protocol, ha_suspend=first.ha_suspend)
        table = writer.pool(said, reals, ports)
        same = next((members for other, members in found if other == table), None)
        if same is None:
            found.append((table, [virtual]))
        else:
            same.append(virtual)
    return found


def _group_table(name: str, members: Sequence[VirtualServer]) -> Table:
    table: Table = {"name": name}
    places = [(one.address, one.port) for one in members if not one.mark]
    marks: list[Any] = [
        {"mark": one.mark, "family": 6} if one.family == 6 else one.mark for one in members if one.mark
    ]
    ports = {port for _, port in places}
    # port 0 is the default; a text cannot say it
    shared = ports.pop() if len(ports) == 1 else 0
    if places:
        table["addresses"] = _ranges(places, shared)
    if shared:
        table["port"] = shared
    if marks:
        table["marks"] = marks
    return table


def _ranges(places: list[tuple[str, int]], shared: int) -> list[str]:
    """Write addresses in a row as one range."""
    found: list[str] = []
    at = 0
    while at < len(places):
        end = at + 1
        while end < len(places) and _next(places[end - 1]) == places[end]:
            end += 1
        run = places[at:end]
        texts = [text for text, _ in run]
        if len(run) >= _RANGE:
            texts = [f"{texts[0]}-{_last(texts[-1], texts[0])}"]
        port = run[0][1]
        found += [text if port == shared else endpoint_text(text, port) for text in texts]
        at = end
    return found


def _next(place: tuple[str, int]) -> tuple[str, int]:
    try:
        return str(ipaddress.ip_address(place[0]) + 1), place[1]
    except ValueError:
        return "", place[1]


def _last(last: str, first: str) -> str:
    """Write the end of a range: the last octet, where the others are those of its beginning."""
    if ":" not in last and last.rpartition(".")[0] == first.rpartition(".")[0]:
        return last.rpartition(".")[2]
    return last
