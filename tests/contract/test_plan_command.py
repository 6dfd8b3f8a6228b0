"""``vipbus plan`` on a real bus, with the programmer on the fake kernel: it changes nothing and is right."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctl.plan import planned
from ctl.probe_ask import entities_of
from ctl.programmers import ask
from ipvs_programmer.table import Counts, DestinationKey, Forwarding, ServiceKey
from tests.support.nats import NatsServer
from tests.support.shapes import as_documented
from tests.unit.ipvs_programmer.tables import key as service_key
from tests.unit.ipvs_programmer.test_loop import BOTH, steady
from tests.unit.ipvs_programmer.world import World, instance, real_server, virtual_server, world
from vipbus.bus import RefusedError, serve
from vipbus.bus.packed import pack, unpack
from vipbus.contracts import Condition, RealServer, VirtualServer
from vipbus.contracts.table_commands import PlanTable, TablePlan

SUBJECT = "vipbus.cmd.ipvs-programmer.plan.router-a"
WEB = ServiceKey(6, "10.9.0.1", 80)
HEAD = """
vrrp_instance VI_1 {
    state BACKUP
    interface lo
    virtual_router_id 51
    priority 100
    virtual_ipaddress { 10.9.0.1/32 dev lo }
}
"""
Tell = Callable[[Callable[[World], Awaitable[None]]], None]


@pytest.fixture
def tell(nats_server: NatsServer, tmp_path: Path) -> Tell:
    async def run(story: Callable[[World], Awaitable[None]]) -> None:
        async with world(nats_server, tmp_path / "state") as told, asyncio.timeout(120):
            await story(told)

    return lambda story: asyncio.run(run(story))


def configuration(*services: tuple[str, int, str, dict[str, int]], head: str = HEAD) -> str:
    """Write a keepalived.conf: each service's address, port and scheduler, its real servers and weights."""
    blocks = [head]
    for address, port, scheduler, reals in services:
        pool = "".join(
            f"    real_server {real} 80 {{\n        weight {weight}\n        TCP_CHECK {{ }}\n    }}\n"
            for real, weight in reals.items()
        )
        blocks.append(
            f"virtual_server {address} {port} {{\n    lb_algo {scheduler}\n    lb_kind NAT\n"
            f"    protocol TCP\n{pool}}}\n"
        )
    return "".join(blocks)


async def vipbus(w: World, *arguments: str) -> tuple[int, str, str]:
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ctl", *arguments, "--bus", w.server.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return told.returncode, told.stdout, told.stderr


async def quiet(w: World, **options: Any) -> int:
    """A steady programmer that looks for no drift meanwhile; returns how many batches its kernel has had."""
    await steady(w, drift_interval=600.0, **options)
    return len(w.kernel.batches)


def operations(plan: dict[str, Any]) -> dict[str, list[str]]:
    """What is planned, by virtual server."""
    return {pool["virtual_server"]: [each["text"] for each in pool["operations"]] for pool in plan["pools"]}


def test_a_table_that_is_as_it_should_be_needs_nothing(tell: Tell) -> None:
    async def story(w: World) -> None:
        batches = await quiet(w)
        status, out, err = await vipbus(w, "plan")
        assert out == (
            "router router-a: nothing to do as desired now (revision 1 runs); 1 virtual server compared\n"
        )
        assert (status, err) == (0, "")
        assert len(w.kernel.batches) == batches

    tell(story)


def test_what_somebody_else_changed_is_told_and_left(tell: Tell) -> None:
    async def story(w: World) -> None:
        batches = await quiet(w)
        pool = w.kernel.destinations[WEB]
        del pool[DestinationKey("10.9.0.21", 80)]
        second = DestinationKey("10.9.0.22", 80)
        pool[second] = msgspec.structs.replace(pool[second], weight=7, forwarding=Forwarding.DR)
        before = w.held()
        status, out, _ = await vipbus(w, "plan")
        assert out.splitlines() == [
            "router router-a: 2 operations on 1 of 1 virtual server as desired now (revision 1 runs): add 1",
            "  destination, edit 1 destination",
            "  10.9.0.1:80 TCP",
            "    add destination 10.9.0.21:80 to TCP 10.9.0.1:80 weight 1",
            "    edit destination 10.9.0.22:80 of TCP 10.9.0.1:80 weight 1 NAT (now weight 7 DR)",
        ]
        assert status == 1
        assert (w.held(), len(w.kernel.batches)) == (before, batches)

    tell(story)


