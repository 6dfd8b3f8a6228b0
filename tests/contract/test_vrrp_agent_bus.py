"""vrrp-agent and the bus: what it is told, what it tells, and that the election never needs it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.config import publish_config_on
from tests.support.otlp import otlp_receiver
from tests.support.vrrp import VIP, Network, Router, instance, needs_root
from tests.support.waiting import eventually, eventually_async
from vipbus.bus import Bus, Follow, StateWriter, conditions, records
from vipbus.contracts import ROLE, TABLE, InstanceTable, Role, TableDocument, VirtualAddress
from vipbus.telemetry import trace

pytestmark = needs_root

QUICK = {"version": 3, "advert_int": 0.1}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


def router_with_bus(network: Network, name: str = "a") -> Router:
    router = network.router(name)
    router.start_bus()
    return router


def role_is(follow: Follow[Role], role: str) -> bool:
    return any(each.role == role for each in follow.values())


@contextlib.asynccontextmanager
async def programmer(bus: Bus, router: str, *, error: str = "") -> AsyncIterator[list[Role]]:
    """Answer every new active epoch as the programmer does; yield the roles that were answered."""
    writer: StateWriter[TableDocument] = StateWriter(bus, TABLE)
    answered: list[Role] = []

    def answer() -> None:
        for role in follow.values():
            if role.role == "active" and role not in answered:
                answered.append(role)
                table = InstanceTable(
                    router=router,
                    instance=role.instance,
                    epoch=role.epoch,
                    armed=not error,
                    virtual_servers=1,
                    destinations=2,
                    revision=role.revision,
                    error=error,
                )
                writer.set(table.key, table, trace.record("kernel write"))

    follow = bus.follow(ROLE, on_change=answer)
    try:
        yield answered
    finally:
        await writer.close()


async def metric(router: Router, name: str) -> float:
    """Read one sample from the agent's /metrics, from inside its namespace."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 9100)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)]
    assert values, f"{router} has no {name} in {text}"
    return float(values[0])


def test_a_configuration_from_the_bus_runs_and_the_role_is_told(network: Network) -> None:
    router = router_with_bus(network)
    # a second: the agent that is killed at the end has three to be back in
    config = instance("a", version=3, advert_int=1.0)
    router.start()

    async def story(bus: Bus) -> None:
        roles = bus.follow(ROLE)
        await publish_config_on(bus, [config], "a")
        await eventually_async(lambda: role_is(roles, "backup"), "it is backup")
        await eventually_async(lambda: role_is(roles, "active"), "it is active")
        role = roles.entries["a.vi_1"].value
        assert (role.epoch, role.revision, role.addresses) == (2, 1, (VIP,))
        assert role.cause == "nobody is active"
        # the same instances in a newer revision: told, and nothing else changes
        await publish_config_on(bus, [config], "a")
        await eventually_async(lambda: roles.entries["a.vi_1"].value.revision == 2, "the revision is told")
        after = roles.entries["a.vi_1"].value
        assert msgspec.structs.replace(after, revision=1) == role
        found = await conditions(bus)
        assert [(each.service, each.revisions, each.problems) for each in found] == [
            ("vrrp-agent", (("a", 2),), ())
        ]

    router.on_bus(story)
    assert router.holds()
    # a killed agent goes on with its epoch, and so does one whose bus is gone
    router.kill_bus()
    router.kill()
    router.start()
    eventually(lambda: "VI_1 is active: resumed" in router.output(), "it resumed from what it saved")


@pytest.mark.parametrize(("error", "outcome"), [("", "armed"), ("no ip_vs in this kernel", "failed")])
def test_addresses_wait_for_the_table(network: Network, error: str, outcome: str) -> None:
    router = router_with_bus(network)
    router.start(VIPBUS_LISTEN="127.0.0.1:9100")

    async def story(bus: Bus) -> None:
        async with programmer(bus, "a", error=error) as answered:
            await publish_config_on(bus, [instance("a", **QUICK)], "a")
            await eventually_async(router.holds, "it holds the address")
            assert len(answered) == 1
            name = f'vipbus_vrrp_arm_outcomes_total{{outcome="{outcome}"}}'
            assert await metric(router, name) == 1
            waited = await metric(router, f'vipbus_vrrp_arm_wait_seconds_sum{{outcome="{outcome}"}}')
            assert waited < 0.1

    router.on_bus(story)
    assert ("without a table: no ip_vs" in router.output()) == bool(error)


