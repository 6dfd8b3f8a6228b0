"""Tracked verdicts and services on a real bus: what the loop is told of them, and what it is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.support.config import publish_config_on
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from tests.unit.ctl.documents import condition, verdict
from tests.unit.vrrp_agent.test_report import state
from vipbus.bus import Bus, BusAddress, StateWriter, serve
from vipbus.contracts import (
    HEALTH,
    PROXY_PROCESS,
    Condition,
    Entity,
    ProxyProcess,
    RealServer,
    TcpCheck,
    Track,
    Verdict,
)
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vipbus.telemetry import trace
from vrrp_agent import bus_sources
from vrrp_agent.bridge import Bridge
from vrrp_agent.exchange import BusLost, Command, Configure, Mailbox, SourceSeen

WEB = "10-9-0-1_80_tcp"
FIRST = f"{WEB}.10-9-0-21_80"
PROGRAMMER = "ipvs-programmer.router-a"
TRACE = trace.record("test")


class Agent:
    """The bus side of one router's agent; notes what it tells its loop."""

    def __init__(self, directory: Path, bus: str) -> None:
        self.told: list[Command] = []
        self._inbox: Mailbox[Command] = Mailbox(self._take)
        self._lock = threading.Lock()
        self._bridge = Bridge(
            settings=Settings(router="router-a", state_dir=directory, bus=bus, log="line", listen=None),
            router="router-a",
            readiness=Readiness("vrrp-agent", "router-a"),
            inbox=self._inbox,
        )

    def _take(self) -> None:
        with self._lock:
            self.told += self._inbox.take()

    def seen(self, name: str) -> list[tuple[bool | None, str]]:
        """Give what was told of one source, in order."""
        return [
            (each.up, each.cause) for each in self.told if isinstance(each, SourceSeen) and each.name == name
        ]

    def __enter__(self) -> Agent:
        self._bridge.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bridge.finish()


@pytest.fixture
def agent(nats_server: NatsServer, tmp_path: Path) -> Iterator[Agent]:
    with Agent(tmp_path, nats_server.url) as made:
        yield made


def run(server: NatsServer, test: Callable[[Bus], Awaitable[None]]) -> None:
    async def story() -> None:
        bus = Bus(BusAddress(url=server.url), source="test")
        bus.start()
        try:
            await bus.usable(30)
            await test(bus)
        finally:
            await bus.close()

    asyncio.run(asyncio.wait_for(story(), 90))


def tracking(*tracks: Track) -> list[Entity]:
    config = msgspec.structs.replace(state("VI_1").config, router="router-a", tracks=tracks)
    return [
        config,
        *(
            RealServer(
                router="router-a",
                virtual_server=WEB,
                address=address,
                port=80,
                checks=(TcpCheck(address=address, port=80),),
            )
            for address in ("10.9.0.21", "10.9.0.22")
        ),
    ]


def say(writer: StateWriter[Verdict], address: str, name: str, cause: str = "why") -> None:
    told = verdict(address, name, cause=cause)
    writer.set(told.key, told, TRACE)


VERDICTS = (Track(kind="verdict", name=WEB, weight=-20), Track(kind="verdict", name=FIRST))