def test_what_the_kernel_refuses_is_told_with_its_reason(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.kernel.schedulers.discard("mh")
        w.addresses.set("10.9.0.1")
        server = virtual_server(scheduler="mh")
        w.configure(instance(), server, real_server("10.9.0.21", of=server))
        await w.settled()
        w.run(drift_interval=600.0)
        await w.until(lambda: "mh" in w.problems(), "the kernel has refused")
        status, out, _ = await vipbus(w, "plan", "--json")
        (plan,) = as_documented("plan", out)
        assert status == 1
        (pool,) = plan["pools"]
        assert pool["refused"] == "the kernel has no scheduler mh: modprobe ip_vs_mh"
        assert dict(map(tuple, plan["counts"])) == {"add-service": 1, "add-destination": 1}

    tell(story)


def test_exactly_what_was_planned_for_a_file_is_done_when_it_is_applied(tell: Tell, tmp_path: Path) -> None:
    async def story(w: World) -> None:
        w.verdict("down", "10.9.0.25", cause="connection refused")
        w.operator("drain", "10.9.0.22")
        w.addresses.set("10.9.0.1")
        old, new = virtual_server(), virtual_server(port=81, instance=None)
        w.configure(
            instance(),
            old,
            *(real_server(address, of=old) for address in ("10.9.0.21", "10.9.0.22", "10.9.0.23")),
            new,
            real_server("10.9.0.21", of=new),
        )
        await w.settled()
        w.run(drift_interval=600.0)
        await w.until(lambda: len(w.held().get("TCP 10.9.0.1:80", ())) == 3, "the table is filled")
        file = tmp_path / "new.conf"
        file.write_text(
            configuration(
                # one comes, one is down, one is drained by an operator, one gets a weight, one goes
                ("10.9.0.1", 80, "wrr", {"10.9.0.21": 5, "10.9.0.22": 9, "10.9.0.24": 2, "10.9.0.25": 1}),
                # of an address that this router does not hold
                ("10.9.0.9", 80, "rr", {"10.9.0.21": 1}),
                head=HEAD
                + HEAD.replace("VI_1", "VI_9").replace("10.9.0.1/32", "10.9.0.9/32").replace("51", "59"),
            )
        )
        for of, address in ((80, "10.9.0.23"), (81, "10.9.0.21")):
            # what leaves has connections, and drains
            w.kernel.connections[service_key(port=of), DestinationKey(address, 80)] = Counts(1, 0)
        held, batches = w.held(), len(w.kernel.batches)
        status, out, err = await vipbus(w, "plan", "--config", str(file), "--json")
        assert (status, err) == (1, ""), err
        (plan,) = json.loads(out)
        assert (w.held(), len(w.kernel.batches)) == (held, batches), "a plan changes nothing"
        assert (plan["source"], plan["waiting"], plan["compared"]) == (str(file), 1, 3)
        expected = operations(plan)
        w.configure(*await entities_of(file, "router-a"))
        await w.settled()
        await w.until(lambda: len(w.kernel.batches) > batches, "the file is applied")
        await w.until(lambda: w.held()["TCP 10.9.0.1:81"] == ["10.9.0.21:80 0"], "what goes drains")
        done: dict[str, list[str]] = {}
        for batch in w.kernel.batches[batches:]:
            for operation in batch:
                key = operation.key
                assert isinstance(key, ServiceKey)
                done.setdefault(f"10-9-0-1_{key.port}_tcp", []).append(str(operation))
        assert done == expected
        assert "edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 5 NAT" in done["10-9-0-1_80_tcp"]
        assert not any("10.9.0.25" in text for texts in done.values() for text in texts)
        status, out, _ = await vipbus(w, "plan", "--config", str(file))
        assert status == 0, out
        assert "stays out of the table: the instance that owns the" in out

    tell(story)


def test_a_service_that_somebody_else_has_made_would_be_taken_over(tell: Tell, tmp_path: Path) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        of = msgspec.structs.replace(w.kernel.services[WEB], key=ServiceKey(6, "10.9.0.1", 443))
        w.kernel.services[of.key], w.kernel.destinations[of.key] = of, {}
        status, out, _ = await vipbus(w, "plan")
        assert (status, "443" in out) == (0, False), "what is foreign is nobody's business"
        file = tmp_path / "new.conf"
        reals = {"10.9.0.21": 1, "10.9.0.22": 1}
        file.write_text(configuration(("10.9.0.1", 80, "rr", reals), ("10.9.0.1", 443, "rr", reals)))
        status, out, _ = await vipbus(w, "plan", "-f", str(file))
        assert status == 1
        assert "  10.9.0.1:443 TCP   somebody else's stands there: it would be taken over\n" in out
        assert "add service" not in out

    tell(story)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "truncated"),
        (b"\xff\x00", "malformed"),
        (b"[" * 5000, "Expected `object`, got `array`"),
        (b'{"configuration": {"source": 1}}', "Expected `str`"),
        (b"\x78\x9c not zlib", "the body is no zlib stream"),
        (zlib.compress(b"{" + b" " * 70_000 + b"}")[:-5], "the body is no whole zlib stream"),
        (zlib.compress(b" " * (65 * 1024 * 1024)), "the body unpacks to more than"),
    ],
)
def test_a_request_that_is_none_is_refused_and_the_next_is_served(tell: Tell, body: bytes, said: str) -> None:
    async def story(w: World) -> None:
        batches = await quiet(w)
        with pytest.raises(RefusedError) as refused:
            await w.bus.request(SUBJECT, body, timeout=20)
        assert said.lower() in str(refused.value).lower()
        answer = msgspec.json.decode(await w.bus.request(SUBJECT, b"{}", timeout=20), type=TablePlan)
        assert (answer.compared, answer.counts) == (1, ())
        assert (w.held(), len(w.kernel.batches)) == (BOTH, batches)

    tell(story)