def test_addresses_wait_for_no_table_longer_than_a_tenth_of_a_second(network: Network) -> None:
    router = router_with_bus(network)
    router.start(VIPBUS_LISTEN="127.0.0.1:9100")

    async def story(bus: Bus) -> None:
        await publish_config_on(bus, [instance("a", **QUICK)], "a")
        await eventually_async(router.holds, "it holds the address")
        assert await metric(router, 'vipbus_vrrp_arm_outcomes_total{outcome="timeout"}') == 1
        waited = await metric(router, 'vipbus_vrrp_arm_wait_seconds_sum{outcome="timeout"}')
        assert 0.1 <= waited < 0.2

    router.on_bus(story)


def test_a_dead_bus_stops_no_election_and_hears_of_it_later(network: Network) -> None:
    first, second = network.router("a"), router_with_bus(network, "b")
    first.save(instance("a", priority=150, **QUICK))
    first.start()
    network.held_by(first, 4)
    second.start()
    second.publish(instance("b", priority=100, **QUICK))
    eventually(lambda: "is active with priority 150" in second.output(), "the second is backup")
    second.kill_bus()
    eventually(lambda: "is away; going on" in second.output(), "the loss is noticed")
    first.crash()
    took = eventually(second.holds, "the second took over", within=3)
    assert took < 0.3 + 0.1 + 0.5
    second.restart_bus()

    async def story(bus: Bus) -> None:
        roles = bus.follow(ROLE)
        await eventually_async(lambda: role_is(roles, "active"), "the role is told")

    second.on_bus(story)


def test_new_settings_change_what_they_must_and_no_more(network: Network) -> None:
    router = router_with_bus(network)
    router.start()
    base = instance("a", **QUICK)
    more = (*base.virtual_ipaddress, VirtualAddress(address="10.88.0.101", prefix=24, dev="eth0"))

    async def story(bus: Bus) -> None:
        roles = bus.follow(ROLE)

        def role() -> Role:
            return roles.entries["a.vi_1"].value

        await publish_config_on(bus, [base], "a")
        await eventually_async(lambda: role_is(roles, "active"), "it is active")
        epoch = role().epoch
        changed = msgspec.structs.replace(base, priority=120, virtual_ipaddress=more)
        await publish_config_on(bus, [changed], "a")
        await eventually_async(lambda: router.holds("10.88.0.101"), "the new address is there")
        await eventually_async(lambda: len(role().addresses) == 2, "it is told")
        assert (role().priority, role().epoch, role().role) == (120, epoch, "active")
        await publish_config_on(bus, [base], "a")
        await eventually_async(lambda: not router.holds("10.88.0.101"), "it is gone again")
        assert router.holds()
        # another virtual router is another election
        await publish_config_on(bus, [msgspec.structs.replace(base, virtual_router_id=52)], "a")
        await eventually_async(lambda: role().virtual_router_id == 52 and role().role == "active", "it moved")
        assert role().epoch > epoch
        # an instance that is removed leaves nothing behind
        await publish_config_on(bus, [], "a")
        await eventually_async(lambda: not roles.entries, "the role is deleted")
        assert not router.holds()

    router.on_bus(story)


def test_an_instance_that_cannot_run_is_named_and_the_others_run(network: Network) -> None:
    router = router_with_bus(network)
    router.start()
    wrong = instance("a", name="VI_2", virtual_router_id=52, advert_int=0.5)

    async def story(bus: Bus) -> None:
        roles = bus.follow(ROLE)
        await publish_config_on(bus, [wrong, instance("a", **QUICK)], "a")
        await eventually_async(lambda: role_is(roles, "active"), "the other is active")
        problems = [problem for each in await conditions(bus) for problem in each.problems]
        assert problems == ["VI_2: advert_int 0.5 is not 1-255 whole seconds, as version 2 asks"]

    router.on_bus(story)


