"""What the bus says of the routers' tables, followed, and what their kernels have counted, asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from ctl.probe_names import virtual_server_named
from ctl.programmers import ask, chosen
from ctl.table_report import Read, RouterReport, Said, virtual_server_report
from vipbus.bus import Bus, BusAwayError
from vipbus.bus.address import BusAddress
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    OPERATOR,
    TABLE,
    RealServer,
    VirtualServerTable,
    name_token,
)
from vipbus.contracts.table_commands import PoolTraffic, ReadTraffic, TableTraffic
from vipbus.runtime.revision import Revision, Revisions

_BUS_WITHIN = 3.0
_READ_WITHIN = 10.0
"""Seconds for the buckets; the largest known take about one."""
_ANSWER_WITHIN = 10.0
_AT_ONCE = 128
"""Virtual servers asked about in one request: tens of thousands of real servers would not fit an answer."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One read of a router's counters."""

    read: Read = {}
    problem: str = ""


class Board:
    """The tables of a bus; made by `looked_at`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._changed = asyncio.Event()
        self._config = bus.follow(CONFIG, on_change=self._changed.set)
        self._table = bus.follow(TABLE, "*.virtual-server.*", on_change=self._changed.set)
        self._health = bus.follow(HEALTH, on_change=self._changed.set)
        self._operator = bus.follow(OPERATOR, on_change=self._changed.set)
        self._revisions = Revisions()

    async def read(self) -> None:
        """Read everything once.

        Raises:
            BusAwayError: the bus does not answer, or not with all of it.
        """
        await self._bus.usable(_BUS_WITHIN)
        follows = (self._config, self._table, self._health, self._operator)
        try:
            async with asyncio.timeout(_READ_WITHIN):
                while not all(follow.live for follow in follows):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise BusAwayError(f"the buckets were not all read within {_READ_WITHIN:g} s") from None

    def tables(self, router: str | None, virtual_server: str | None) -> dict[str, list[VirtualServerTable]]:
        """Give the documents that are asked for, by router.

        Raises:
            NoRouterError: there is no such router.
            UnknownNameError: no virtual server, or more than one, has the name.
        """
        self._revisions.update(self._config.entries)
        found = [value for value in self._table.values() if isinstance(value, VirtualServerTable)]
        names = {name_token(each.router): each.router for each in self._revisions.routers.values()}
        names |= {name_token(each.router): each.router for each in found}
        wanted = {name_token(name): name for name in chosen(names.values(), router)}
        token = self._named(virtual_server, found) if virtual_server is not None else None
        by: dict[str, list[VirtualServerTable]] = {name: [] for name in wanted.values()}
        for table in sorted(found, key=lambda each: each.virtual_server):
            name = wanted.get(name_token(table.router))
            if name is not None and token in (None, table.virtual_server):
                by[name].append(table)
        return by

    def _named(self, name: str, tables: list[VirtualServerTable]) -> str:
        written = " ".join(name.lower().split())
        for table in tables:
            if written in (table.virtual_server, table.words.lower()):
                return table.virtual_server
        revisions = self._revisions.routers.values()
        return virtual_server_named(
            name,
            [server for each in revisions for server in each.virtual_servers],
            [server for each in revisions for server in each.real_servers],
        ).id

    async def counted(self, tables: Mapping[str, list[VirtualServerTable]]) -> dict[str, Counted]:
        """Read the counters of these, by router."""
        answers = await asyncio.gather(*(self._count(name, found) for name, found in tables.items()))
        return dict(zip(tables, answers, strict=True))

    async def _count(self, router: str, tables: list[VirtualServerTable]) -> Counted:
        tokens = [table.virtual_server for table in tables]
        pools: dict[str, PoolTraffic] = {}
        for start in range(0, len(tokens), _AT_ONCE):
            asked = ReadTraffic(virtual_servers=tuple(tokens[start : start + _AT_ONCE]))
            answer = await ask(self._bus, router, "traffic", asked, TableTraffic, within=_ANSWER_WITHIN)
            if isinstance(answer, str):
                return Counted(problem=answer.removeprefix(f"{router}: "))
            if answer.reason:
                return Counted(problem=answer.reason)
            pools |= {pool.virtual_server: pool for pool in answer.pools}
        return Counted(read=pools)

    def reports(
        self,
        tables: Mapping[str, list[VirtualServerTable]],
        now: Mapping[str, Counted],
        before: Mapping[str, Counted] | None,
    ) -> list[RouterReport]:
        """Put together what is known of these tables."""
        reports = []
        for router, found in tables.items():
            counted = now[router]
            earlier = before[router].read if before is not None else None
            said = self._said(self._revisions.routers.get(name_token(router)))
            reports.append(
                RouterReport(
                    router=router,
                    problem=counted.problem,
                    virtual_servers=tuple(
                        virtual_server_report(table, said, counted.read, earlier) for table in found
                    ),
                )
            )
        return reports

    def _said(self, revision: Revision | None) -> Said:
        pools: dict[str, list[RealServer]] = {}
        for real in revision.real_servers if revision is not None else ():
            pools.setdefault(real.virtual_server, []).append(real)
        return Said(
            virtual_servers={each.id: each for each in revision.virtual_servers} if revision else {},
            real_servers=pools,
            verdicts={key: entry.value for key, entry in self._health.entries.items()},
            operators={key: entry.value for key, entry in self._operator.entries.items()},
        )


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
