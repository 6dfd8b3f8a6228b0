"""HAProxy's own checks and agents, with a real haproxy: what they say stays, is told, outlives a reload."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haproxy_programmer.observed import QUESTION, observed
from tests.contract.test_haproxy_programmer import read, write
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, answers, get, haproxy, member, pool, proxy
from tests.support.proxy_agent import Agents
from tests.support.proxy_direct import one_pool
from tests.support.proxy_echo import echoes
from tests.support.proxy_nginx import Everywhere, everywhere
from tests.support.proxy_socket import ask
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress, records
from vipbus.contracts import (
    OPERATOR,
    AgentCheck,
    HaproxyHttpCheck,
    HaproxyTcpCheck,
    OperatorState,
    PoolTls,
    ProxyMemberChanged,
    StatusRange,
)

FIRST, SECOND, THIRD = "127.0.1.1", "127.0.1.2", "127.0.1.3"


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Programmer]:
    haproxy()
    # pytest's own directories may be too long for a socket's path
    made = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start("--reload-interval", "0.1")
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def site() -> Iterator[Everywhere]:
    with everywhere() as made:
        yield made


class World:
    """A bus, the programmer, and members that are addresses."""

    def __init__(self, bus: NatsServer, programmer: Programmer, port: int) -> None:
        self.bus = bus
        self.programmer = programmer
        self._port = port

    def publish(self, *addresses: str, **changes: Any) -> None:
        members = [member(self._port, each) for each in addresses]
        publish_config(self.bus.url, [proxy(self.programmer.port), pool(**changes), *members], ROUTER)

    def serve(self, *addresses: str) -> None:
        """Wait until these answer, and nobody else."""
        wanted = set(addresses)
        eventually(lambda: answers(self.programmer.port) == wanted, f"{sorted(wanted)} serve", within=20)

    def state(self, address: str) -> tuple[str, int] | None:
        said = read(self.bus)
        found = said.members if said is not None else ()
        return next(((each.state, each.weight) for each in found if each.address == address), None)

    def becomes(self, address: str, state: str, weight: int = 1) -> None:
        eventually(
            lambda: self.state(address) == (state, weight),
            f"{address} is {state}, weight {weight}",
            within=20,
        )

    def told(self) -> list[ProxyMemberChanged]:
        async def found() -> list[ProxyMemberChanged]:
            bus = Bus(BusAddress(url=self.bus.url), source="test")
            bus.start()
            try:
                await bus.usable(10)
                subject = f"vipbus.event.proxy.{ROUTER}.member-changed"
                return [
                    msgspec.json.decode(record.body, type=ProxyMemberChanged)
                    async for record in records(bus, subject, follow=False)
                ]
            finally:
                await bus.close()

        return asyncio.run(found())

    def heard(self, address: str, state: str, words: str) -> None:
        """Wait until it is told of a member, with these words in its cause."""
        member = f"{address}:{self._port}"
        eventually(
            lambda: any(
                (each.member, each.state) == (member, state) and words in each.cause for each in self.told()
            ),
            f"it is told that {address} is {state}: {words}",
        )

    def operate(self, address: str, state: Any) -> None:
        document = OperatorState(
            virtual_server="pool-web",
            real_server=f"{address.replace('.', '-')}_{self._port}",
            state=state or "drain",
            by="test",
            since=datetime.now(UTC),
        )
        write(self.bus, OPERATOR, document.key, document if state else None)


def test_haproxys_own_checks_take_members_out_and_a_reload_forgets_none(
    nats_server: NatsServer, programmer: Programmer, site: Everywhere
) -> None:
    world = World(nats_server, programmer, site.port)
    check = HaproxyHttpCheck(path="/health", interval=0.1, rise=2, fall=2)
    site.heal(FIRST, SECOND)
    world.publish(FIRST, SECOND, haproxy_check=check)
    world.serve(FIRST, SECOND)
    site.fail(FIRST)
    world.serve(SECOND)
    world.becomes(FIRST, "down")
    world.heard(FIRST, "down", "Layer7 wrong status")
    worker = programmer.workers()
    # so slow that nobody is checked again while it is looked at
    slow = msgspec.structs.replace(check, interval=600)
    world.publish(FIRST, SECOND, haproxy_check=slow)
    seen: set[str] = set()

    def reloaded() -> bool:
        seen.update(answers(programmer.port, 20))
        return worker[0] not in programmer.workers()

    eventually(reloaded, "the old worker is gone", within=20)
    seen.update(answers(programmer.port, 50))
    assert seen == {SECOND}
    site.heal(FIRST)
    world.publish(FIRST, SECOND, haproxy_check=check)
    world.serve(FIRST, SECOND)
    world.heard(FIRST, "up", "Layer7")
    assert " health " not in programmer.log
    site.heal(THIRD)
    worker = programmer.workers()
    world.publish(SECOND, THIRD, haproxy_check=check)
    world.serve(SECOND, THIRD)
    site.fail(THIRD)
    world.serve(SECOND)
    assert programmer.workers() == worker, "one that came in a slot is checked where it is"


def test_an_operators_word_holds_over_haproxys_checks(
    nats_server: NatsServer, programmer: Programmer, site: Everywhere
) -> None:
    world = World(nats_server, programmer, site.port)
    site.heal(FIRST, SECOND)
    world.publish(FIRST, SECOND, haproxy_check=HaproxyHttpCheck(path="/health", interval=0.1, fall=1))
    world.serve(FIRST, SECOND)
    world.operate(FIRST, "disable")
    world.becomes(FIRST, "disabled")
    world.serve(SECOND)
    world.operate(FIRST, None)
    world.serve(FIRST, SECOND)
    assert world.told() == [], "an operator's word is no news of a check"


def test_an_agents_weight_and_words_stay_as_it_said_them(
    nats_server: NatsServer, programmer: Programmer, site: Everywhere
) -> None:
    world = World(nats_server, programmer, site.port)
    port = free_port()
    with Agents([FIRST, SECOND], port) as agents:
        world.publish(FIRST, SECOND, agent_check=AgentCheck(port=port, interval=0.1, send="who 'is' #1\\"))
        world.serve(FIRST, SECOND)
        eventually(lambda: agents.heard(FIRST) == "who 'is' #1\\\n", "the agent hears its line")
        agents.say(FIRST, "drain")
        world.becomes(FIRST, "drain")
        world.serve(SECOND)
        asked = agents.asked(FIRST)
        eventually(lambda: agents.asked(FIRST) > asked + 30, "three seconds of looks", within=30)
        assert world.state(FIRST) == ("drain", 1)
        assert "state ready" not in programmer.log
        world.operate(FIRST, "disable")
        world.becomes(FIRST, "disabled")
        agents.say(FIRST, "ready up")
        asked = agents.asked(SECOND)
        eventually(lambda: agents.asked(SECOND) > asked + 30, "three seconds of looks", within=30)
        assert world.state(FIRST) == ("disabled", 1), "its agent is not asked"
        world.operate(FIRST, None)
        world.serve(FIRST, SECOND)
        agents.say(FIRST, "down #disk full")
        world.serve(SECOND)
        world.heard(FIRST, "down", "disk full")
        agents.say(FIRST, "up")
        world.serve(FIRST, SECOND)


def test_an_agent_of_this_host_calls_no_free_slot_up(
    nats_server: NatsServer, programmer: Programmer, site: Everywhere
) -> None:
    world = World(nats_server, programmer, site.port)
    port = free_port()
    with Agents([FIRST, "127.0.0.1"], port) as agents:
        world.publish(FIRST, agent_check=AgentCheck(port=port, interval=0.1))
        world.serve(FIRST)
        asked = agents.asked(FIRST)
        eventually(lambda: agents.asked(FIRST) > asked + 10, "a second", within=30)
        assert agents.asked("127.0.0.1") == 0
        worker = programmer.workers()
        world.publish("127.0.0.1", agent_check=AgentCheck(port=port, interval=0.1))
        world.serve("127.0.0.1")
        eventually(lambda: agents.asked("127.0.0.1") > 3, "one that came is asked")
        assert programmer.workers() == worker


def test_an_agents_weight_is_a_share_of_the_members_own_and_outlives_a_reload(
    nats_server: NatsServer, programmer: Programmer, site: Everywhere
) -> None:
    world = World(nats_server, programmer, site.port)
    port = free_port()
    agent = AgentCheck(port=port, interval=0.1)
    with Agents([FIRST, SECOND], port) as agents:
        members = [member(site.port, FIRST, weight=40), member(site.port, SECOND, weight=40)]

        def publish(**changes: Any) -> None:
            publish_config(nats_server.url, [proxy(programmer.port), pool(**changes), *members], ROUTER)

        publish(agent_check=agent)
        world.serve(FIRST, SECOND)
        agents.say(FIRST, "25%")
        world.becomes(FIRST, "up", 10)
    # nobody says it again
    publish(agent_check=agent, retries=7)
    eventually(lambda: "HAProxy reloaded" in programmer.log, "a reload", within=20)
    servers = observed(ask(programmer.haproxy / "stats.sock", QUESTION)).servers
    assert [servers["pool-web", each].weight for each in ("s1", "s2")] == [10, 40]
    assert "weight 40" not in programmer.log.partition("HAProxy reloaded")[2]


CHECKS = {
    "tcp": {"haproxy_check": HaproxyTcpCheck()},
    "times": {
        "haproxy_check": HaproxyTcpCheck(fast_interval=0.5, down_interval=10, timeout=1, rise=1, fall=1),
    },
    "http": {
        "haproxy_check": HaproxyHttpCheck(
            path="/a%20b",
            method="HEAD",
            host="app.example",
            status=(StatusRange(first=200, last=204), StatusRange(first=404, last=404)),
        )
    },
    "tls": {
        "haproxy_check": HaproxyHttpCheck(port=8443),
        "tls": PoolTls(verify=False, name="app.example"),
        "send_proxy": "v2",
    },
    "agent": {"agent_check": AgentCheck(port=1, address="127.0.0.1", send="$HOME `id` %[src] \\")},
    "both": {"haproxy_check": HaproxyTcpCheck(), "agent_check": AgentCheck(port=1)},
    "tcp pool": {"haproxy_check": HaproxyHttpCheck(), "mode": "tcp"},
}


@pytest.mark.parametrize("changes", CHECKS.values(), ids=CHECKS)
def test_haproxy_takes_every_way_to_check(changes: dict[str, Any]) -> None:
    with echoes(1) as servers, one_pool(servers, **changes) as (running, port):
        assert "pool-web" in running.ask("show servers state")
        if "tls" not in changes:
            assert get(port)[0] == 200