def test_a_virtual_server_is_down_when_none_of_its_real_servers_is_up(
    nats_server: NatsServer, agent: Agent
) -> None:
    async def story(bus: Bus) -> None:
        await publish_config_on(bus, tracking(*VERDICTS), "router-a")
        await eventually_async(lambda: agent.seen(WEB) and agent.seen(FIRST), "both are known")
        assert agent.seen(WEB) == [(True, "a real server of it is up")]
        assert agent.seen(FIRST) == [(True, "no verdict yet")]
        # the configuration comes first: the loop knows what is tracked before it hears of it
        assert isinstance(
            next(each for each in agent.told if isinstance(each, Configure | SourceSeen)), Configure
        )
        writer = StateWriter(bus, HEALTH)
        say(writer, "10.9.0.21", "down", "connection refused")
        await eventually_async(lambda: len(agent.seen(FIRST)) == 2, "one is down")
        assert agent.seen(FIRST)[-1] == (False, "connection refused")
        assert len(agent.seen(WEB)) == 1
        say(writer, "10.9.0.22", "down", "connection refused")
        await eventually_async(lambda: len(agent.seen(WEB)) == 2, "all are down")
        assert agent.seen(WEB)[-1] == (
            False,
            "no real server of it is up: 10.9.0.21:80 connection refused, and 1 more",
        )
        say(writer, "10.9.0.22", "unknown")
        await eventually_async(lambda: agent.seen(WEB)[-1][0], "unknown is not down")
        # what nobody tracks any more is not told, and is told anew when it is tracked again
        await publish_config_on(bus, tracking(), "router-a")
        await eventually_async(lambda: _configured(agent) == 2, "it is not tracked any more")
        before = len(agent.seen(FIRST))
        say(writer, "10.9.0.21", "up")
        assert await writer.flushed(5)
        await publish_config_on(bus, tracking(VERDICTS[1]), "router-a")
        await eventually_async(lambda: len(agent.seen(FIRST)) > before, "it is tracked again")
        assert agent.seen(FIRST)[before:] == [(True, "why")]
        await writer.close()

    run(nats_server, story)


def _configured(agent: Agent) -> int:
    return sum(isinstance(each, Configure) for each in agent.told)


def test_a_bus_that_is_away_changes_nothing_and_is_caught_up_with(
    nats_server: NatsServer, agent: Agent
) -> None:
    async def story(bus: Bus) -> None:
        await publish_config_on(bus, tracking(VERDICTS[1]), "router-a")
        writer = StateWriter(bus, HEALTH)
        say(writer, "10.9.0.21", "down", "first")
        await eventually_async(lambda: (False, "first") in agent.seen(FIRST), "it is down")
        for cause in ("second", "third"):
            lost = sum(isinstance(each, BusLost) for each in agent.told)
            nats_server.kill()
            await eventually_async(
                lambda lost=lost: sum(isinstance(each, BusLost) for each in agent.told) > lost,  # type: ignore[misc]  # bound
                "the loss is noticed",
            )
            told = len(agent.seen(FIRST))
            nats_server.start()
            say(writer, "10.9.0.21", "down", cause)
            await eventually_async(
                lambda told=told: len(agent.seen(FIRST)) > told,  # type: ignore[misc]  # bound
                "what came meanwhile is told",
                within=30,
            )
            # nothing in between: neither the loss nor the reconnect is an opinion about the real server
            assert agent.seen(FIRST)[told:] == [(False, cause)]
        await writer.close()

    run(nats_server, story)


def test_a_tracked_proxy_is_what_its_haproxy_is_said_to_be(nats_server: NatsServer, agent: Agent) -> None:
    def process(router: str, cause: str, *, answers: bool) -> ProxyProcess:
        return ProxyProcess(router=router, answers=answers, cause=cause, since=datetime.now(UTC))

    async def story(bus: Bus) -> None:
        await publish_config_on(bus, tracking(Track(kind="proxy", name="web"), VERDICTS[1]), "router-a")
        await eventually_async(lambda: agent.seen(FIRST), "the other source is known")
        assert agent.seen("web") == [], "unknown is nothing"
        writer = StateWriter(bus, PROXY_PROCESS)
        for found in (
            process("router-b", "of the other router", answers=False),
            process("router-a", "it answers", answers=True),
        ):
            writer.set(found.key, found, TRACE)
        await eventually_async(lambda: agent.seen("web"), "it is known")
        silent = process("router-a", "no answer within 5 s", answers=False)
        writer.set(silent.key, silent, TRACE)
        await eventually_async(lambda: len(agent.seen("web")) == 2, "it is down")
        # what vanishes takes nothing back, and the loss of the bus neither
        writer.delete(silent.key, TRACE)
        assert await writer.flushed(5)
        nats_server.kill()
        await eventually_async(lambda: any(isinstance(each, BusLost) for each in agent.told), "it is noticed")
        nats_server.start()
        back = process("router-a", "it answers again", answers=True)
        writer.set(back.key, back, TRACE)
        await eventually_async(lambda: len(agent.seen("web")) > 2, "it is up", within=30)
        assert agent.seen("web") == [
            (True, "it answers"),
            (False, "no answer within 5 s"),
            (True, "it answers again"),
        ]
        await writer.close()

    run(nats_server, story)


