"""``vipbus table`` on a real bus, with the programmer on the fake kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from ipvs_programmer.counters import Rates, Statistics
from ipvs_programmer.kernel import NoIpvsError
from ipvs_programmer.table import Counts, Destination, DestinationKey, Forwarding
from tests.contract.test_plan_command import WEB, Tell, quiet, tell, vipbus
from tests.support.shapes import as_documented
from tests.support.waiting import eventually_async
from tests.unit.ipvs_programmer.world import World
from vipbus.bus import RefusedError
from vipbus.bus.packed import unpack
from vipbus.contracts.table_commands import ReadTraffic, TableTraffic

__all__ = ["tell"]
SUBJECT = "vipbus.cmd.ipvs-programmer.traffic.router-a"
FIRST, SECOND = DestinationKey("10.9.0.21", 80), DestinationKey("10.9.0.22", 80)


def busy(w: World, connections: int = 100) -> None:
    """Have the kernel count something for one real server."""
    w.kernel.connections[WEB, FIRST] = Counts(active=7, inactive=2, persistent=1)
    w.kernel.statistics_of[WEB, FIRST] = Statistics(
        connections=connections,
        packets_in=2**40,
        packets_out=3,
        bytes_in=2**60,
        bytes_out=5,
        rates=Rates(connections=11, packets_in=12, packets_out=13, bytes_in=14, bytes_out=15),
    )


async def reals(w: World, *arguments: str) -> dict[str, dict[str, Any]]:
    """Ask for the table of router-a as JSON; its one virtual server's real servers by address."""
    status, out, err = await vipbus(w, "table", "--json", *arguments)
    assert (status, err) == (0, ""), err
    (router,) = as_documented("table", out)
    (server,) = router["virtual_servers"]
    assert server["name"] == "10.9.0.1:80 TCP"
    return {real["address"]: real for real in server["real_servers"]}


