"""Hints on a real bus: a real server that is suspected is checked at once, and only the check decides."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.config import publish_config_on
from tests.support.nats import NatsServer, free_port
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, DestinationSuspected, RealServer, TcpCheck, VerdictName
from vipbus.telemetry import trace

VS = "10-9-0-1_80_tcp"
_HOUR = 3600.0


class Stage:
    """A prober that would look once an hour, and the port it looks at."""

    def __init__(self, server: NatsServer, bus: Bus, state: Path) -> None:
        self.server = server
        self.bus = bus
        self.health = bus.follow(HEALTH)
        self._state = state
        self._prober: subprocess.Popen[bytes] | None = None
        self._metrics = free_port()
        self._port = free_port()
        self._listener: socket.socket | None = None
        self.open()
        check = TcpCheck(address="127.0.0.1", port=self._port, interval=_HOUR, timeout=20.0, retry=0)
        self.real = RealServer(
            router="r1",
            virtual_server=VS,
            address="127.0.0.1",
            port=self._port,
            checks=(check,),
            suspect_after=10,
        )

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))

    def shut(self) -> None:
        if self._listener is not None:
            self._listener.close()

    @property
    def runs(self) -> int:
        """Count the attempts that ended."""
        url = f"http://127.0.0.1:{self._metrics}/metrics"
        text = urlopen(url, timeout=5).read().decode()
        found = [line for line in text.splitlines() if line.startswith("vipbus_probes_total{")]
        return sum(int(float(line.rpartition(" ")[2])) for line in found)

    @property
    def verdict(self) -> VerdictName | None:
        entry = self.health.entries.get(f"{VS}.{self.real.id}")
        return entry.value.verdict if entry else None

    def start(self) -> None:
        self._prober = subprocess.Popen(
            [
                *(sys.executable, "-m", "health_prober", "--id", "p1"),
                *("--bus", self.server.url, "--state-dir", str(self._state)),
                *("--listen", f"127.0.0.1:{self._metrics}"),
            ]
        )

    def stop(self) -> None:
        if self._prober is not None:
            self._prober.terminate()
            self._prober.wait()
        self.shut()

    async def suspect(self, real_server: str | None = None) -> None:
        event = DestinationSuspected(
            router="r1", virtual_server=VS, real_server=real_server or self.real.id, inactive=12
        )
        await self.bus.publish(event, trace.record("test"))


@pytest.fixture
def play(nats_server: NatsServer, tmp_path: Path) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Play a story with a prober that has found the real server up."""

    async def whole(story: Callable[[Stage], Awaitable[None]]) -> None:
        bus = Bus(BusAddress(url=nats_server.url), source="test")
        bus.start()
        await bus.usable(30)
        stage = Stage(nats_server, bus, tmp_path)
        try:
            await publish_config_on(bus, [stage.real], "r1")
            stage.start()
            await eventually_async(lambda: stage.verdict == "up", "the first verdict", within=20)
            await story(stage)
        finally:
            stage.stop()
            await bus.close()

    return lambda story: asyncio.run(asyncio.wait_for(whole(story), 90))


Play = Callable[[Callable[[Stage], Awaitable[None]]], None]


def test_a_dead_one_is_found_an_hour_early(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.shut()
        await stage.suspect()
        await eventually_async(lambda: stage.verdict == "down", "it is down")
        stage.open()
        await asyncio.sleep(1.0)  # hints that come sooner than this are not taken
        await stage.suspect()
        await eventually_async(lambda: stage.verdict == "up", "and up again")
        assert stage.runs == 3

    play(story)


def test_a_hint_about_a_healthy_one_changes_nothing(play: Play) -> None:
    async def story(stage: Stage) -> None:
        before = stage.health.revision
        await stage.suspect()
        await eventually_async(lambda: stage.runs >= 2, "it was looked at")
        stage.shut()
        await stage.suspect("10-9-0-99_80")  # nobody's
        await asyncio.sleep(1.5)
        assert (stage.runs, stage.verdict, stage.health.revision) == (2, "up", before)

    play(story)


def test_many_hints_are_few_checks_and_noise_is_none(play: Play) -> None:
    async def story(stage: Stage) -> None:
        subject = "vipbus.event.destination.r1.suspected"
        for noise in (b"", b"{", b"[]", b"\xff", b"{}", b"[" * 10_000, b"x" * 100_000):
            await stage.bus.client().publish(subject, noise)
        for _ in range(300):
            await stage.suspect()
        await eventually_async(lambda: stage.runs >= 2, "it was looked at")
        assert stage.runs < 20
        assert stage.verdict == "up"

    play(story)


def test_hints_are_heard_after_the_bus_was_away(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.server.kill()
        await eventually_async(lambda: not stage.bus.connected, "the bus is away")
        stage.server.start()
        await eventually_async(lambda: stage.bus.connected, "it is back", within=20)
        stage.shut()

        async def found() -> None:
            while stage.verdict != "down":
                await stage.suspect()
                await asyncio.sleep(0.2)

        await asyncio.wait_for(found(), 30)

    play(story)