def test_what_happens_is_published(network: Network) -> None:
    router, rival = router_with_bus(network), network.router("b")
    router.start()

    async def story(bus: Bus) -> None:
        async def first(subject: str) -> dict[str, object]:
            for _ in range(50):
                async for record in records(bus, subject, follow=False):
                    told: dict[str, object] = msgspec.json.decode(record.body)
                    return told
            raise AssertionError(f"nothing on {subject}")

        roles = bus.follow(ROLE)
        await publish_config_on(bus, [instance("a", **QUICK)], "a")
        await eventually_async(lambda: role_is(roles, "active"), "it is active")
        await eventually_async(router.holds, "it holds the address")
        await eventually_async(lambda: "is put back" in router.output() or _take_away(router), "it is missed")
        assert (await first("vipbus.event.instance.a.address-restored"))["address"] == VIP
        assert router.holds()
        # only once it has been active for an interval is another one no relic of the takeover
        settled = time.monotonic() + 0.2
        await eventually_async(lambda: time.monotonic() > settled, "an interval")
        await _advertise_as(rival)
        told = await first("vipbus.event.instance.a.dual-master-seen")
        assert (told["other"], told["winner"]) == (rival.address, router.address)

    router.on_bus(story)


def _take_away(router: Router) -> bool:
    router.namespace.run("ip", "addr", "del", f"{VIP}/24", "dev", "eth0", check=False)
    return False


async def _advertise_as(rival: Router) -> None:
    """Send one advertisement of a router that does not yield."""
    from vrrp_agent.expected import Expected, pack  # noqa: PLC0415
    from vrrp_agent.packet import compose, seal  # noqa: PLC0415

    told = Expected.of(instance("b", version=3, advert_int=0.1), {})
    message = seal(compose(told, 50), told, pack(rival.address), told.packed_group)
    program = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)\n"
        "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)\n"
        f"s.bind(({rival.address!r}, 0))\n"
        f"s.sendto({message!r}, ('224.0.0.18', 0))\n"
    )
    await asyncio.to_thread(rival.namespace.run, "python3", "-c", program)


def test_a_takeover_is_one_trace(network: Network) -> None:
    router = router_with_bus(network)
    with router.namespace.entered(), otlp_receiver(port=4318) as receiver:
        router.start(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_METRICS_EXPORTER="none")

        async def story(bus: Bus) -> None:
            async with programmer(bus, "a"):
                roles = bus.follow(ROLE)
                await publish_config_on(bus, [instance("a", **QUICK)], "a")
                await eventually_async(lambda: role_is(roles, "active"), "it is active")
                entry = roles.entries["a.vi_1"]
                await eventually_async(
                    lambda: {"take over", "add addresses"} <= {span.name for span in receiver.spans},
                    "the spans arrive",
                )
                spans = {span.name: span for span in receiver.spans if span.trace_id == entry.trace.trace_id}  # type: ignore[union-attr]  # every write has one
                takeover, adding = spans["take over"], spans["add addresses"]
                publish = spans["publish vipbus.state.role"]
                assert entry.trace is not None
                assert publish.span_id == entry.trace.span_id
                assert publish.parent_id == adding.parent_id == takeover.span_id
                assert takeover.start_ns <= publish.start_ns <= adding.start_ns <= adding.end_ns
                assert adding.end_ns <= takeover.end_ns
                assert {span.service for span in spans.values()} == {"vrrp-agent"}

        router.on_bus(story)


def test_no_configuration_on_the_bus_is_no_order_to_stop(network: Network) -> None:
    router = router_with_bus(network)
    router.save(instance("a", **QUICK))
    router.start()
    eventually(lambda: "connected to the bus" in router.output(), "it is connected")
    eventually(router.holds, "it elects from what it saved")
    until = time.monotonic() + 0.5
    eventually(lambda: time.monotonic() > until, "a while")
    assert router.holds()