def test_what_cannot_be_planned_is_said(tell: Tell, tmp_path: Path) -> None:
    async def story(w: World) -> None:
        nobody = await vipbus(w, "plan")
        assert nobody == (3, "", "vipbus plan: no router is on this bus: start `vipbus run -f FILE`\n")
        w.run(drift_interval=600.0)
        await w.until(lambda: w.life is not None and w.life.bus.connected, "it is on the bus")
        answer = msgspec.json.decode(await w.bus.request(SUBJECT, b"{}", timeout=20), type=TablePlan)
        assert answer.reason.startswith("no whole configuration has come here yet")
        other = virtual_server()
        alien = PlanTable(
            configuration=planned(Path("x.conf"), [msgspec.structs.replace(other, router="router-z")])
        )
        with pytest.raises(RefusedError, match=r"x\.conf is of router router-z, and this one is router-a"):
            await w.bus.request(SUBJECT, msgspec.json.encode(alien), timeout=20)
        bad = tmp_path / "bad.conf"
        bad.write_text("virtual_server 10.9.0.1 80 {\n    lb_algo nonsense\n}\n")
        w.configure()
        await w.settled()
        status, out, err = await vipbus(w, "plan", "--config", str(bad))
        assert (status, out) == (2, "")
        assert f"{bad}:2:" in err
        assert err.endswith(f"vipbus plan: {bad} is refused\n")
        status, out, err = await vipbus(w, "plan", "--router", "router-q")
        assert (status, out) == (2, "")
        assert err == "vipbus plan: no router 'router-q'; there is router-a\n"
        await w.kill()
        status, out, err = await vipbus(w, "plan")
        assert (status, out) == (3, "")
        assert "router-a: ipvs-programmer does not answer; is `vipbus run` running on router-a?" in err

    tell(story)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"router": 1}', b"\x78\x9c\x00", b"\xff", b"[" * 9000])
def test_an_answer_that_is_none_is_said(tell: Tell, body: bytes) -> None:
    async def story(w: World) -> None:
        async def answer(_body: bytes) -> bytes:
            return body

        served = serve(
            w.bus,
            "ipvs-programmer",
            condition=_condition,
            metadata={},
            commands={"plan.router-a": answer},
        )
        await served.register()
        status, out, err = await vipbus(w, "plan")
        assert (status, out) == (3, "")
        assert err.startswith("vipbus plan: router-a: ipvs-programmer answered what is not understood: "), err
        assert err.count("\n") == 1

    tell(story)


def _condition() -> Condition:
    return msgspec.convert(
        {
            "service": "ipvs-programmer",
            "router": "router-a",
            "instance_id": "x",
            "version": "0",
            "pid": 1,
            "started": "2026-01-01T00:00:00Z",
            "ready": True,
        },
        type=Condition,
    )


def many(services: int, reals: int) -> list[VirtualServer | RealServer]:
    """Make so many of each, of addresses that pack badly."""
    numbers = [(number * 2654435761) % 2**24 for number in range(reals)]
    virtual = [
        virtual_server(f"10.{of >> 8}.{of & 255}.1", 80, instance=None, scheduler="wrr")
        for of in range(services)
    ]
    return [
        *virtual,
        *(
            real_server(
                f"172.{16 + (n >> 20)}.{(n >> 8) & 255}.{n & 255}",
                of=virtual[place % services],
                weight=n % 100,
            )
            for place, n in enumerate(numbers)
        ),
    ]


def test_the_largest_table_that_is_known_can_be_asked_about(tell: Tell) -> None:
    async def story(w: World) -> None:
        await quiet(w)
        asked = PlanTable(configuration=planned(Path("big.conf"), many(2284, 37298)))
        answer = await ask(w.bus, "router-a", "plan", asked, TablePlan, within=60)
        assert isinstance(answer, TablePlan), answer
        assert dict(answer.counts) == {
            "add-service": 2284,
            "add-destination": 37298,
            "edit-destination": 2,
        }
        assert (len(answer.pools), answer.left_out) == (2285, 0)
        assert w.held() == BOTH

    tell(story)


def test_what_the_bus_does_not_take_is_refused_in_words(tell: Tell) -> None:
    async def story(w: World) -> None:
        asked = PlanTable(configuration=planned(Path("x" * 80_000), many(3000, 70_000)))
        answer = await ask(w.bus, "router-a", "plan", asked, TablePlan, within=20)
        assert isinstance(answer, str)
        assert "bytes even when packed, and the bus takes 900000: ask about less" in answer

    tell(story)


def test_packing_is_undone_by_unpacking() -> None:
    for size in (0, 1, 65_536, 65_537, 1_000_000):
        body = b"{" + b"a" * size
        assert unpack(pack(body)) == body
    assert pack(b"{" + b"a" * 60_000)[:1] == b"{", "what is small stays readable"
    assert len(pack(b"{" + b"a" * 1_000_000)) < 10_000
