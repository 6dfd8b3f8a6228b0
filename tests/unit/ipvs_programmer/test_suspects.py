"""Which destinations are read, and what is told of them, with a kernel of the test's own on a real bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from ipvs_programmer.kernel import UnsureError
from ipvs_programmer.suspects import suspectable
from ipvs_programmer.table import Counts, DestinationKey, ServiceKey
from tests.support.nats import NatsServer
from tests.unit.health_prober.documents import revision
from tests.unit.ipvs_programmer.world import World, instance, real_server, virtual_server, world
from vipbus.contracts import DestinationSuspected, RealServer

SERVICE = ServiceKey(6, "10.9.0.1", 80)


def suspected(address: str, after: int, *, checked: bool = True) -> RealServer:
    return msgspec.structs.replace(real_server(address, checked=checked), suspect_after=after)


def test_only_checked_real_servers_that_ask_for_it_are_watched() -> None:
    asked = suspected("10.9.0.21", 5)
    known = msgspec.structs.replace(
        revision(asked, suspected("10.9.0.22", 0), suspected("10.9.0.23", 5, checked=False)),
        virtual_servers=(virtual_server(),),
    )
    assert suspectable(known) == {SERVICE: {DestinationKey("10.9.0.21", 80): asked}}
    elsewhere = msgspec.structs.replace(known, virtual_servers=())
    assert suspectable(elsewhere) == {}


def test_a_growth_is_told_once_and_a_kernel_that_fails_is_asked_again(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(w: World) -> None:
        heard: list[DestinationSuspected] = []
        w.bus.listen(DestinationSuspected, heard.append)
        w.addresses.set("10.9.0.1")
        w.configure(instance(), virtual_server(), suspected("10.9.0.21", 5), suspected("10.9.0.22", 0))
        w.role("active", 1)
        await w.settled()
        w.run()
        await w.until(lambda: w.kernel.destinations.get(SERVICE), "the table is filled")

        def count(inactive: int, active: int = 0) -> None:
            for last in (21, 22):
                of = (SERVICE, DestinationKey(f"10.9.0.{last}", 80))
                w.kernel.connections[of] = Counts(active, inactive)

        count(100)
        reads = w.kernel.counted
        await w.until(lambda: w.kernel.counted >= reads + 2, "it was read twice")
        assert heard == []  # it does not grow
        w.kernel.broken = UnsureError("the answers were lost")
        await asyncio.sleep(1.2)
        w.kernel.broken = None
        inactive = 100
        while not heard:
            inactive += 1
            count(inactive)
            await asyncio.sleep(0.1)
        reads = w.kernel.counted
        while w.kernel.counted < reads + 2:
            inactive += 1
            count(inactive)
            await asyncio.sleep(0.1)
        (event,) = heard
        assert event == DestinationSuspected(
            router="router-a",
            virtual_server="10-9-0-1_80_tcp",
            real_server="10-9-0-21_80",
            inactive=event.inactive,
        )
        assert event.inactive > 100
        assert w.held() == {str(SERVICE): ["10.9.0.21:80 1", "10.9.0.22:80 1"]}  # a hint decides nothing
        # nobody asks any more: nothing is read any more
        w.configure(instance(), virtual_server(), real_server("10.9.0.21"), real_server("10.9.0.22"))
        await w.settled()
        await asyncio.sleep(1.2)
        reads = w.kernel.counted
        await asyncio.sleep(2.0)
        assert w.kernel.counted == reads

    async def whole() -> None:
        async with world(nats_server, tmp_path / "state") as w, asyncio.timeout(60):
            await story(w)

    asyncio.run(whole())
