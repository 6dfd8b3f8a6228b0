"""The roles on the bus, followed, and whose vrrp-agent answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vipbus.bus import Bus, BusAwayError, conditions
from vipbus.bus.address import BusAddress
from vipbus.contracts import ROLE, Role

SERVICE = "vrrp-agent"
_BUS_WITHIN = 3.0
_READ_WITHIN = 10.0
"""Seconds for all the roles; hundreds of them take some milliseconds."""


class Election:
    """What the bus says of the election; made by `looked_at`."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.answering: frozenset[str] = frozenset()
        """The routers whose vrrp-agent answers, as they write their names."""
        self._changed = asyncio.Event()
        self._follow = bus.follow(ROLE, on_change=self._changed.set)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every role as it is now, those of routers that are gone included."""
        return tuple(self._follow.values())

    async def change(self, within: float) -> None:
        """Wait until a role has changed since the last wait, for so many seconds at most."""
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def read(self) -> None:
        """Read everything once.

        Raises:
            BusAwayError: the bus does not answer, or not with all of it.
        """
        await self.bus.usable(_BUS_WITHIN)
        asked = asyncio.ensure_future(conditions(self.bus, SERVICE))
        try:
            async with asyncio.timeout(_READ_WITHIN):
                while not self._follow.live:
                    await self.change(_READ_WITHIN)
        except TimeoutError:
            raise BusAwayError(f"the roles on the bus were not all read within {_READ_WITHIN:g} s") from None
        self.answering = frozenset(each.router for each in await asked if each.router)


@asynccontextmanager
async def looked_at(address: BusAddress, source: str) -> AsyncIterator[Election]:
    """Connect, read, and go on following until the end.

    Raises:
        BusAwayError: the bus does not answer.
    """
    bus = Bus(address, source=source)
    election = Election(bus)
    bus.start()
    try:
        await election.read()
        yield election
    finally:
        await bus.close()
