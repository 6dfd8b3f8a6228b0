"""``vipbus handover`` and ``vipbus vrrp show`` as processes, against the bus side of vrrp-agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.contract.agents import Router, Segment
from tests.contract.test_ctl import vipbus
from tests.support.nats import NatsServer
from tests.support.shapes import as_documented
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress, RefusedError, conditions
from vipbus.contracts import ROLE, Handover, HandoverResult, VirtualAddress, VrrpReport
from vrrp_agent.exchange import HandOver, Take


@pytest.fixture
def segment(nats_server: NatsServer, tmp_path: Path) -> Iterator[Segment]:
    with Segment(tmp_path, nats_server.url) as made:
        yield made


def settled(server: NatsServer, *routers: Router) -> None:
    """Wait until the bus knows the roles of these routers, and their agents answer."""

    async def known() -> bool:
        bus = Bus(BusAddress(url=server.url), source="test")
        follow = bus.follow(ROLE)
        bus.start()
        try:
            await bus.usable(30)
            answering = {each.router for each in await conditions(bus, "vrrp-agent")}
            wanted = {
                (router.name, name, state.role) for router in routers for name, state in router.states.items()
            }
            found = {(role.router, role.instance, role.role) for role in follow.values()}
            return wanted <= found and {router.name for router in routers} <= answering
        finally:
            await bus.close()

    eventually(lambda: asyncio.run(known()), "the bus knows the routers", within=30)


def asked(router: Router, kind: type) -> list[object]:
    return [command for command in router.asked if isinstance(command, kind)]


def test_a_handover_to_whoever_is_next(nats_server: NatsServer, segment: Segment) -> None:
    first, second = segment.router("router-a", "active"), segment.router("router-b", "backup")
    settled(nats_server, first, second)
    told = vipbus("handover", "vi_1", server=nats_server)
    assert (told.returncode, told.stderr) == (0, "")
    begun, followed = told.stdout.splitlines()
    assert begun == "router-a hands VI_1 over to whoever is next"
    assert followed.startswith("router-b is active for VI_1 after ")
    assert followed.endswith(" s: 192.0.2.1 left")
    assert (asked(second, Take), len(asked(first, HandOver))) == ([], 1)
    # and back again: by now the other one is active
    settled(nats_server, first, second)
    told = vipbus("handover", "VI_1", "--to", "Router-A", server=nats_server)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("router-b hands VI_1 over to router-a\nrouter-a is active for VI_1 after ")
    settled(nats_server, first, second)
    told = vipbus("handover", "VI_1", "--to", "router-a", server=nats_server)
    assert (told.returncode, told.stdout) == (0, "router-a is active for VI_1 already\n")
    told = vipbus("handover", "VI_1", "--json", server=nats_server)
    answer = as_documented("handover", told.stdout)
    assert (told.returncode, answer["done"], answer["router"], answer["instances"]) == (
        0,
        True,
        "router-a",
        ["VI_1"],
    )
    assert [each["router"] for each in answer["successors"]] == ["router-b"]


def test_the_router_that_was_named_follows_and_not_the_next(
    nats_server: NatsServer, segment: Segment
) -> None:
    first, second, third = (
        segment.router("router-a", "active"),
        segment.router("router-b", "backup"),
        segment.router("router-c", "backup"),
    )
    settled(nats_server, first, second, third)
    told = vipbus("handover", "VI_1", "--to", "router-c", server=nats_server)
    assert (told.returncode, told.stderr) == (0, "")
    assert (
        "\nrouter-b has priority 120, router-c 100: unless it has nopreempt, it takes over next\n"
        in told.stdout
    )
    assert "\nrouter-c is active for VI_1 after " in told.stdout
    assert asked(third, Take) == [Take(instance="vi_1", ticket=1)]
    assert asked(first, HandOver) == [HandOver(instance="vi_1", to="router-c", ticket=1)]


def test_a_sync_group_goes_as_a_whole(nats_server: NatsServer, segment: Segment) -> None:
    first = segment.router("router-a", "active", "active", "active", group="VG_1")
    second = segment.router("router-b", "backup", "backup", "backup", group="VG_1")
    settled(nats_server, first, second)
    told = vipbus("handover", "VI_2", server=nats_server)
    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[1] == "VI_2 is in sync group VG_1: VI_1, VI_3 go too"
    assert sorted(line.split()[4] for line in lines[2:]) == ["VI_1", "VI_2", "VI_3"]


def refuses(router: Router) -> None:
    router.refuses = "VI_1 is busy"


def hears_nothing(router: Router) -> None:
    router.deaf = True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (refuses, "router-a refuses: router-b refuses: VI_1 is busy; nothing was changed"),
        (hears_nothing, "router-a refuses: router-b refuses: the election loop of router-b has not answered"),
    ],
)
def test_a_target_that_does_not_take_changes_nothing(
    nats_server: NatsServer, segment: Segment, change: Callable[[Router], None], said: str
) -> None:
    first, second = segment.router("router-a", "active"), segment.router("router-b", "backup")
    settled(nats_server, first, second)
    change(second)
    told = vipbus("handover", "VI_1", "--to", "router-b", server=nats_server)
    assert told.returncode == 3
    assert said in told.stderr
    assert asked(first, HandOver) == []


def test_what_is_no_handover_is_one_line_that_helps(nats_server: NatsServer, segment: Segment) -> None:
    first, second = (
        segment.router("router-a", "active", "active"),
        segment.router("router-b", "fault", "active"),
    )
    settled(nats_server, first, second)

    def handover(*arguments: str) -> tuple[int, str]:
        told = vipbus("handover", *arguments, server=nats_server)
        assert told.stdout == ""
        return told.returncode, told.stderr

    for arguments, status, said in (
        (("VI_9",), 2, "no instance 'VI_9' on this bus; there is VI_1, VI_2"),
        (("VI_1", "--to", "router-x"), 2, "router-x has no instance VI_1; it is on router-a, router-b"),
        (("VI_1",), 3, "nobody can follow router-a for VI_1 (VRID 51): router-b is fault (started)"),
        (("VI_1", "--to", "router-b"), 3, "router-b cannot follow for VI_1 (VRID 51): router-b is fault"),
        (
            ("VI_2",),
            3,
            "router-a and router-b are both active for VI_2 (VRID 52): they do not hear each other",
        ),
    ):
        found, told = handover(*arguments)
        assert found == status, told
        assert told.startswith(f"vipbus handover: {said}")
        assert told.count("\n") == 1
    second.stop()
    assert handover("VI_1", "--to", "router-b") == (
        3,
        (
            "vipbus handover: router-b cannot follow for VI_1 (VRID 51): the vrrp-agent of router-b does not "
            "answer\n"
        ),
    )
    assert asked(first, HandOver) == []


def test_nobody_follows(nats_server: NatsServer, segment: Segment) -> None:
    first, second = segment.router("router-a", "active"), segment.router("router-b", "backup")
    settled(nats_server, first, second)
    first.alone = True
    told = vipbus("handover", "VI_1", "--wait", "0.5", server=nats_server)
    assert told.returncode == 3
    assert told.stderr == (
        "vipbus handover: no other router is active for VI_1 after 0.5 s; router-a is active: started; "
        "`vipbus vrrp show VI_1` tells how the others are\n"
    )
    told = vipbus("handover", "VI_1", "--wait", "0", server=nats_server)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "it has begun")
    second.stop()
    told = vipbus("handover", "VI_1", "--wait", "0.5", server=nats_server)
    assert told.returncode == 3
    assert "no other router of VI_1 answers on this bus: whoever hears it leave follows" in told.stdout


def test_show_in_words_and_in_json(nats_server: NatsServer, segment: Segment) -> None:
    first, second = segment.router("router-a", "active", "active"), segment.router("router-b", "backup")
    settled(nats_server, first, second)

    def show(*arguments: str) -> tuple[int, str, str]:
        told = vipbus("vrrp", "show", *arguments, server=nats_server)
        return told.returncode, told.stdout, told.stderr

    def in_json(*arguments: str) -> list[tuple[str, list[str]]]:
        status, text, error = show("--json", *arguments)
        assert (status, error) == (0, "")
        as_documented("vrrp show", text)
        reports = msgspec.json.decode(text, type=list[VrrpReport])
        return [(each.router, [one.instance for one in each.instances]) for each in reports]

    status, text, error = show()
    assert (status, error) == (0, "")
    assert text.startswith("router router-a   2 instances\n  VI_1            ACTIVE, since ")
    assert "\nrouter router-b   1 instance\n  VI_1            backup, since " in text
    assert "\n    tracks        interface eth1 up\n" in text
    assert in_json() == [("router-a", ["VI_1", "VI_2"]), ("router-b", ["VI_1"])]
    assert in_json("vi_2") == [("router-a", ["VI_2"])]
    assert in_json("--router", "Router-B") == [("router-b", ["VI_1"])]
    assert show("VI_9") == (
        2,
        "",
        "vipbus vrrp show: no instance 'VI_9' on router-a, router-b; there is VI_1, VI_2\n",
    )
    assert show("--router", "nobody") == (
        3,
        "",
        "vipbus vrrp show: nobody: vrrp-agent does not answer; is `vipbus run` running on nobody?\n",
    )
    second.stop()
    status, text, error = show("VI_1")
    assert (status, text.count("router router-")) == (3, 1)
    assert (
        error
        == "vipbus vrrp show: router-b: vrrp-agent does not answer; is `vipbus run` running on router-b?\n"
    )


def test_an_empty_bus_has_nothing_to_show(nats_server: NatsServer) -> None:
    told = vipbus("vrrp", "show", server=nats_server)
    assert (told.returncode, told.stderr) == (
        3,
        "vipbus vrrp show: no vrrp-agent is on this bus: start `vipbus run -f FILE`\n",
    )


def test_what_is_asked_of_an_agent_is_answered_whatever_it_is(
    nats_server: NatsServer, segment: Segment
) -> None:
    """Hostile bodies, an answer too large for the bus, and a second after them all is as it was."""
    first = segment.router("router-a", "active")
    settled(nats_server, first)
    config = first.states["VI_1"].config
    many = tuple(VirtualAddress(address=f"fd00::{n:x}:1", prefix=64, dev="eth0") for n in range(255))
    large = msgspec.structs.replace(config, virtual_ipaddress=many)
    first.states |= {
        f"L{n}": msgspec.structs.replace(
            first.states["VI_1"], config=msgspec.structs.replace(large, name=f"L{n}")
        )
        for n in range(400)
    }

    async def story() -> None:
        bus = Bus(BusAddress(url=nats_server.url), source="test")
        bus.start()
        await bus.usable(30)
        for verb in ("handover", "take", "show"):
            for body in (b"{", b"\xff", b"[]", b'{"instance":1}', b"[" * 100_000):
                with pytest.raises(RefusedError):
                    await bus.request(f"vipbus.cmd.vrrp-agent.{verb}.router-a", body)
        with pytest.raises(
            RefusedError, match=r"the answer is too large for the bus \(\d+ bytes\): ask for less"
        ):
            await bus.request("vipbus.cmd.vrrp-agent.show.router-a", b"", timeout=10)
        one = await bus.request("vipbus.cmd.vrrp-agent.show.router-a", b'{"instance":"VI_1"}', timeout=10)
        assert len(msgspec.json.decode(one, type=VrrpReport).instances) == 1
        for asked_for in (
            Handover(instance="x" * 100_000, to="\033[2J"),
            Handover(instance="VI_1", to="x" * 100_000),
            Handover(instance="VI_1", to="*"),
            Handover(instance="VI_1", to=">.x"),
        ):
            body = msgspec.json.encode(asked_for)
            answer = await bus.request("vipbus.cmd.vrrp-agent.handover.router-a", body, timeout=5)
            result = msgspec.json.decode(answer, type=HandoverResult)
            assert not result.accepted
            assert "has no instance" in result.reason or "nothing was changed" in result.reason
        assert first.bridge.connected
        assert asked(first, HandOver) == []
        await bus.close()

    asyncio.run(asyncio.wait_for(story(), 60))
    told = vipbus("vrrp", "show", server=nats_server)
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr.startswith("vipbus vrrp show: router-a: the answer is too large for the bus (")
