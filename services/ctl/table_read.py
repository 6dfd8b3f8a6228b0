"""What the bus says of the routers' tables, followed, and what their kernels have counted, asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from ctl.layer_7_names import Named, layer_7
from ctl.probe_names import UnknownNameError, virtual_server_named
from ctl.programmers import ask, chosen
from ctl.table_proxies import SaidOfPools, pool_report, proxy_report
from ctl.table_proxies_ask import proxies_counted
from ctl.table_report import Read, RouterReport, Said, virtual_server_report
from vipbus.bus import Bus, BusAwayError
from vipbus.bus.address import BusAddress
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    OPERATOR,
    PROXY,
    TABLE,
    Proxy,
    ProxyPool,
    ProxyPoolTable,
    RealServer,
    VirtualServerTable,
    name_token,
    pool_token,
)
from vipbus.contracts.proxy_commands import ProxiesTraffic
from vipbus.contracts.table_commands import PoolTraffic, ReadTraffic, TableTraffic
from vipbus.runtime.revision import Revisions

_BUS_WITHIN = 3.0
_READ_WITHIN = 10.0
"""Seconds for the buckets; the largest known take about one."""
_ANSWER_WITHIN = 10.0
_AT_ONCE = 128
"""Virtual servers asked about in one request: tens of thousands of real servers would not fit an answer."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for of one router."""

    tables: tuple[VirtualServerTable, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    pools: tuple[ProxyPool, ...] = ()


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One read of a router's counters."""

    read: Read = {}
    problem: str = ""
    proxies: ProxiesTraffic | None = None
    """Of HAProxy; None: it was not read."""
    proxy_problem: str = ""


class Board:
    """The tables of a bus; made by `looked_at`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._changed = asyncio.Event()
        self._config = bus.follow(CONFIG, on_change=self._changed.set)
        self._table = bus.follow(TABLE, "*.virtual-server.*", on_change=self._changed.set)
        self._health = bus.follow(HEALTH, on_change=self._changed.set)
        self._operator = bus.follow(OPERATOR, on_change=self._changed.set)
        self._proxy = bus.follow(PROXY, on_change=self._changed.set)
        self._revisions = Revisions()

    async def read(self) -> None:
        """Read everything once.

        Raises:
            BusAwayError: the bus does not answer, or not with all of it.
        """
        await self._bus.usable(_BUS_WITHIN)
        follows = (self._config, self._table, self._health, self._operator, self._proxy)
        try:
            async with asyncio.timeout(_READ_WITHIN):
                while not all(follow.live for follow in follows):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise BusAwayError(f"the buckets were not all read within {_READ_WITHIN:g} s") from None

    def chosen(self, router: str | None, name: str | None) -> dict[str, Scope]:
        """Give what is asked for, by router: all, or one virtual server, pool or proxy.

        Raises:
            NoRouterError: there is no such router.
            UnknownNameError: nothing, or more than one thing, has the name.
        """
        self._revisions.update(self._config.entries)
        revisions = self._revisions.routers.values()
        found = [value for value in self._table.values() if isinstance(value, VirtualServerTable)]
        names = {name_token(each.router): each.router for each in revisions}
        names |= {name_token(each.router): each.router for each in found}
        wanted = {name_token(each): each for each in chosen(names.values(), router)}
        named = self._named(name, found) if name is not None else None
        tables: dict[str, list[VirtualServerTable]] = {token: [] for token in wanted}
        for table in sorted(found, key=lambda each: each.virtual_server):
            if name_token(table.router) in wanted and named in (None, table.virtual_server):
                tables[name_token(table.router)].append(table)
        scopes = {}
        for token, each in wanted.items():
            revision = self._revisions.routers.get(token)
            scopes[each] = Scope(
                tables=tuple(tables[token]),
                proxies=tuple(
                    proxy
                    for proxy in (revision.proxies if revision is not None else ())
                    if named in (None, Named("proxy", proxy.id))
                ),
                pools=tuple(
                    pool
                    for pool in (revision.proxy_pools if revision is not None else ())
                    if named in (None, Named("pool", pool.id))
                ),
            )
        return scopes

    def _named(self, name: str, tables: list[VirtualServerTable]) -> str | Named:
        written = " ".join(name.lower().split())
        for table in tables:
            if written in (table.virtual_server, table.words.lower()):
                return table.virtual_server
        revisions = self._revisions.routers.values()
        there = layer_7(
            [proxy for each in revisions for proxy in each.proxies],
            [pool for each in revisions for pool in each.proxy_pools],
        )
        if (found := there.named(name)) is not None:
            return found
        try:
            return virtual_server_named(
                name,
                [server for each in revisions for server in each.virtual_servers],
                [server for each in revisions for server in each.real_servers],
                there.words,
            ).id
        except UnknownNameError:
            if (found := there.alone(name)) is None:
                raise
            return found

    async def counted(self, scopes: Mapping[str, Scope]) -> dict[str, Counted]:
        """Read the counters of these, by router."""
        answers = await asyncio.gather(*(self._count(name, scope) for name, scope in scopes.items()))
        return dict(zip(scopes, answers, strict=True))

    async def _count(self, router: str, scope: Scope) -> Counted:
        (read, problem), (proxies, proxy_problem) = await asyncio.gather(
            self._of_table(router, scope), proxies_counted(self._bus, router, scope.proxies, scope.pools)
        )
        return Counted(read=read, problem=problem, proxies=proxies, proxy_problem=proxy_problem)

    async def _of_table(self, router: str, scope: Scope) -> tuple[Read, str]:
        tokens = [table.virtual_server for table in scope.tables]
        pools: dict[str, PoolTraffic] = {}
        for start in range(0, len(tokens), _AT_ONCE):
            asked = ReadTraffic(virtual_servers=tuple(tokens[start : start + _AT_ONCE]))
            answer = await ask(self._bus, router, "traffic", asked, TableTraffic, within=_ANSWER_WITHIN)
            if isinstance(answer, str):
                return {}, answer.removeprefix(f"{router}: ")
            if answer.reason:
                return {}, answer.reason
            pools |= {pool.virtual_server: pool for pool in answer.pools}
        return pools, ""

    def reports(
        self,
        scopes: Mapping[str, Scope],
        now: Mapping[str, Counted],
        before: Mapping[str, Counted] | None,
    ) -> list[RouterReport]:
        """Put together what is known of these."""
        reports = []
        verdicts = {key: entry.value for key, entry in self._health.entries.items()}
        operators = {key: entry.value for key, entry in self._operator.entries.items()}
        for router, scope in scopes.items():
            counted = now[router]
            earlier = before.get(router) if before is not None else None
            read = (earlier.read if earlier is not None else {}) if before is not None else None
            revision = self._revisions.routers.get(name_token(router))
            real_servers: dict[str, list[RealServer]] = {}
            for real in revision.real_servers if revision is not None else ():
                real_servers.setdefault(real.virtual_server, []).append(real)
            said = Said(
                virtual_servers={each.id: each for each in revision.virtual_servers} if revision else {},
                real_servers=real_servers,
                verdicts=verdicts,
                operators=operators,
            )
            of_pools = SaidOfPools(
                tables=self._pool_tables(router),
                real_servers=real_servers,
                verdicts=verdicts,
                operators=operators,
            )
            of_proxies = earlier.proxies if earlier is not None else None
            reports.append(
                RouterReport(
                    router=router,
                    problem=counted.problem,
                    virtual_servers=tuple(
                        virtual_server_report(table, said, counted.read, read) for table in scope.tables
                    ),
                    proxy_problem=counted.proxy_problem,
                    proxies=tuple(proxy_report(each, counted.proxies, of_proxies) for each in scope.proxies),
                    pools=tuple(
                        pool_report(each, of_pools, counted.proxies, of_proxies) for each in scope.pools
                    ),
                )
            )
        return reports

    def _pool_tables(self, router: str) -> dict[str, ProxyPoolTable]:
        return {
            pool_token(table.pool): table
            for table in self._proxy.values()
            if name_token(table.router) == name_token(router)
        }


@asynccontextmanager
async def looked_at(address: BusAddress) -> AsyncIterator[Board]:
    """Connect, read, and go on following until the end.

    Raises:
        BusAwayError: the bus does not answer.
    """
    bus = Bus(address, source="vipbus-table")
    board = Board(bus)
    bus.start()
    try:
        await board.read()
        yield board
    finally:
        await bus.close()
