"""The programmer with a real haproxy, a real bus and real servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.config import publish_config
from tests.support.nats import NatsServer
from tests.support.proxy import ROUTER, Programmer, Server, answers, get, haproxy, member, pool, proxy
from tests.support.proxy_socket import ask
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, OPERATOR, PROXY, Bucket, OperatorState, ProxyPoolTable, Verdict
from vipbus.contracts.state import VerdictName
from vipbus.telemetry import trace


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
def servers() -> Iterator[list[Server]]:
    made = [Server() for _ in range(3)]
    yield made
    for each in made:
        each.close()


def write(bus: NatsServer, bucket: Bucket[Any], key: str, value: msgspec.Struct | None) -> None:
    async def written() -> None:
        connection = Bus(BusAddress(url=bus.url), source="test")
        connection.start()
        try:
            await connection.usable(10)
            last, _ = await connection.revision(bucket, key)
            body = msgspec.json.encode(value) if value is not None else None
            await connection.write(bucket, key, body, last=last, trace=trace.record("test"))
        finally:
            await connection.close()

    asyncio.run(written())


def read(bus: NatsServer) -> ProxyPoolTable | None:
    async def found() -> ProxyPoolTable | None:
        connection = Bus(BusAddress(url=bus.url), source="test")
        connection.start()
        try:
            await connection.usable(10)
            values = [each.value for each in (await connection.read(PROXY, f"{ROUTER}.*")).values()]
            return values[0] if values else None
        finally:
            await connection.close()

    return asyncio.run(found())


def verdict(bus: NatsServer, port: int, word: VerdictName, lease: int = 1) -> None:
    document = Verdict(
        virtual_server="pool-web",
        real_server=f"127-0-0-1_{port}",
        verdict=word,
        cause="said by the test",
        since=datetime.now(UTC),
        prober="test",
        lease=lease,
    )
    write(bus, HEALTH, document.key, document)


def operate(bus: NatsServer, port: int, state: Any) -> None:
    document = OperatorState(
        virtual_server="pool-web",
        real_server=f"127-0-0-1_{port}",
        state=state or "drain",
        by="test",
        since=datetime.now(UTC),
    )
    write(bus, OPERATOR, document.key, document if state else None)


def publish(bus: NatsServer, programmer: Programmer, ports: list[int], **changes: Any) -> None:
    publish_config(bus.url, [proxy(programmer.port), pool(**changes), *map(member, ports)], ROUTER)


def test_health_weight_and_an_operators_word_take_no_reload(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, third = (each.port for each in servers)
    everyone = {str(first), str(second), str(third)}
    publish(nats_server, programmer, [first, second, third])
    eventually(lambda: answers(programmer.port) == everyone, "all three serve", within=20)
    worker = programmer.workers()
    verdict(nats_server, first, "down")
    eventually(lambda: answers(programmer.port) == everyone - {str(first)}, "one that is down serves nobody")
    operate(nats_server, second, "drain")
    eventually(lambda: answers(programmer.port) == {str(third)}, "one that drains gets nobody new")
    operate(nats_server, second, "disable")
    verdict(nats_server, first, "up")
    eventually(lambda: answers(programmer.port) == {str(first), str(third)}, "up again, and one disabled")
    operate(nats_server, second, None)
    eventually(lambda: answers(programmer.port) == everyone, "enabled again")
    assert programmer.workers() == worker
    said = read(nats_server)
    assert said is not None
    assert {each.port: each.state for each in said.members} == {first: "up", second: "up", third: "up"}


def test_what_somebody_says_to_haproxy_meanwhile_is_put_right(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, third = (each.port for each in servers)
    publish(nats_server, programmer, [first, second, third])
    everyone = {str(first), str(second), str(third)}
    eventually(lambda: answers(programmer.port) == everyone, "all three serve", within=20)
    said: tuple[tuple[VerdictName, str], ...] = (("down", "maint"), ("up", "drain"))
    for word, by_hand in said * 3:
        # by hand against what is wanted, and at once a change of another member: it goes by the last look
        assert not ask(programmer.haproxy / "stats.sock", f"set server pool-web/s2 state {by_hand}").strip()
        verdict(nats_server, first, word)
        serving = everyone if word == "up" else everyone - {str(first)}
        eventually(lambda serving=serving: answers(programmer.port) == serving, f"the first is {word}")
    workers = programmer.workers()
    ask(programmer.haproxy / "master.sock", "reload")
    eventually(lambda: not set(workers) & set(programmer.workers()), "another worker", within=20)
    verdict(nats_server, first, "down")
    eventually(lambda: answers(programmer.port) == everyone - {str(first)}, "it is told too")


def test_members_come_and_go_in_slots(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, third = (each.port for each in servers)
    publish(nats_server, programmer, [first])
    eventually(lambda: answers(programmer.port) == {str(first)}, "the first serves", within=20)
    worker = programmer.workers()
    publish(nats_server, programmer, [second, third])
    eventually(lambda: answers(programmer.port) == {str(second), str(third)}, "two others serve")
    publish(nats_server, programmer, [first])
    eventually(lambda: answers(programmer.port) == {str(first)}, "and the first again")
    assert programmer.workers() == worker


def test_more_members_than_slots_are_one_reload(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    ports = [each.port for each in servers]
    publish(nats_server, programmer, ports[:1], slots=1)
    eventually(lambda: answers(programmer.port) == {str(ports[0])}, "one serves", within=20)
    publish(nats_server, programmer, ports, slots=1)
    eventually(lambda: answers(programmer.port) == set(map(str, ports)), "all serve", within=20)
    said = read(nats_server)
    assert said is not None
    assert said.slots == 4


def test_after_a_reload_nobody_is_taken_for_up_who_is_down(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, _ = (each.port for each in servers)
    publish(nats_server, programmer, [first, second])
    verdict(nats_server, first, "down")
    eventually(lambda: answers(programmer.port) == {str(second)}, "one is down", within=20)
    worker = programmer.workers()
    publish(nats_server, programmer, [first, second], retries=7)
    seen: set[str] = set()

    def reloaded() -> bool:
        seen.update(answers(programmer.port, 20))
        return programmer.workers() != worker

    eventually(reloaded, "a new worker", within=20)
    seen.update(answers(programmer.port, 50))
    assert seen == {str(second)}


@pytest.mark.parametrize("whom", ["worker", "master"])
def test_a_haproxy_that_is_killed_is_back_as_it_was(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server], whom: str
) -> None:
    first, second, _ = (each.port for each in servers)
    publish(nats_server, programmer, [first, second])
    verdict(nats_server, first, "down")
    eventually(lambda: answers(programmer.port) == {str(second)}, "one is down", within=20)
    before = programmer.master()
    os.kill(before if whom == "master" else programmer.workers()[0], signal.SIGKILL)
    eventually(
        lambda: programmer.master() != before and get(programmer.port)[0] == 200, "it is back", within=20
    )
    assert answers(programmer.port, 30) == {str(second)}


def test_a_programmer_that_is_killed_goes_on_with_the_same_haproxy(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, _ = (each.port for each in servers)
    publish(nats_server, programmer, [first, second])
    eventually(lambda: answers(programmer.port) == {str(first), str(second)}, "both serve", within=20)
    master, workers = programmer.master(), programmer.workers()
    programmer.kill()
    assert answers(programmer.port) == {str(first), str(second)}
    verdict(nats_server, first, "down")
    programmer.start()
    eventually(lambda: answers(programmer.port) == {str(second)}, "what it missed is done", within=20)
    assert (programmer.master(), programmer.workers()) == (master, workers)
    assert programmer.stop() == 0
    eventually(lambda: get(programmer.port)[0] == 0, "a stop ends HAProxy too")


def test_what_haproxy_refuses_leaves_what_ran(
    programmer: Programmer, nats_server: NatsServer, servers: list[Server]
) -> None:
    port = servers[0].port
    publish(nats_server, programmer, [port])
    eventually(lambda: answers(programmer.port) == {str(port)}, "it serves", within=20)
    refused = proxy(programmer.port, monitor="no-slash-before-it" + "x" * 900)
    publish_config(nats_server.url, [refused, proxy(1, name="b", pool="none"), pool(), member(port)], ROUTER)
    eventually(lambda: "HAProxy refuses the configuration" in programmer.log, "it is refused", within=20)
    assert answers(programmer.port) == {str(port)}
    publish(nats_server, programmer, [port, servers[1].port])
    eventually(lambda: len(answers(programmer.port)) == 2, "a good one is taken again", within=20)
