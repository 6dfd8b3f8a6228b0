"""config-service as a process over a real Docker engine and a real nats-server: who is in the pool, when.

The engine is the test's own (tests/support/docker_engine.py); its containers answer nothing, and nobody asks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.docker_engine import DockerEngine, running, why_not
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress, conditions
from vipbus.contracts import CONFIG, Condition, Head, TcpCheck
from vipbus.runtime.revision import Revisions

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

FILE = """\
vrrp_instance demo {
    interface eth1
    virtual_router_id 91
    virtual_ipaddress { 10.211.9.100 }
}
virtual_server 10.211.9.100 80 {
    delay_loop 2
    lb_kind NAT
    protocol TCP
}
"""
LABELS = {"vipbus.virtual-server": "10.211.9.100:80", "vipbus.port": "8080"}
TAKES = 20.0
"""Seconds that ought to be enough for what takes tens of milliseconds."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with running(tmp_path_factory.mktemp("docker")) as engine:
        yield engine


@pytest.fixture
def empty(engine: DockerEngine) -> DockerEngine:
    for container in engine.client.containers.list(all=True):
        container.remove(force=True)
    return engine


class Service:
    """One config-service that follows the engine, and a bus beside it."""

    def __init__(self, bus: Bus, server: NatsServer, docker: str, directory: Path) -> None:
        self._bus = bus
        self._server = server
        self._docker = docker
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._file = directory / "lb.conf"
        self._file.write_text(FILE)
        self.all = bus.follow(CONFIG)

    def start(self, *docker: str) -> None:
        options = docker or ("--docker", self._docker)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "config_service", "--bus", self._server.url, *options),
                *("--state-dir", str(self._directory), "--file", f"r1={self._file}"),
            ]
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def pool(self) -> dict[str, int]:
        """Give the weights of a whole revision's real servers by their containers."""
        revisions = Revisions()
        revisions.update(self.all.entries)
        if not self.all.live or "r1" not in revisions.routers:
            return {"not whole": 0}
        reals = revisions.routers["r1"].real_servers
        return {each.origin.removeprefix("docker "): each.weight for each in reals}

    async def has(self, within: float = TAKES, **pool: int) -> None:
        wanted = {name.replace("_", "-"): weight for name, weight in pool.items()}
        await eventually_async(lambda: self.pool() == wanted, f"the pool is {wanted}", within=within)

    @property
    def cause(self) -> str:
        head = self.all.entries["r1.head"].value
        assert isinstance(head, Head)
        return head.cause

    async def problems(self) -> tuple[str, ...]:
        found: list[Condition] = await conditions(self._bus, "config-service")
        return tuple(text for each in found for text in each.problems)

    async def says(self, start: str) -> str:
        """Wait until it has a problem that begins so, and give it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for text in await self.problems():
                if text.startswith(start):
                    return text
        raise AssertionError(f"not said: {start}")


Story = Callable[[Service], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture
def tell(nats_server: NatsServer, empty: DockerEngine, tmp_path: Path) -> Tell:
    """Run a story with a config-service over an engine without containers."""

    async def told(story: Story) -> None:
        bus = Bus(BusAddress(url=nats_server.url), source="test")
        bus.start()
        one = Service(bus, nats_server, empty.url, tmp_path)
        try:
            await bus.usable(30)
            one.start()
            await story(one)
        finally:
            one.kill()
            await bus.close()

    return lambda story: asyncio.run(asyncio.wait_for(told(story), 100))


def test_the_life_of_a_container(tell: Tell, empty: DockerEngine) -> None:
    before = empty.run("web-1", LABELS)

    async def story(one: Service) -> None:
        await one.has(web_1=1, within=20)
        revisions = Revisions()
        revisions.update(one.all.entries)
        (real,) = revisions.routers["r1"].real_servers
        before.reload()
        address = before.attrs["NetworkSettings"]["Networks"]["servers"]["IPAddress"]
        assert (real.address, real.port) == (address, 8080)
        assert real.checks == (TcpCheck(address=address, port=8080, interval=2.0),)

        second = empty.run("web-2", {**LABELS, "vipbus.weight": "5"})
        await one.has(web_1=1, web_2=5)
        assert one.cause == "docker: web-2 in"

        second.pause()
        await one.has(web_1=1)
        second.unpause()
        await one.has(web_1=1, web_2=5)

        # it takes three seconds to stop, and is out of the set as soon as it is told
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(second.stop, timeout=30))
        await one.has(web_1=1)
        assert not stopping.done()
        print(f"out {time.monotonic() - began:.3f} s after the stop began")
        await stopping
        second.start()
        await one.has(web_1=1, web_2=5)

        second.kill(signal="SIGHUP")
        second.kill(signal="SIGKILL")
        await one.has(web_1=1)
        second.remove()
        before.rename("web-9")
        await one.has(web_9=1)

    tell(story)


def test_a_health_check_decides(tell: Tell, empty: DockerEngine) -> None:
    second = 1_000_000_000
    check = {"test": ["CMD", "/bin/test", "-e", "/tmp/well"], "interval": second // 2, "retries": 1}

    async def story(one: Service) -> None:
        await one.has(within=20)
        container = empty.run("web-1", LABELS, healthcheck={**check, "start_period": 60 * second})
        other = empty.run("web-2", LABELS)
        await one.has(web_2=1)
        assert container.exec_run(["touch", "/tmp/well"]).exit_code == 0
        await one.has(web_1=1, web_2=1)
        assert container.exec_run(["rm", "/tmp/well"]).exit_code == 0
        await one.has(web_1=0, web_2=1)
        assert container.exec_run(["touch", "/tmp/well"]).exit_code == 0
        await one.has(web_1=1, web_2=1)
        # when nobody is healthy the pool is not emptied
        assert container.exec_run(["rm", "/tmp/well"]).exit_code == 0
        await one.has(web_1=0, web_2=1)
        other.remove(force=True)
        await one.has(web_1=1)
        await one.says("all containers of 10.211.9.100:80 TCP are unhealthy")

    tell(story)


def test_a_lost_engine_keeps_the_set_and_what_happened_meanwhile_is_seen(
    tell: Tell, empty: DockerEngine
) -> None:
    containers = [empty.run(f"web-{number}", LABELS) for number in (1, 2, 3)]

    async def story(one: Service) -> None:
        await one.has(web_1=1, web_2=1, web_3=1, within=20)
        containers[0].reload()
        process = containers[0].attrs["State"]["Pid"]
        empty.kill()
        lost = f"the Docker engine at {empty.url} does not answer"
        told = await one.says(lost)
        assert told.endswith("its 3 real servers stay as they were")
        # nobody can tell of this
        os.kill(process, signal.SIGKILL)
        assert one.pool() == {"web-1": 1, "web-2": 1, "web-3": 1}
        # and a config-service that starts meanwhile takes nothing away either
        one.kill()
        one.start()
        await one.says(lost)
        assert one.pool() == {"web-1": 1, "web-2": 1, "web-3": 1}
        await asyncio.to_thread(empty.start)
        await one.has(web_2=1, web_3=1, within=30)
        empty.run("web-4", LABELS)
        await one.has(web_2=1, web_3=1, web_4=1)
        assert await one.problems() == ()

    tell(story)


def test_a_restart_does_not_bring_back_who_is_stopping(tell: Tell, empty: DockerEngine) -> None:
    slow = ["sh", "-c", "trap 'sleep 8; exit 0' TERM; while :; do sleep 0.1; done"]
    container = empty.run("web-1", LABELS, command=slow)

    async def story(one: Service) -> None:
        await one.has(web_1=1, within=20)
        stopping = asyncio.create_task(asyncio.to_thread(container.stop, timeout=30))
        await one.has()
        one.kill()
        empty.run("web-2", LABELS)
        one.start()
        await one.has(web_2=1, within=6)
        assert not stopping.done()
        await stopping

    tell(story)


def test_without_the_option_the_set_goes(tell: Tell, empty: DockerEngine) -> None:
    empty.run("web-1", LABELS)

    async def story(one: Service) -> None:
        await one.has(web_1=1, within=20)
        one.kill(signal.SIGTERM)
        one.start("--log", "line")
        await one.has(within=20)

    tell(story)


def test_who_cannot_be_a_real_server_is_named(tell: Tell, empty: DockerEngine) -> None:
    async def story(one: Service) -> None:
        await one.has(within=20)
        empty.run("bad-host", LABELS, network="host")
        empty.run("bad-pool", {**LABELS, "vipbus.virtual-server": "wbe"})
        empty.run("bad-port", {**LABELS, "vipbus.port": "0"})
        two = empty.run("bad-networks", LABELS)
        empty.client.networks.get("others").connect(two)
        good = empty.run("web-1", LABELS)
        await one.has(web_1=1)
        expected = [
            "container bad-host: it uses its host's network",
            "container bad-networks: it is in the networks others, servers",
            "container bad-pool: no virtual server is 'wbe'",
            "container bad-port: label vipbus.port is '0'",
        ]
        said = sorted(await one.problems())
        assert [text[: len(start)] for text, start in zip(said, expected, strict=True)] == expected
        empty.client.networks.get("others").disconnect(two)
        await one.has(web_1=1, bad_networks=1)
        for container in empty.client.containers.list():
            if container.name != good.name:
                container.remove(force=True)
        await one.has(web_1=1)
        assert await one.problems() == ()

    tell(story)