def test_names_that_are_no_subjects_leave_the_bus_alone(nats_server: NatsServer, agent: Agent) -> None:
    names = ("*", ">", "a b", "a.b.c", "", f"{WEB}.>", "x" * 5000)
    tracks = [Track(kind=kind, name=name) for name in names for kind in ("verdict", "service")]  # type: ignore[arg-type]  # kinds

    async def story(bus: Bus) -> None:
        await publish_config_on(bus, tracking(*tracks, VERDICTS[1]), "router-a")
        await eventually_async(
            lambda: (True, "no verdict yet") in agent.seen(FIRST), "the sound one is known"
        )
        for name in names:
            assert agent.seen(name)
            assert not any(up is False for up, _ in agent.seen(name))
        writer = StateWriter(bus, HEALTH)
        say(writer, "10.9.0.21", "down", "refused")
        await eventually_async(lambda: (False, "refused") in agent.seen(FIRST), "the bus still works")
        assert not any(isinstance(each, BusLost) for each in agent.told)
        await writer.close()

    run(nats_server, story)


def test_a_service_is_down_when_it_says_so_and_when_it_is_silent(
    nats_server: NatsServer, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sources, "_SETTLED", 0.0)
    monkeypatch.setattr(bus_sources, "_EVERY", 0.1)
    well = condition("ipvs-programmer", "router-a")
    ailing = condition("ipvs-programmer", "router-a", problems=("no IPVS; load ip_vs", "and more"))

    async def story(bus: Bus) -> None:
        programmer = Bus(BusAddress(url=nats_server.url), source="programmer")
        programmer.start()
        now: list[Condition] = [well]
        serve(programmer, "ipvs-programmer", condition=lambda: now[0], metadata={})
        serve(bus, "ipvs-programmer", condition=lambda: condition("ipvs-programmer", "router-b"), metadata={})
        elsewhere = Track(kind="service", name="ipvs-programmer")
        tracks = (Track(kind="service", name=PROGRAMMER), elsewhere, Track(kind="service", name="nobody"))
        await publish_config_on(bus, tracking(*tracks), "router-a")
        await eventually_async(lambda: agent.seen(PROGRAMMER), "it answers")
        await eventually_async(lambda: agent.seen("nobody"), "nobody does not", within=20)
        now[0] = ailing
        await eventually_async(lambda: len(agent.seen(PROGRAMMER)) > 1, "it says that it is not ready")
        now[0] = well
        await eventually_async(lambda: len(agent.seen(PROGRAMMER)) > 2, "it is ready again")
        await programmer.close()
        await eventually_async(lambda: len(agent.seen(PROGRAMMER)) > 3, "it is gone", within=20)
        assert agent.seen(PROGRAMMER) == [
            (True, "ready"),
            (False, "no IPVS; load ip_vs"),
            (True, "ready"),
            (False, "it does not answer"),
        ]
        assert agent.seen("nobody") == [(False, "it does not answer")]
        # one that is ready is enough where no router is named
        assert agent.seen("ipvs-programmer") == [(True, "ready")]

    run(nats_server, story)


def test_a_bus_that_restarts_makes_no_service_silent(
    nats_server: NatsServer, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sources, "_EVERY", 0.1)
    asked = 0

    def count() -> Condition:
        nonlocal asked
        asked += 1
        return condition("ipvs-programmer", "router-a")

    async def story(bus: Bus) -> None:
        serve(bus, "ipvs-programmer", condition=count, metadata={})
        await publish_config_on(bus, tracking(Track(kind="service", name=PROGRAMMER)), "router-a")
        await eventually_async(lambda: agent.seen(PROGRAMMER), "it answers")
        for _ in range(2):
            nats_server.kill()
            await eventually_async(lambda: not bus.connected, "the loss is noticed")
            nats_server.start()
            await bus.usable(30)
            before = asked
            await eventually_async(lambda before=before: asked > before + 3, "it is asked again", within=20)  # type: ignore[misc]  # bound
        assert agent.seen(PROGRAMMER) == [(True, "ready")]

    run(nats_server, story)
