"""``[[proxy]]`` and ``[[pool]]``: the layer-7 tier, in the words of the other one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from config_service.keepalived.values import missing
from config_service.native.misplaced import Misplaced, Table, tables_of
from config_service.native.network_forms import unknown_key
from config_service.native.overrides import Placed
from config_service.native.pool import Cluster, Pool, where_it_is
from config_service.native.walk import convert
from config_service.problems import quoted
from vipbus.contracts import Proxy, ProxyPool, RealServer, VirtualServer, name_token
from vipbus.contracts.proxy_snippet import lines_of

OF_ALL: Final = ("alpha", "vantages", "damping", "weight")
"""Keys of real servers that a pool may say for all of them."""
OF_MEMBER: Final = ("address", "port", "check", *OF_ALL)
"""All that stands in a real server of a pool: HAProxy has no forwarding method and no thresholds."""
PROXY_KEYS: Final = tuple(key for key in Proxy.__struct_fields__ if key != "router")
POOL_KEYS: Final = (
    *(key for key in ProxyPool.__struct_fields__ if key != "router"),
    *OF_ALL,
    "check",
    "real_server",
)

MadePool = tuple[ProxyPool, list[RealServer]]


class ProxyReader:
    """Reads pools, then the proxies that hand to them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pools: dict[str, str] = {}
        self._proxies: dict[str, str] = {}
        self._bound: dict[tuple[str, int], str] = {}
        self._used: set[str] = set()

    def pool(self, placed: Placed) -> MadePool:
        """Read one pool with its real servers.

        Raises:
            Misplaced: something is refused.
        """
        place, table = placed
        whole = dict(table)
        servers = tables_of(whole.pop("real_server", []), f"{place}.real_server")
        checks = tables_of(whole.pop("check", []), f"{place}.check")
        of_all: Table = {key: whole.pop(key) for key in OF_ALL if key in whole}
        made: ProxyPool = convert(whole, ProxyPool, place, given={"router": self._cluster.router})
        _refuse_double(self._pools, made.name, place)
        if made.fallback is not None:
            self._used.add(name_token(made.fallback))
        if made.checks_itself:
            _refuse_checks(place, checks, servers)
        reader = Pool(self._like_a_server(), place, of_all, checks, self._cluster)
        reals: list[RealServer] = []
        for at, each in enumerate(servers):
            where = f"{place}.real_server[{at}]"
            for key in each:
                if key not in OF_MEMBER:
                    raise unknown_key(key, OF_MEMBER, f"{where}.{key}")
            where_it_is(each, where, None)  # no port is any, as a virtual server's is
            reals.append(msgspec.structs.replace(reader.read(each, where), virtual_server=made.id))
        raw = any(line.startswith(("server ", "server-template ")) for line in lines_of(made.snippet))
        if not reals and not raw:
            self._cluster.warn(place, "there is no real_server in it, so nobody answers")
        if made.agent_check is not None and any(real.weight == 1 for real in reals):
            said = "an agent's share of a weight of 1 is all of it or nothing; write weight = 100"
            self._cluster.warn(place, said)
        for at, real in enumerate(reals):
            self._cluster.note(real, f"{place}.real_server[{at}]")
        return made, reals

    def proxy(self, placed: Placed) -> Proxy:
        """Read one proxy.

        Raises:
            Misplaced: something is refused.
        """
        place, table = placed
        made: Proxy = convert(dict(table), Proxy, place, given={"router": self._cluster.router})
        _refuse_double(self._proxies, made.name, place)
        for where, name in _pools_of(made, place):
            if name_token(name) not in self._pools:
                raise Misplaced(where, missing("pool", name, self._pools))
            self._used.add(name_token(name))
        for at, bind in enumerate(made.bind):
            where = f"{place}.bind[{at}]"
            if (other := self._bound.setdefault((bind.address, bind.port), where)) != where:
                raise Misplaced(where, f"{bind.address} port {bind.port} is {other} already; remove one")
        owners = self._cluster.owners
        if made.instance is not None and made.instance not in owners.values():
            raise Misplaced(
                f"{place}.instance",
                f"there is no vrrp_instance {quoted(made.instance)} with addresses; add one",
            )
        owner = next((owners[bind.address] for bind in made.bind if bind.address in owners), None)
        return made if made.instance is not None else msgspec.structs.replace(made, instance=owner)

    def finish(self, places: Collection[str]) -> None:
        """Warn of pools that no proxy hands to; ``places`` are where pools stand."""
        for token, place in self._pools.items():
            if token not in self._used and place in places:
                self._cluster.warn(place, "no proxy hands to it")

    def _like_a_server(self) -> VirtualServer:
        """Make what real servers are read for: addresses and checks are the same in both tiers."""
        router = self._cluster.router
        return VirtualServer(router=router, address="192.0.2.1", port=0, scheduler="rr", forwarding="NAT")


def _pools_of(proxy: Proxy, place: str) -> Iterator[tuple[str, str]]:
    """Give every pool that a proxy names, and where."""
    yield f"{place}.pool", proxy.pool
    for at, route in enumerate(proxy.route):
        if route.pool is not None:
            yield f"{place}.route[{at}].pool", route.pool


def _refuse_checks(place: str, checks: list[Table], servers: list[Table]) -> None:
    said = "HAProxy checks this pool by itself (haproxy_check, agent_check); remove one"
    if checks:
        raise Misplaced(f"{place}.check[0]", said)
    for at, each in enumerate(servers):
        if each.get("check"):
            raise Misplaced(f"{place}.real_server[{at}].check", said)


def _refuse_double(seen: dict[str, str], name: str, place: str) -> None:
    if seen.setdefault(name_token(name), place) != place:
        raise Misplaced(f"{place}.name", f"there are two of the name {name_token(name)}; rename one")


def names_of(table: Mapping[str, object]) -> tuple[str, ...]:
    """Give what a router's own table calls it."""
    return (str(table.get("name")),)