def test_what_the_kernel_counts_stands_beside_what_the_bus_says(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        busy(w)
        w.operator("drain", "10.9.0.22", why="new disk")
        w.verdict("up", "10.9.0.21", cause="answered in 0.4 ms")
        w.verdict("up", "10.9.0.22", cause="answered in 0.5 ms")
        await w.settled()
        await w.until(
            lambda: (d := w.document()) and [each.weight for each in d.destinations] == [1, 0], "it drains"
        )
        found = await reals(w)
        first, second = found["10.9.0.21"], found["10.9.0.22"]
        assert first["flow"] == {
            "active": 7,
            "inactive": 2,
            "persistent": 1,
            "connections": 100,
            "packets_in": 2**40,
            "packets_out": 3,
            "bytes_in": 2**60,
            "bytes_out": 5,
            "rates": {
                "connections": 11,
                "packets_in": 12,
                "packets_out": 13,
                "bytes_in": 14,
                "bytes_out": 15,
            },
        }
        assert (first["weight"], first["configured"], first["verdict"], first["cause"]) == (
            1,
            1,
            "up",
            "answered in 0.4 ms",
        )
        assert (second["weight"], second["operator"], second["operator_by"], second["operator_why"]) == (
            0,
            "drain",
            "ann",
            "new disk",
        )
        status, out, err = await vipbus(w, "table", "10.9.0.1:80")
        assert (status, err) == (0, "")
        assert "\033" not in out, "no colours in a pipe"
        lines = [line.strip() for line in out.splitlines()]
        assert lines[0] == "router router-a   1 virtual server"
        assert lines[1].startswith("10.9.0.1:80 TCP   rr; live weight ")
        assert (
            "10.9.0.22:80             NAT         0       0        0       0        0       0       0       0"
            in lines
        )
        assert any("configured 1, DRAINED by ann: new disk; up since" in line for line in lines)

    tell(story)


def test_live_rates_are_of_two_reads(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        busy(w, 100)
        asking = asyncio.ensure_future(reals(w, "--live"))
        reads = w.kernel.statistics
        seen = 0

        def counting(keys: Any = None) -> Any:
            nonlocal seen
            seen += 1
            busy(w, 100 * seen)
            return reads(keys)

        w.kernel.statistics = counting  # type: ignore[method-assign]  # to count between two reads
        flow = (await asking)["10.9.0.21"]["flow"]
        assert seen == 2
        assert flow["connections"] == 200
        # a second and the two requests lie between: never less than a second
        assert 20 < flow["rates"]["connections"] <= 100
        assert flow["rates"]["bytes_in"] == 0

    tell(story)


def test_a_terminal_is_drawn_anew_until_ctrl_c(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        busy(w)
        ours, theirs = pty.openpty()
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-m", "ctl", "table", "--live", "--bus", w.server.url],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        drawn = b""

        def draws() -> int:
            nonlocal drawn
            with contextlib.suppress(BlockingIOError):
                drawn += os.read(ours, 65536)
            return drawn.count(b"\033[H\033[J")

        try:
            await eventually_async(lambda: draws() >= 2, "it is drawn twice", within=30)
            assert b"10.9.0.21:80" in drawn
            process.send_signal(signal.SIGINT)
            status = await asyncio.to_thread(process.wait, 20)
            assert process.stderr is not None
            assert (status, process.stderr.read()) == (0, b"")
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    tell(story)


def test_a_destination_of_somebody_else_is_shown(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        alien = DestinationKey("10.9.0.99", 80)
        w.kernel.destinations[WEB][alien] = Destination(key=alien, forwarding=Forwarding.NAT, weight=1)
        found = await reals(w)
        assert (found["10.9.0.99"]["weight"], found["10.9.0.99"]["configured"]) == (None, None)

    tell(story)


def test_what_is_not_there_or_not_read_is_said(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        for arguments, said in (
            (("10.9.0.7:80",), "no virtual server '10.9.0.7:80'; there is 10.9.0.1:80 TCP"),
            (("--router", "router-q"), "no router 'router-q'; there is router-a"),
            (("",), "an empty name names nothing"),
            (("--router", ""), "an empty name names nothing"),
        ):
            status, out, err = await vipbus(w, "table", *arguments)
            assert (status, out, err) == (2, "", f"vipbus table: {said}\n")
        w.kernel.broken = NoIpvsError()
        status, out, err = await vipbus(w, "table")
        assert (status, "10.9.0.21:80" in out) == (3, True), "what was last heard is shown"
        assert err == f"vipbus table: router-a: {NoIpvsError()}\n"
        w.kernel.broken = None
        await w.kill()
        status, out, err = await vipbus(w, "table")
        assert (status, "LAST HEARD" in out) == (3, True)
        assert err == (
            "vipbus table: router-a: ipvs-programmer does not answer; is `vipbus run` running on router-a?\n"
        )

    tell(story)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"virtual_servers": 1}', b"\xff", b"[" * 9000])
def test_a_request_that_is_none_is_refused_and_the_next_is_served(tell: Tell, body: bytes) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        with pytest.raises(RefusedError):
            await w.bus.request(SUBJECT, body, timeout=20)
        answer = msgspec.json.decode(await w.bus.request(SUBJECT, b"{}", timeout=20), type=TableTraffic)
        assert [pool.virtual_server for pool in answer.pools] == ["10-9-0-1_80_tcp"]
        none = msgspec.json.encode(ReadTraffic(virtual_servers=("nonsense",)))
        answer = msgspec.json.decode(await w.bus.request(SUBJECT, none, timeout=20), type=TableTraffic)
        assert (answer.pools, answer.reason) == ((), "")

    tell(story)


def test_a_pool_of_thousands_fits_one_answer(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        for number in range(5000):
            of = DestinationKey(f"172.16.{number >> 8}.{number & 255}", 80)
            w.kernel.destinations[WEB][of] = Destination(key=of, forwarding=Forwarding.NAT, weight=1)
            w.kernel.statistics_of[WEB, of] = Statistics(
                connections=number * 7919, packets_in=hash(of) % 2**40, bytes_in=hash(of) % 2**50
            )
        answer = await w.bus.request(SUBJECT, b"{}", timeout=20)
        (pool,) = msgspec.json.decode(unpack(answer), type=TableTraffic).pools
        assert len(pool.destinations) == 5002
        assert len(answer) < 900_000

    tell(story)
