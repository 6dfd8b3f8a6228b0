"""``vipbus status``, ``events`` and ``config reload`` as processes, against a real nats-server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.support.nats import NatsServer, free_port
from tests.support.shapes import as_documented
from tests.support.waiting import eventually, eventually_async
from tests.unit.ctl.documents import ROUTERS, SERVERS, condition, head, revision, role, table, verdict
from vipbus.bus import Bus, BusAddress, Command, StateWriter, records, serve
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    ROLE,
    TABLE,
    ConfigAccepted,
    ReloadResult,
    ServiceRestarted,
    encoded,
    entity_count,
    revision_digest,
)
from vipbus.runtime.life import announce_restart, connect
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vipbus.telemetry import trace

TRACE = trace.record("test")


def vipbus(
    *arguments: str, server: NatsServer | None = None, within: float = 20
) -> subprocess.CompletedProcess[str]:
    bus = ("--bus", server.url) if server else ()
    return subprocess.run(
        [sys.executable, "-m", "ctl", *arguments, *bus],
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


@asynccontextmanager
async def connected(server: NatsServer, source: str = "test") -> AsyncIterator[Bus]:
    bus = Bus(BusAddress(url=server.url), source=source)
    bus.start()
    try:
        await bus.usable(30)
        yield bus
    finally:
        await bus.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]  # an async def is a coroutine function


async def write(bus: Bus, *, verdicts: str = "up") -> None:
    """Write everything that two healthy routers write."""
    for router in ROUTERS:
        whole = revision(router)
        bodies = encoded((*whole.instances, *whole.virtual_servers, *whole.real_servers))
        for key, body in bodies.items():
            await bus.write(CONFIG, key, body, last=0, trace=TRACE)
        named = msgspec.structs.replace(
            head(router), entities=entity_count(bodies), digest=revision_digest(bodies)
        )
        await bus.write(CONFIG, named.key, msgspec.json.encode(named), last=0, trace=TRACE)
        name = "active" if router == ROUTERS[0] else "backup"
        for bucket, document in (
            (ROLE, role(router, name)),
            (TABLE, table(router, programmed=name == "active")),
        ):
            await bus.write(bucket, document.key, msgspec.json.encode(document), last=0, trace=TRACE)
    for address in SERVERS:
        told = verdict(address, verdicts)
        await bus.write(HEALTH, told.key, msgspec.json.encode(told), last=0, trace=TRACE)


def serve_all(bus: Bus) -> None:
    """Answer as every service of both routers would."""
    for service, router in (
        ("config-service", ROUTERS[0]),
        ("health-prober", ROUTERS[0]),
        *((service, router) for router in ROUTERS for service in ("vrrp-agent", "ipvs-programmer")),
    ):
        told = condition(service, router)
        serve(bus, service, condition=lambda told=told: told, metadata={"router": router})  # type: ignore[misc]  # bound


def test_status_of_a_healthy_bus_is_0_and_of_an_ailing_one_3(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            await write(bus)
            serve_all(bus)
            well = await asyncio.to_thread(vipbus, "status", server=nats_server)
            assert well.stdout.startswith("vipbus: ready\n"), well.stdout
            assert (well.returncode, well.stderr) == (0, "")
            told = verdict(SERVERS[0], "down", cause="connection refused")
            writer = StateWriter(bus, HEALTH)
            writer.set(told.key, told, TRACE)
            assert await writer.flushed(5)
            ailing = await asyncio.to_thread(vipbus, "status", "--json", server=nats_server)
            report = as_documented("status", ailing.stdout)
            assert (ailing.returncode, ailing.stderr, report["ready"]) == (3, "", False)
            assert report["not_ready"] == [
                "10.9.0.1:80 TCP: 1 of 2 real servers is not up: 10.9.0.21:80 down (connection refused)"
            ]
            assert [found["name"] for found in report["routers"]] == list(ROUTERS)
            await writer.close()

    run(story)


def test_status_survives_what_is_not_readable(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            await write(bus)
            serve_all(bus)
            for bucket in (CONFIG, ROLE, TABLE, HEALTH):
                for number, body in enumerate((b"{", b"\xff", b"[]", b'{"kind":"newer"}')):
                    await bus.write(bucket, f"odd.{number}", body, last=0, trace=TRACE)
            told = await asyncio.to_thread(vipbus, "status", server=nats_server)
            assert (told.returncode, told.stderr) == (0, "")
            assert told.stdout.count("is not readable") == 16

    run(story)


def test_status_of_an_empty_bus_says_what_to_do(nats_server: NatsServer) -> None:
    told = vipbus("status", server=nats_server)
    assert (told.returncode, told.stderr) == (3, "")
    assert "no router is configured on this bus: start `vipbus run -f FILE`" in told.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "--json"],
        ["events"],
        ["config", "reload"],
        ["handover", "VI_1"],
        ["drain", "10.9.0.21:80"],
        ["vrrp", "show"],
        ["table"],
        ["plan"],
        ["probe", "10.9.0.1:80"],
    ],
)
def test_without_a_bus_every_command_says_so_in_words(command: list[str], tmp_path: Path) -> None:
    away = vipbus(*command, "--bus", f"nats://127.0.0.1:{free_port()}")
    assert away.returncode == 3
    assert "does not answer" in away.stdout + away.stderr
    unknown = vipbus(*command, "--state-dir", str(tmp_path))
    assert unknown.returncode == 3
    said = " ".join((unknown.stdout + unknown.stderr).split())
    assert "bus.json does not exist; start `vipbus run`, or give --state-dir DIR or --bus URL" in said
    (tmp_path / "bus.json").write_text("{")
    assert "is damaged" in " ".join(vipbus(*command, "--state-dir", str(tmp_path)).stdout.split()) or (
        "is damaged" in vipbus(*command, "--state-dir", str(tmp_path)).stderr
    )
    for told in (away, unknown):
        assert "Traceback" not in told.stdout + told.stderr


def test_events_replays_what_was_asked_for_and_ends(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server, "tester") as bus:
            await write(bus)
            await bus.publish(
                ConfigAccepted(
                    router="router-a", revision=3, source="lb.conf", added=4, changed=0, removed=0
                ),
                TRACE,
            )
            await eventually_async_lines(bus, 13)
        everything = await asyncio.to_thread(vipbus, "events", server=nats_server)
        assert (everything.returncode, everything.stderr) == (0, "")
        assert len(everything.stdout.splitlines()) == 13
        health = await asyncio.to_thread(vipbus, "events", "state.health", server=nats_server)
        assert [line.split(" ", 3)[2:] for line in health.stdout.splitlines()] == [
            [
                f"state.health.10-9-0-1_80_tcp.{address.replace('.', '-')}_80",
                f"{address}:80 of 10.9.0.1:80 TCP up: answered in 0.4 ms",
            ]
            for address in SERVERS
        ]
        nothing = await asyncio.to_thread(vipbus, "events", "event.table.>", server=nats_server)
        assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "")
        as_json = await asyncio.to_thread(vipbus, "events", "--json", "event.>", server=nats_server)
        (event,) = as_documented("events", as_json.stdout)
        assert event["type"] == "vipbus.event.config.accepted"
        assert event["source"] == "tester"
        assert event["data"]["revision"] == 3
        assert event["traceparent"] == TRACE.traceparent

    run(story)


async def eventually_async_lines(bus: Bus, number: int) -> None:
    """Wait until the history, which reads the buckets behind their writers, holds so many messages."""

    async def held() -> int:
        return len([found async for found in records(bus, "vipbus.>", follow=False)])

    async with asyncio.timeout(10):
        while await held() < number:  # noqa: ASYNC110  # the history tells nobody when it has caught up
            await asyncio.sleep(0.02)


def test_a_bad_subject_is_one_clear_error(nats_server: NatsServer) -> None:
    told = vipbus("events", "health.>", server=nats_server)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == (
        "vipbus events: 'health.>' is not in the history; subjects there begin with state. or event.\n"
    )


def test_follow_goes_on_over_a_killed_bus_without_a_gap_or_a_repeat(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story() -> None:
        out, err = tmp_path / "out", tmp_path / "err"
        command = (
            sys.executable,
            "-m",
            "ctl",
            "events",
            "--follow",
            "state.health",
            "--bus",
            nats_server.url,
        )
        with out.open("wb") as output, err.open("wb") as errors:
            follower = subprocess.Popen(  # noqa: ASYNC220  # nothing else runs in this loop yet
                # a job in the background ignores SIGINT, and so would what it starts
                ["env", "--default-signal=INT", *command],
                stdout=output,
                stderr=errors,
            )
        try:
            async with connected(nats_server) as bus:
                writer = StateWriter(bus, HEALTH)
                for count in range(10):
                    if count in (3, 6):
                        nats_server.kill()
                        nats_server.start()
                    told = verdict(SERVERS[0], cause=f"number {count}")
                    writer.set(told.key, told, TRACE)
                    assert await writer.flushed(15)
                    await eventually_async(
                        lambda c=count: f"number {c}\n" in out.read_text(), f"{count}", within=20
                    )  # type: ignore[misc]  # bound
                await writer.close()
        finally:
            follower.send_signal(signal.SIGINT)
            status = follower.wait(10)
        assert [line.rpartition(" ")[2] for line in out.read_text().splitlines()] == [
            str(n) for n in range(10)
        ]
        assert status == 130
        assert "Traceback" not in err.read_text()

    run(story)


def test_a_reader_that_has_enough_is_no_error(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            await write(bus)
            await eventually_async_lines(bus, 12)

    run(story)
    command = f"{sys.executable} -m ctl events --bus {nats_server.url}"
    told = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert len(told.stdout.splitlines()) == 1


def test_a_history_made_anew_is_read_from_its_beginning(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            await write(bus)
            await eventually_async_lines(bus, 12)
            found = [record.sequence async for record in records(bus, "vipbus.>", after=10, follow=False)]
            assert found == [11, 12]
            anew = [record.sequence async for record in records(bus, "vipbus.>", after=500, follow=False)]
            assert anew == list(range(1, 13))

    run(story)


def answering(*results: ReloadResult) -> Command:
    """Give a command that answers these, one after another."""
    left = list(results)

    async def reload(_body: bytes) -> bytes:
        return msgspec.json.encode(left.pop(0))

    return reload


def test_reload_prints_what_became_of_it(nats_server: NatsServer) -> None:
    async def story() -> None:
        async def reload(*named: str) -> tuple[int, str, str]:
            told = await asyncio.to_thread(vipbus, "config", "reload", *named, server=nats_server)
            return told.returncode, told.stdout, told.stderr

        async with connected(nats_server) as bus, connected(nats_server) as another:
            status, _, said = await reload()
            assert (status, said) == (
                3,
                "vipbus config reload: nobody serves vipbus.cmd.config-service.reload\n",
            )
            first = ReloadResult(accepted=True, revisions=(("router-b", 4),), warnings=("lb.conf:2: x",))
            second = ReloadResult(accepted=True, revisions=(("router-a", 7),))
            bad = ReloadResult(accepted=False, revisions=(("router-b", 4),), reason="lb.conf:3: no")
            for each, router, results in (
                (bus, "router-b", (first, bad)),
                (another, "router-a", (second, second, second)),
            ):
                told = condition("config-service", router)
                served = serve(each, "config-service", condition=lambda told=told: told, metadata={})  # type: ignore[misc]  # bound
                served.add("reload", answering(*results))
                served.add(f"reload.{router}", answering(*results))
            await asyncio.gather(bus.request("$SRV.PING", b""), another.request("$SRV.PING", b""))
            # every config-service of the bus is asked, or the one that serves the router
            assert await reload() == (
                0,
                "accepted; router-a runs revision 7, router-b runs revision 4\n",
                "warning: lb.conf:2: x\n",
            )
            status, out, _ = await reload("--json", "--router", "router-a")
            assert (status, as_documented("config reload", out)["revisions"]) == (0, [["router-a", 7]])
            assert await reload("--router", "Router-A") == (0, "accepted; router-a runs revision 7\n", "")
            answered = await reload("--router", "router-b")
            assert answered == (0, "accepted; router-b runs revision 4\n", "warning: lb.conf:2: x\n")
            assert await reload() == (
                2,
                "",
                (
                    "lb.conf:3: no\n"
                    "vipbus config reload: refused; router-a runs revision 7, router-b runs revision 4\n"
                ),
            )
            status, _, said = await reload("--router", "router-c")
            assert (status, said) == (
                3,
                "vipbus config reload: nobody serves vipbus.cmd.config-service.reload.router-c\n",
            )

    run(story)


def test_a_restarted_service_says_so_once(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story() -> None:
        settings = Settings(
            router="router-a", state_dir=tmp_path, bus=nats_server.url, log="line", listen=None
        )
        life = connect("vrrp-agent", settings, Readiness("vrrp-agent", "router-a"))
        announce_restart(life, {"VIPBUS_RESTARTED": "3 killed by SIGKILL"})
        for said_nothing in ({}, {"VIPBUS_RESTARTED": ""}, {"VIPBUS_RESTARTED": "often"}):
            announce_restart(life, said_nothing)
        life.bus.start()
        await life.bus.usable(30)
        nats_server.kill()
        nats_server.start()
        await eventually_async(lambda: not life.bus.connected, "the loss is noticed")
        await life.bus.usable(30)
        async with connected(nats_server) as bus:
            await eventually_async_lines(bus, 1)
            found = [record async for record in records(bus, "vipbus.event.>", follow=False)]
        assert [msgspec.json.decode(record.body, type=ServiceRestarted) for record in found] == [
            ServiceRestarted(router="router-a", service="vrrp-agent", reason="killed by SIGKILL", restarts=3)
        ]
        assert found[0].stored <= datetime.now(UTC)
        await life.bus.close()

    run(story)


def test_follow_waits_for_a_bus_that_is_not_there_yet(nats_server: NatsServer, tmp_path: Path) -> None:
    nats_server.kill()
    err = tmp_path / "err"
    with err.open("wb") as errors:
        follower = subprocess.Popen(
            [sys.executable, "-m", "ctl", "events", "--follow", "--bus", nats_server.url],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        eventually(lambda: "waiting for it" in err.read_text(), "it says that it waits")
        nats_server.start()

        async def story() -> None:
            async with connected(nats_server) as bus:
                await write(bus)

        run(story)
        assert follower.stdout is not None
        assert b"state." in follower.stdout.readline()
        assert err.read_text().count("\n") == 1
    finally:
        follower.kill()
        follower.wait()
