"""A thousand members changed at once: each is as it was said, and nothing is reloaded."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from haproxy_programmer.observed import QUESTION, Server, observed
from tests.support.config import publish_config
from tests.support.nats import NatsServer
from tests.support.proxy import ROUTER, Programmer, answers, haproxy, member, pool, proxy
from tests.support.proxy_nginx import Everywhere, everywhere
from tests.support.proxy_socket import ask
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, RealServer, Verdict
from vipbus.telemetry import trace

MANY = 1000


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Programmer]:
    haproxy()
    # pytest's own directories may be too long for a socket's path
    made = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start()
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def site() -> Iterator[Everywhere]:
    with everywhere() as made:
        yield made


def address(number: int) -> str:
    return f"127.2.{number // 250}.{number % 250 + 1}"


def servers(programmer: Programmer) -> dict[str, Server]:
    """What HAProxy holds, by address."""
    said = ask(programmer.haproxy / "stats.sock", QUESTION)
    found = observed(said).servers.values() if said else ()
    return {each.address: each for each in found if not each.admin}


def tell(bus: NatsServer, reals: Sequence[RealServer], up: Callable[[int], bool]) -> None:
    """Write all their verdicts, as probers do that find them at once."""

    async def told() -> None:
        connection = Bus(BusAddress(url=bus.url), source="test")
        connection.start()
        try:
            await connection.usable(10)
            there = {key: each.revision for key, each in (await connection.read(HEALTH, ">")).items()}
            verdicts = [
                Verdict(
                    virtual_server=real.virtual_server,
                    real_server=real.id,
                    verdict="up" if up(number) else "down",
                    weight=number % 200 + 1,
                    cause="said by the test",
                    since=datetime.now(UTC),
                    prober="test",
                    lease=1,
                )
                for number, real in enumerate(reals)
            ]
            writes = [(each.key, msgspec.json.encode(each), there.get(each.key, 0)) for each in verdicts]
            context = trace.record("test")
            done = await connection.write_many(HEALTH, writes, trace=context, time=datetime.now(UTC))
            assert None not in done
        finally:
            await connection.close()

    asyncio.run(told())


def test_a_thousand_members_are_each_as_they_were_said(
    programmer: Programmer, nats_server: NatsServer, site: Everywhere
) -> None:
    def publish(weights: Callable[[int], int]) -> list[RealServer]:
        reals = [member(site.port, address(n), weight=weights(n)) for n in range(MANY)]
        publish_config(nats_server.url, [proxy(programmer.port), pool(), *reals], ROUTER)
        return reals

    def weigh(weights: Callable[[int], int]) -> None:
        eventually(
            lambda: (
                {each: found.weight for each, found in servers(programmer).items()}
                == {address(number): weights(number) for number in range(MANY)}
            ),
            "each has its weight",
            within=30,
        )

    publish(lambda _: 1)
    weigh(lambda _: 1)
    worker = programmer.workers()
    reals = publish(lambda number: number % 100 + 2)
    weigh(lambda number: number % 100 + 2)
    tell(nats_server, reals, lambda number: number % 2 == 0)
    weigh(lambda number: number % 200 + 1)
    up = {address(number) for number in range(0, MANY, 2)}
    eventually(
        lambda: {each for each, found in servers(programmer).items() if found.operational} == up,
        "half of them are down",
    )
    assert answers(programmer.port, 100) <= up
    tell(nats_server, reals, lambda number: number % 2 == 1)
    eventually(
        lambda: (
            {each for each, found in servers(programmer).items() if found.operational}
            == {address(number) for number in range(1, MANY, 2)}
        ),
        "the other half is down",
    )
    assert not answers(programmer.port, 100) & up
    assert programmer.workers() == worker
    assert "refused" not in programmer.log
