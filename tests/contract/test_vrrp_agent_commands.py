"""The commands of the election on real routers: who is asked, what the wire makes of it, what is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.config import publish_config_on
from tests.support.nats import free_port, nats_server_binary
from tests.support.vrrp import VIP, Network, Router, instance, needs_root
from tests.support.waiting import eventually, eventually_async
from vipbus.bus import Bus, records
from vipbus.contracts import (
    ROLE,
    HandedOver,
    Handover,
    HandoverResult,
    InstanceReport,
    Role,
    VirtualAddress,
    VrrpReport,
)

pytestmark = needs_root

QUICK = {"version": 3, "advert_int": 0.1}
PRIORITIES = {"a": 150, "b": 100}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


def routers(network: Network) -> tuple[Router, Router]:
    """Start two routers on one bus; the first is active."""
    first, second = network.router("a"), network.router("b")
    port = free_port()
    first.namespace.spawn(
        [nats_server_binary(), "-a", "0.0.0.0", "-p", str(port), "-js", "-sd", str(first.directory / "js")],
        first.directory / "nats.log",
    )
    for router in (first, second):
        router.bus_url = f"nats://{first.address}:{port}"
        router.start()
        router.publish(instance(router.name, priority=PRIORITIES[router.name], **QUICK))
    network.held_by(first, 6)
    eventually(lambda: role(second) == "backup", "the second is backup")
    return first, second


def role(router: Router) -> str | None:
    found = router.role()
    return found.role if found else None


def vipbus(router: Router, *arguments: str) -> subprocess.CompletedProcess[str]:
    with router.namespace.entered():
        return subprocess.run(
            [sys.executable, "-m", "ctl", *arguments, "--bus", router.bus_url],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


def shown(router: Router) -> InstanceReport:
    async def ask(bus: Bus) -> InstanceReport:
        answer = await bus.request(f"vipbus.cmd.vrrp-agent.show.{router.name}", b"")
        (report,) = msgspec.json.decode(answer, type=VrrpReport).instances
        return report

    return router.on_bus(ask)


def test_show_tells_what_the_instance_does_and_has_counted(network: Network) -> None:
    first, second = routers(network)
    eventually(lambda: shown(first).sent >= 5, "some advertisements have gone out")
    eventually(lambda: shown(second).received >= 4, "and have come")
    told, other = shown(first), shown(second)
    assert (told.instance, told.role, told.priority, told.effective_priority) == ("VI_1", "active", 150, 150)
    assert (told.interface, told.virtual_router_id, told.version, told.family) == ("eth0", 51, 3, 4)
    assert (told.source, told.active_router, told.addresses) == (first.address, None, (VIP,))
    assert dict(told.transitions)["active"] == 1
    assert told.lateness is not None
    assert told.lateness.count >= 4
    assert told.lateness.p50 <= told.lateness.p99 <= told.lateness.max
    assert (other.role, other.active_router) == ("backup", first.address)
    assert other.since > told.since or other.epoch == 1
    text = vipbus(first, "vrrp", "show")
    assert (text.returncode, text.stderr) == (0, "")
    assert "router a" in text.stdout
    assert "router b" in text.stdout


@pytest.mark.parametrize("to", [(), ("--to", "b")])
def test_a_handover_moves_the_addresses_and_they_stay(network: Network, to: tuple[str, ...]) -> None:
    first, second = routers(network)
    told = vipbus(first, "handover", "VI_1", *to)
    assert (told.returncode, told.stderr) == (0, "")
    assert "\nb is active for VI_1 after " in told.stdout
    network.held_by(second, 4)
    eventually(lambda: role(first) == "backup", "the first is backup")
    before = first.role()
    # its priority is higher, and it leaves the other in peace all the same
    count = shown(first).received
    eventually(lambda: shown(first).received > count + 10, "a second of advertisements")
    assert second.holds()
    assert first.role() == before

    async def events(bus: Bus) -> list[HandedOver]:
        return [
            msgspec.json.decode(record.body, type=HandedOver)
            async for record in records(bus, "vipbus.event.instance.a.handed-over", follow=False)
        ]

    # a successor that dies is followed by the one that handed over
    assert first.on_bus(events) == [HandedOver(router="a", instance="VI_1", to="b" if to else None)]
    second.crash()
    network.held_by(first, 4)


def test_a_handover_that_nobody_can_take_leaves_everything_as_it_is(network: Network) -> None:
    first, second = routers(network)
    second.publish(instance("b", priority=100, interface="eth9", **QUICK))
    eventually(lambda: role(second) == "fault", "the second is in fault")

    def ask(to: str | None) -> HandoverResult:
        async def asked(bus: Bus) -> HandoverResult:
            body = msgspec.json.encode(Handover(instance="VI_1", to=to))
            return msgspec.json.decode(
                await bus.request("vipbus.cmd.vrrp-agent.handover.a", body, timeout=5), type=HandoverResult
            )

        return first.on_bus(asked)

    result = ask("b")
    assert not result.accepted
    assert "nothing was changed" in result.reason
    told = vipbus(first, "handover", "VI_1")
    assert told.returncode == 3
    assert told.stderr.startswith("vipbus handover: nobody can follow a for VI_1 (VRID 51): b is fault (")
    # whoever asks all the same finds the address where it was: nobody has followed
    assert ask(None).accepted
    eventually(lambda: "nobody followed" in shown(first).cause, "it has waited for a successor")
    assert first.holds()
    assert shown(first).role == "active"


def test_the_bus_is_told_of_priority_and_address_lists_as_they_are(network: Network) -> None:
    first, _ = routers(network)
    more = tuple(VirtualAddress(address=f"10.88.0.{n}", prefix=24, dev="eth0") for n in range(100, 110))

    async def story(bus: Bus) -> None:
        follow = bus.follow(ROLE)
        changed = instance("a", priority=160, virtual_ipaddress=more, **QUICK)
        await publish_config_on(bus, [changed], "a")

        def now() -> Role:
            return follow.entries["a.vi_1"].value

        await eventually_async(lambda: follow.live and len(now().addresses) == 10, "it is told")
        assert (now().priority, now().effective_priority, now().faults) == (160, 160, ())

    first.on_bus(story)
    assert len(shown(first).addresses) == 10
